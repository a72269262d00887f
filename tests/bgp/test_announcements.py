"""What is announced to a peer, and above all what never is."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.backends.bgp.announcements import Announcement, announced, picked, routes_of
from terway_edge.backends.bgp.messages import Family
from terway_edge.core.addresses import BITS, Address, Prefix
from terway_edge.core.models import Node, NodeView, Uplink
from tests.bgp.clusters import bare, node, peer, view, without_uplink
from tests.bgp.strategies import prefixes

ALL = peer()


def told(prefix: str, view_: NodeView | None = None) -> tuple[list[str], list[str]]:
    """What becomes of a pod CIDR of n2: announced, and why not."""
    found = announced(ALL, view_ or view([node(1), node(2, prefix)], ALL))
    return (
        [str(each.prefix) for each in found.announcements if each.origin == "n2"],
        [condition.message for condition in found.conditions if condition.reason == "NotAnnounced"],
    )


def test_each_prefix_goes_via_its_own_node() -> None:
    found = announced(ALL, view([node(1), node(2)], ALL))
    assert found.announcements == tuple(
        Announcement(Prefix.parse(prefix), Address.parse(hop), origin)
        for prefix, hop, origin in [
            ("10.1.1.0/24", "192.0.2.11", "n1"),
            ("fd00:1:0:1::/64", "2001:db8::b", "n1"),
            ("10.1.2.0/24", "192.0.2.12", "n2"),
            ("fd00:1:0:2::/64", "2001:db8::c", "n2"),
        ]
    )
    assert found.conditions == ()


def test_only_picked_nodes_count_and_the_speaker_need_not_be_one() -> None:
    nodes = [node(1), node(2, labels={"lan": "a"}), node(3, labels={"lan": "b"}), node(4, labels={"lan": "a"})]
    wanted = peer(nodeSelector="lan=a")
    assert [each.name for each in picked(wanted, view(nodes, wanted))] == ["n2", "n4"]
    assert {each.origin for each in announced(wanted, view(nodes, wanted)).announcements} == {"n2", "n4"}


@pytest.mark.parametrize("prefix", ["10.1.2.0/24", "10.0.0.0/8", "10.1.2.0/30", "100.64.0.0/10", "fd00::/16"])
def test_pod_cidrs_are_announced(prefix: str) -> None:
    assert told(prefix) == ([prefix], [])


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("0.0.0.0/0", "is no pod CIDR: expected a length of 8 to 30"),
        ("10.0.0.0/7", "is no pod CIDR"),
        ("10.1.2.4/31", "is no pod CIDR"),
        ("10.1.2.4/32", "is no pod CIDR"),
        ("::/0", "is no pod CIDR: expected a length of 16 to 126"),
        ("fd00::1/128", "is no pod CIDR"),
        ("127.1.0.0/16", "overlaps 127.0.0.0/8"),
        ("169.254.1.0/24", "overlaps 169.254.0.0/16"),
        ("169.0.0.0/8", "overlaps 169.254.0.0/16"),
        ("224.1.0.0/16", "overlaps 224.0.0.0/3"),
        ("240.0.0.0/8", "overlaps 224.0.0.0/3"),
        ("fe80::/64", "overlaps fe80::/10"),
        ("ff02::/16", "overlaps ff00::/8"),
        ("::ffff:10.1.0.0/112", "overlaps ::ffff:0:0/96"),
        ("192.0.2.128/25", "overlaps 192.0.2.0/24, the LAN of the nodes themselves"),
        ("192.0.0.0/16", "holds 192.0.2.12, which is no pod's"),
        ("2001:db8::1:0/112", "overlaps 2001:db8::/64"),
    ],
)
def test_what_is_no_pod_cidr_is_not_and_the_operator_is_told(prefix: str, why: str) -> None:
    found, reasons = told(prefix)
    assert found == []
    (reason,) = reasons
    assert reason.startswith(f"{Prefix.parse(prefix)} of node n2: {why}")


@pytest.mark.parametrize("hop", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.7.7", "240.0.0.1"])
def test_a_next_hop_that_no_node_can_have_is_refused(hop: str) -> None:
    """Any of them, said to a peer, would cost all nodes their routes."""
    odd = node(2, "10.1.2.0/24")._replace(addresses=(Address.parse(hop),))
    found, (reason,) = told("10.1.2.0/24", view([node(1), odd], ALL))
    assert found == []
    assert f"its next hop {hop} lies in" in reason


def test_a_node_without_an_address_of_the_family_is_told_by_name() -> None:
    found, reasons = told("", view([node(1), bare(node(2))], ALL))
    assert found == []
    assert [reason.split(":")[0] for reason in reasons] == ["10.1.2.0/24 of node n2", "fd00"]
    assert "no IPv4 InternalIP" in reasons[0]


def test_a_next_hop_that_is_the_peer_is_refused() -> None:
    """RFC 4271, section 5.1.3."""
    odd = node(2, "10.1.2.0/24")._replace(addresses=(ALL.spec.peer_ip,))
    found, (reason,) = told("10.1.2.0/24", view([node(1), odd], ALL))
    assert (found, "is the peer itself" in reason) == ([], True)


def test_a_prefix_that_holds_the_peer_or_its_next_hop_is_refused_without_knowing_the_lan() -> None:
    odd = node(2, "192.0.2.0/28", "192.0.0.0/16")
    found, reasons = told("", without_uplink(view([node(1), odd], ALL)))
    assert found == []
    assert ["192.0.2.12" in reasons[0], "192.0.2.12" in reasons[1]] == [True, True]
    far = node(2, "192.0.2.0/29")
    assert "192.0.2.1," in told("", without_uplink(view([node(1), far], ALL)))[1][0]


def test_of_two_nodes_with_one_prefix_the_first_by_name_has_it() -> None:
    found = announced(ALL, view([node(3, "10.1.9.0/24"), node(2, "10.1.9.0/24")], ALL))
    assert [each.origin for each in found.announcements] == ["n2"]


def test_next_hops_on_no_link_are_told_in_one_condition() -> None:
    far = [
        node(number)._replace(addresses=(Address.parse(f"198.51.100.{number}"), Address.parse("2001:db8:9::1")))
        for number in (2, 3)
    ]
    found = announced(ALL, view([node(1), *far], ALL))
    assert len(found.announcements) == 6
    (condition,) = found.conditions
    assert (condition.reason, condition.subject) == ("NextHopOffLink", "BGPPeer/lan-a")
    assert condition.message.startswith("10.1.2.0/24 of node n2 (and 3 more) is announced via 198.51.100.2")


def test_without_an_uplink_nobody_knows_what_is_on_a_link() -> None:
    assert announced(ALL, without_uplink(view([node(1), node(2)], ALL))).conditions == ()


def test_routes_by_family() -> None:
    found = announced(ALL, view([node(1)], ALL)).announcements
    assert routes_of(found, (Family.IPV6, Family.IPV4)) == {
        Family.IPV4: {Prefix.parse("10.1.1.0/24"): Address.parse("192.0.2.11")},
        Family.IPV6: {Prefix.parse("fd00:1:0:1::/64"): Address.parse("2001:db8::b")},
    }
    assert routes_of(found, (Family.IPV4,)).keys() == {Family.IPV4}
    assert routes_of((), (Family.IPV6,)) == {Family.IPV6: {}}


NOBODYS = [
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "::ffff:0:0/96", "fe80::/10", "ff00::/8"),
        *("192.0.2.0/24", "2001:db8::/64"),  # the LAN
    )
]
LENGTHS = {4: range(8, 31), 6: range(16, 127)}


def is_acceptable(prefix: Prefix) -> bool:
    network = ipaddress.ip_network(str(prefix))
    return prefix.length in LENGTHS[prefix.family] and not any(
        network.overlaps(other) for other in NOBODYS if other.version == network.version
    )


@st.composite
def near_the_edge(draw: st.DrawFn) -> Prefix:
    """What random bits hardly ever hit: neighbours of what nobody may announce, and lengths at the limits."""
    network = draw(st.sampled_from(NOBODYS))
    version, bits = network.version, BITS[network.version]
    length = draw(st.sampled_from([0, 7, 8, 15, 16, 24, 30, 31, bits - 1, bits, network.prefixlen]))
    value = int(network.network_address) + draw(st.integers(-1, 1)) * network.num_addresses
    spare = bits - length
    return Prefix(version, max(value, 0) % (1 << bits) >> spare << spare, length)


POD_CIDRS = st.lists(prefixes(4) | prefixes(6) | near_the_edge(), min_size=20, max_size=60)


@settings(max_examples=250)
@given(cidrs=POD_CIDRS, many=st.integers(2, 6))
def test_of_any_pod_cidrs_only_acceptable_ones_come_out_and_all_speakers_agree(cidrs: list[Prefix], many: int) -> None:
    """10,000 prefixes in all."""
    nodes: list[Node] = [node(number)._replace(pod_cidrs=tuple(cidrs[number::many])) for number in range(many)]
    views = [view(nodes, ALL, at=at) for at in range(many)]
    first, *others = (announced(ALL, each) for each in views)
    assert all(other == first for other in others)
    assert {each.prefix for each in first.announcements} == set(filter(is_acceptable, cidrs))
    by_name = {each.name: each for each in nodes}
    for each in first.announcements:
        assert each.prefix in by_name[each.origin].pod_cidrs
        assert each.next_hop == by_name[each.origin].address(each.prefix.family)


def test_a_speaker_on_another_subnet_of_the_lan_agrees_too() -> None:
    nodes = [node(1), node(2), node(3)]
    usual = view(nodes, ALL)
    odd = replace(usual, uplink=Uplink(2, "eth0", 1500, ((Address.parse("203.0.113.7"), 24),)))
    assert announced(ALL, odd).announcements == announced(ALL, usual).announcements
