"""The kernel port on Linux: network namespaces, links, addresses, neighbours, routes, rules over route netlink.

Only this package knows pyroute2, and only `pyroute` imports it, when it is needed.
"""

from terway_edge.kernel.linux import LinuxKernel

__all__ = ["LinuxKernel"]
