"""What a speaker announces: the pod CIDRs of every node that a BGPPeer picks, each via that node's own address. Pure.

Third-party next hops (RFC 4271, section 5.1.3): the speaker carries no traffic for others, and what it announced stays
right when it dies. Nothing but pod CIDRs of nodes is ever announced; `refusal` guards even those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.wish import Routes
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Condition, Node, NodeView

if TYPE_CHECKING:
    from terway_edge.core.bgp_peer import BgpPeer

SHORTEST = {4: 8, 6: 16}
LONGEST = {4: 30, 6: 126}
"""A pod CIDR holds more than one pod: what is longer is a pod's or a host's own address."""
NEVER = tuple(
    Prefix.parse(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0/96",
        "fe80::/10",
        "ff00::/8",
    )
)
"""Unspecified, loopback, link-local, multicast and reserved: nobody's pods (RFC 6890)."""


class Announcement(NamedTuple):
    """One prefix, where its packets go, and the node whose pods they are for."""

    prefix: Prefix
    next_hop: Address
    origin: str


class Announced(NamedTuple):
    """What one peer should know, at most one per prefix, and what could not be announced."""

    announcements: tuple[Announcement, ...]
    conditions: tuple[Condition, ...] = ()


def announced(peer: BgpPeer, view: NodeView) -> Announced:
    """Every speaker of a peer comes to the same answer, whatever node it runs on. O(nodes log nodes)."""
    found: dict[Prefix, Announcement] = {}
    conditions: list[Condition] = []
    for node in picked(peer, view):
        for prefix in node.pod_cidrs:
            next_hop = node.address(prefix.family)
            why_not = refusal(prefix, next_hop, peer, view)
            if why_not:
                conditions.append(Condition("NotAnnounced", peer.subject, f"{prefix} of node {node.name}: {why_not}"))
            elif next_hop is not None and prefix not in found:  # two nodes claim it: the route model tells
                found[prefix] = Announcement(prefix, next_hop, node.name)
    return Announced(tuple(found.values()), (*conditions, *_off_link(peer.subject, found.values(), view)))


def picked(peer: BgpPeer, view: NodeView) -> list[Node]:
    """The nodes whose pods the peer should know, by name."""
    nodes = (view.node, *(member.node for member in view.members))
    matches = peer.spec.node_selector.matches
    return sorted((node for node in nodes if matches(node.labels)), key=lambda node: node.name)


def refusal(prefix: Prefix, next_hop: Address | None, peer: BgpPeer, view: NodeView) -> str:
    """Why a prefix is not announced; empty if it may be."""
    if next_hop is None:
        return f"the node has no IPv{prefix.family} InternalIP to send its packets to; give its kubelet one (--node-ip)"
    if around := next((other for other in NEVER if other.contains(next_hop)), None):
        return f"its next hop {next_hop} lies in {around}, where no node is; correct the node's InternalIP"
    if next_hop == peer.spec.peer_ip:
        return f"its next hop {next_hop} is the peer itself; correct spec.peerIP"
    if not SHORTEST[prefix.family] <= prefix.length <= LONGEST[prefix.family]:
        return f"is no pod CIDR: expected a length of {SHORTEST[prefix.family]} to {LONGEST[prefix.family]}"
    for other in NEVER:
        if other.covers(prefix) or prefix.covers(other):
            return f"overlaps {other}, which no pod can use"
    for address in (next_hop, peer.spec.peer_ip):
        if prefix.contains(address):
            return f"holds {address}, which is no pod's: packets for its pods would go round in circles"
    for network in view.uplink.on_link if view.uplink else ():
        if network.covers(prefix) or prefix.covers(network):
            return f"overlaps {network}, the LAN of the nodes themselves: the switch would send it astray"
    return ""


def routes_of(announcements: Iterable[Announcement], families: Sequence[Family]) -> Routes:
    """As the speaker takes them."""
    routes: dict[Family, dict[Prefix, Address]] = {family: {} for family in families}
    by_version = {family.version: routes[family] for family in families}
    for prefix, next_hop, _ in announcements:
        if prefix.family in by_version:
            by_version[prefix.family][prefix] = next_hop
    return routes


def _off_link(subject: str, found: Iterable[Announcement], view: NodeView) -> list[Condition]:
    """One condition for all of them: there can be hundreds."""
    if view.uplink is None:
        return []
    on_link = view.uplink.on_link
    far = [each for each in found if not any(network.contains(each.next_hop) for network in on_link)]
    if not far:
        return []
    prefix, next_hop, node = far[0]
    others = f" (and {len(far) - 1} more)" if len(far) > 1 else ""
    return [
        Condition(
            "NextHopOffLink",
            subject,
            f"{prefix} of node {node}{others} is announced via {next_hop}, which is on no link of this speaker: "
            f"the peer ignores it unless it has an interface in that subnet; pick only nodes of the speaker's LAN "
            f"in spec.nodeSelector",
        )
    ]
