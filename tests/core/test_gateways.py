"""Which next hop leads to other LANs: settings, then the BGPPeers, then the default route."""

from __future__ import annotations

from typing import Any

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.gateways import choose_gateways
from terway_edge.core.models import Node, NodeView, Selection, Uplink
from tests.core.bgp_peers import make_peer

OWN = (Address.parse("172.16.0.10"), Address.parse("2001:db8::10"))
UPLINK = Uplink(
    2, "up0", 1500, ((OWN[0], 24), (OWN[1], 64)), (Address.parse("172.16.0.254"), Address.parse("2001:db8::fe"))
)


def chosen(*peers: dict[str, Any], configured: tuple[str, ...] = (), uplink: Uplink | None = UPLINK) -> dict[int, str]:
    made = tuple(make_peer(f"peer-{index}", **changes) for index, changes in enumerate(peers))
    view = NodeView(Node("node-1", {"pool": "a"}, OWN, ()), Selection("b"), (), uplink, peers=made)
    found = choose_gateways(view, tuple(map(Address.parse, configured)))
    assert all(gateway.family == family for family, gateway in found.items())
    return {family: str(gateway) for family, gateway in sorted(found.items())}


DEFAULTS = {4: "172.16.0.254", 6: "2001:db8::fe"}


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({}, "172.16.0.1"),
        ({"gateway": "172.16.0.2"}, "172.16.0.2"),
        ({"gateway": "192.0.2.1"}, "192.0.2.1"),
        ({"peerIP": "192.0.2.1"}, "172.16.0.254"),
        ({"peerIP": "192.0.2.1", "gateway": "172.16.0.2"}, "172.16.0.2"),
        ({"nodeSelector": "pool=b"}, "172.16.0.254"),
        ({"nodeSelector": "pool == 'a'"}, "172.16.0.1"),
        ({"gateway": "172.16.0.10"}, "172.16.0.254"),
        ({"peerIP": "172.16.0.10"}, "172.16.0.254"),
    ],
)
def test_a_peer_that_picks_the_node_gives_its_gateway_else_itself_if_it_is_near(peer: Any, expected: str) -> None:
    assert chosen(peer) == {4: expected, 6: "2001:db8::fe"}


def test_settings_come_first_each_for_its_family() -> None:
    assert chosen({"gateway": "172.16.0.2"}, configured=("172.16.0.3",)) == {4: "172.16.0.3", 6: "2001:db8::fe"}


def test_the_first_peer_of_each_family_counts() -> None:
    six = {"peerIP": "2001:db8::1"}
    assert chosen(six, {}, {"peerIP": "172.16.0.9"}) == {4: "172.16.0.1", 6: "2001:db8::1"}
    assert chosen({"nodeSelector": "pool=b"}, {"peerIP": "172.16.0.9"}) == {4: "172.16.0.9", 6: "2001:db8::fe"}
    assert chosen({"peerIP": "192.0.2.1"}, {"peerIP": "172.16.0.9"}) == DEFAULTS, "the second has no say"


def test_without_an_uplink_only_what_is_written_is_known() -> None:
    assert chosen() == DEFAULTS
    assert chosen({}, uplink=None) == {}
    assert chosen({"gateway": "172.16.0.2"}, configured=("2001:db8::3",), uplink=None) == {
        4: "172.16.0.2",
        6: "2001:db8::3",
    }
