"""The way to the cloud in namespaces: one per device, links between them, and a host in the data center.

What a device of the plan routes is what `terway-edge plan` prints for it and nothing else. The lab's own are the links,
with their connected routes, and the default route of the host.
"""

from __future__ import annotations

from collections.abc import Sequence

from terway_edge.lab.lans import CORE
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch, forward, make_namespaces
from terway_edge.lab.way import CHAIN, Applied, Link, chain, device_netns

HOST = "dc-host"
HOST_ADDRESS, HOST_GATEWAY, HOST_LENGTH = "172.16.100.10", "172.16.100.1", 24
"""Of a host on a LAN of its own at the core: in the data center, and in no LAN of edge nodes."""


def build(layout: Layout, processes: Processes) -> None:
    """All but the core, which is there already. Raises LabError naming the command that failed."""
    devices = [device_netns(layout, device) for device in CHAIN[1:]]
    make_namespaces([*devices, layout.netns(HOST)], processes)
    for netns in devices:
        forward(netns, processes)
    for link in chain():
        _lay(link, layout, processes)
    _add_host(layout.netns(HOST), layout.netns(CORE), processes)


def apply(plan: Sequence[Applied], processes: Processes) -> None:
    """Run the lines as they are. Raises LabError with what the kernel says of one."""
    for device in plan:
        for line in device.lines:
            processes.must(line.split(), netns=device.netns)


def _lay(link: Link, layout: Layout, processes: Processes) -> None:
    """A link's ends are named after what is at the other end."""
    near, far = device_netns(layout, link.near), device_netns(layout, link.far)
    batch(near, [f"link add {link.far} type veth peer name {link.near} netns {far}"], processes)
    for netns, name, address in ((near, link.far, link.addresses[0]), (far, link.near, link.addresses[1])):
        batch(netns, [f"address add {address}/30 dev {name}", f"link set {name} up"], processes)


def _add_host(host: str, core: str, processes: Processes) -> None:
    batch(core, [f"link add {HOST} type veth peer name eth0 netns {host}"], processes)
    batch(core, [f"address add {HOST_GATEWAY}/{HOST_LENGTH} dev {HOST}", f"link set {HOST} up"], processes)
    lines = [f"address add {HOST_ADDRESS}/{HOST_LENGTH} dev eth0", "link set eth0 up"]
    batch(host, [*lines, f"route add default via {HOST_GATEWAY}"], processes)
