"""Next hops towards other LANs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from terway_edge.core.addresses import BITS, Address
from terway_edge.core.models import NodeView


def choose_gateways(view: NodeView, configured: Sequence[Address] = ()) -> dict[int, Address]:
    """The next hop by family, for those that have one.

    In this order: `configured` (settings routes.gateway, at most one per family); the `gateway` of the first BGPPeer
    of that family whose nodeSelector picks this node; its peerIP if that is on-link; the default route's gateway.
    """
    found = {gateway.family: gateway for gateway in (view.uplink.gateways if view.uplink else ())}
    for family in BITS:
        if gateway := _of_peer(view, family):
            found[family] = gateway
    found.update((gateway.family, gateway) for gateway in configured)
    return found


def _of_peer(view: NodeView, family: int) -> Address | None:
    """What the first BGPPeer in force says, by its gateway or its peerIP, both of which are of one family."""
    specs = (peer.spec for peer in view.peers if peer.spec.peer_ip.family == family)
    spec = next((spec for spec in specs if spec.node_selector.matches(view.node.labels)), None)
    if spec is None:
        return None
    on_link = view.uplink.on_link if view.uplink else ()
    is_near = any(prefix.contains(spec.peer_ip) for prefix in on_link)
    gateway = spec.gateway or (spec.peer_ip if is_near else None)
    return None if gateway in view.node.addresses else gateway  # a node that is the others' gateway
