"""The plan of the lab: addresses in their LANs, no number used twice."""

from __future__ import annotations

import ipaddress
from itertools import combinations

from terway_edge.lab.lans import POD_CIDR_LENGTHS, POD_RANGES, SITE, lab_lans, lab_node
from terway_edge.lab.layout import Layout

LAYOUT = Layout("twt")
NEAR, FAR = lab_lans(LAYOUT)
NODES = [lab_node(LAYOUT, index) for index in range(1, 7)]


def test_nodes_up_to_three_are_in_the_first_lan() -> None:
    assert [node.lan.name for node in NODES] == ["lan-a"] * 3 + ["lan-b"] * 3
    assert [node.name for node in NODES if node.is_speaker] == ["node-1", "node-2", "node-4", "node-5"]


def test_hosts_and_switch_are_on_their_lan() -> None:
    for node in NODES:
        for address, gateway, prefix in zip(node.addresses, node.lan.gateways, node.lan.prefixes, strict=True):
            assert {ipaddress.ip_address(address), ipaddress.ip_address(gateway)} <= set(_hosts(prefix))


def test_everything_but_pods_is_in_the_site() -> None:
    ends = [lan.link_to_core(end) for lan in (NEAR, FAR) for end in (1, 2)]
    for v4, v6 in [*ends, *(node.addresses for node in NODES), *(lan.gateways for lan in (NEAR, FAR))]:
        for address, prefix in zip((v4, v6), SITE, strict=True):
            assert ipaddress.ip_address(address) in ipaddress.ip_network(prefix)


def test_ends_of_a_link_share_a_subnet_and_links_do_not() -> None:
    for family, length in ((0, 30), (1, 64)):
        subnets = [
            {ipaddress.ip_interface(f"{lan.link_to_core(end)[family]}/{length}").network for end in (1, 2)}
            for lan in (NEAR, FAR)
        ]
        assert [len(subnet) for subnet in subnets] == [1, 1]
        assert subnets[0].isdisjoint(subnets[1])


def test_pod_cidrs_are_what_the_switches_take() -> None:
    for node in NODES:
        for cidr, around, length in zip(node.pod_cidrs, POD_RANGES, POD_CIDR_LENGTHS, strict=True):
            network = ipaddress.ip_network(cidr)
            assert network.prefixlen == length
            assert network.subnet_of(ipaddress.ip_network(around))  # type: ignore[arg-type]


def test_no_number_is_used_twice() -> None:
    addresses = [a for node in NODES for a in node.addresses] + [a for lan in (NEAR, FAR) for a in lan.gateways]
    numbers = [n for lan in (NEAR, FAR) for n in (lan.asn, lan.switch_asn)]
    assert len(set(addresses)) == len(addresses)
    assert len(set(numbers)) == len(numbers)
    cidrs = [ipaddress.ip_network(cidr) for node in NODES for cidr in node.pod_cidrs]
    assert not any(one.version == other.version and one.overlaps(other) for one, other in combinations(cidrs, 2))


def _hosts(prefix: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The first of a subnet: enough for a lab."""
    network = ipaddress.ip_network(prefix)
    return [network.network_address + n for n in range(1, 255)]
