"""Edge nodes: addresses from the node's pod CIDR, host routes to the other nodes of the LAN.

A fresh process recognises its state by: pod links by name and alias, routes by protocol 158 (those with a gateway or
of kind unreachable are this backend's, those straight to a link are the pods'), the nftables table by its name.
"""

from terway_edge.backends.flannel_route.backend import FlannelRoute

__all__ = ["FlannelRoute"]
