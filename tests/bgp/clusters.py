"""Nodes, BGPPeers and views of them for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.bgp_peer import BgpPeer, SecretRef, parse_spec
from terway_edge.core.models import Member, Node, NodeView, Selection, Uplink
from terway_edge.core.secret import Secret

LAN = "lan-a"
SWITCH = Address.parse("192.0.2.1")
REF = SecretRef(name="bgp", key="password")
AUTH = {"secretKeyRef": {"name": "bgp", "key": "password"}}


def node(number: int, *cidrs: str, labels: Mapping[str, str] | None = None) -> Node:
    """`n1`, `n2`, .. with a /24 and a /64 for its pods unless others are given."""
    found = cidrs or (f"10.1.{number}.0/24", f"fd00:1:0:{number:x}::/64")
    addresses = (Address.parse(f"192.0.2.{10 + number}"), Address.parse(f"2001:db8::{10 + number:x}"))
    return Node(f"n{number}", labels or {}, addresses, tuple(map(Prefix.parse, found)))


def bare(made: Node) -> Node:
    """Without any InternalIP."""
    return made._replace(addresses=())


def peer(name: str = "lan-a", **fields: object) -> BgpPeer:
    """A BGPPeer whose speaker is `n1`, with the fields of its manifest."""
    spec = {"localSpeakers": ["n1"], "localAsNumber": 65100, "peerIP": str(SWITCH), "peerAsNumber": 65001, **fields}
    return BgpPeer(name, "2026-01-01T00:00:00Z", parse_spec(spec))


def uplink_of(made: Node) -> Uplink:
    """On 192.0.2.0/24 and 2001:db8::/64."""
    return Uplink(2, "eth0", 1500, tuple((address, 24 if address.family == 4 else 64) for address in made.addresses))


def view(
    nodes: Iterable[Node],
    *peers: BgpPeer,
    at: int = 0,
    secrets: Mapping[SecretRef, Secret] | None = None,
    advertisers: tuple[str, ...] = ("bgp",),
) -> NodeView:
    """What one of the nodes sees, the `at`-th."""
    known = list(nodes)
    own = known.pop(at)
    members = tuple(Member(each, LAN) for each in known)
    selection = Selection("flannel_route", advertisers, LAN)
    return NodeView(own, selection, members, uplink_of(own), True, peers, secrets or {})


def without_uplink(made: NodeView) -> NodeView:
    return replace(made, uplink=None)
