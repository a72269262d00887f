"""Overlaps, zones and capacity: every rule, with the line that breaking it gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Prefix
from terway_edge.core.planner.capacity import Capacity, EdgeRange, TypePods, Zone, edge_range
from terway_edge.core.planner.findings import Level
from terway_edge.core.planner.overlaps import APART, overlap
from tests.core.planned import SEED, SEVERAL_LANS, plan, told, vswitch

NODES, PODS = SEED["node_vswitches"], SEED["pod_vswitches"]
SERVICE = "addresses of Services mean the same everywhere in the cluster: choose a range that is used nowhere"
EDGE = "the gateway of the data center must know one way to each address: choose another range for the edge's pods"
WAY = "a router must know one way to each address: renumber one of them"
TWICE = "each address may be given out once: correct one of them"


def violations(**changes: Any) -> list[str]:
    return told(Level.VIOLATION, **changes)


def test_the_example_keeps_every_rule() -> None:
    found = plan()
    assert (found.is_possible, found.of_level(Level.WARNING)) == (True, ())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"service_cidr": "172.16.16.0/20"},
            f"service_cidr: 172.16.16.0/20 overlaps 172.16.0.0/16 of data_center_cidrs[0], "
            f"expected no overlap: {SERVICE}",
        ),
        (
            {"service_cidr": "10.7.0.0/16"},
            f"service_cidr: 10.7.0.0/16 overlaps 10.0.0.0/8 of edge_container_cidrs[0], expected no overlap: {SERVICE}",
        ),
        (
            {"service_cidr": "192.168.248.0/21"},
            f"service_cidr: 192.168.248.0/21 overlaps 192.168.0.0/16 of vpc_cidrs[0], expected no overlap: {SERVICE}",
        ),
        (
            {"ens_network_cidrs": ["172.21.0.0/16"]},
            f"service_cidr: 172.21.0.0/20 overlaps 172.21.0.0/16 of ens_network_cidrs[0], "
            f"expected no overlap: {SERVICE}",
        ),
        (
            {"edge_container_cidrs": ["172.16.128.0/17"]},
            "edge_container_cidrs[0]: 172.16.128.0/17 overlaps 172.16.0.0/16 of data_center_cidrs[0], "
            f"expected no overlap: {EDGE}",
        ),
        (
            {"edge_container_cidrs": ["10.0.0.0/8", "192.168.192.0/18"]},
            "edge_container_cidrs[1]: 192.168.192.0/18 overlaps 192.168.0.0/16 of vpc_cidrs[0], "
            f"expected no overlap: {EDGE}",
        ),
        (
            {"ens_network_cidrs": ["10.9.0.0/16"]},
            "edge_container_cidrs[0]: 10.0.0.0/8 overlaps 10.9.0.0/16 of ens_network_cidrs[0], "
            f"expected no overlap: {EDGE}",
        ),
        (
            {"data_center_cidrs": ["192.168.255.0/24"]},
            f"vpc_cidrs[0]: 192.168.0.0/16 overlaps 192.168.255.0/24 of data_center_cidrs[0], "
            f"expected no overlap: {WAY}",
        ),
        (
            {"ens_network_cidrs": ["192.168.255.0/24"]},
            f"vpc_cidrs[0]: 192.168.0.0/16 overlaps 192.168.255.0/24 of ens_network_cidrs[0], "
            f"expected no overlap: {WAY}",
        ),
        (
            {"ens_network_cidrs": ["172.16.7.0/24"]},
            "data_center_cidrs[0]: 172.16.0.0/16 overlaps 172.16.7.0/24 of ens_network_cidrs[0], "
            f"expected no overlap: {WAY}",
        ),
        (
            {"vpc_cidrs": ["192.168.0.0/16", "192.168.9.0/24"]},
            f"vpc_cidrs[0]: 192.168.0.0/16 overlaps 192.168.9.0/24 of vpc_cidrs[1], expected no overlap: {TWICE}",
        ),
        (
            {"edge_container_cidrs": ["10.0.0.0/8", "10.1.0.0/16"]},
            "edge_container_cidrs[0]: 10.0.0.0/8 overlaps 10.1.0.0/16 of edge_container_cidrs[1], "
            f"expected no overlap: {TWICE}",
        ),
        (
            {"data_center_cidrs": ["172.16.0.0/16", "172.16.0.0/24"]},
            "data_center_cidrs[0]: 172.16.0.0/16 overlaps 172.16.0.0/24 of data_center_cidrs[1], "
            f"expected no overlap: {TWICE}",
        ),
        (
            {"ens_network_cidrs": ["172.30.0.0/16", "172.30.1.0/24"]},
            "ens_network_cidrs[0]: 172.30.0.0/16 overlaps 172.30.1.0/24 of ens_network_cidrs[1], "
            f"expected no overlap: {TWICE}",
        ),
        (
            {"node_vswitches": [*NODES, vswitch("vsw-n", "cn-hangzhou-h", "192.168.1.128/25")]},
            "node_vswitches[1]: 192.168.1.0/24 (vsw-node-i) overlaps 192.168.1.128/25 of node_vswitches[3] (vsw-n), "
            f"expected no overlap: {TWICE}",
        ),
        (
            {"pod_vswitches": [*PODS, vswitch("vsw-p", "cn-hangzhou-h", "192.168.64.0/24")]},
            "pod_vswitches[0]: 192.168.64.0/19 (vsw-pod-h) overlaps 192.168.64.0/24 of pod_vswitches[3] (vsw-p), "
            f"expected no overlap: {TWICE}",
        ),
        (
            {"lans": [*SEVERAL_LANS, {"switch": "switch-c", "cidrs": ["172.16.2.128/25"]}]},
            "lans[1].cidrs[0]: 172.16.2.0/24 (switch-b) overlaps 172.16.2.128/25 of lans[2].cidrs[0] (switch-c), "
            f"expected no overlap: {TWICE}",
        ),
        (
            {"node_vswitches": [*NODES, vswitch("vsw-n", "cn-hangzhou-h", "192.169.0.0/24")]},
            "node_vswitches[3]: 192.169.0.0/24 (vsw-n) is no part of vpc_cidrs 192.168.0.0/16: correct it, or add the "
            "VPC's secondary CIDR to vpc_cidrs",
        ),
        (
            {"pod_vswitches": [*PODS, vswitch("vsw-p", "cn-hangzhou-h", "192.169.0.0/24")]},
            "pod_vswitches[3]: 192.169.0.0/24 (vsw-p) is no part of vpc_cidrs 192.168.0.0/16: correct it, or add the "
            "VPC's secondary CIDR to vpc_cidrs",
        ),
        (
            {"lans": [{"switch": "switch-a", "cidrs": ["172.17.0.0/24"]}]},
            "lans[0].cidrs[0]: 172.17.0.0/24 (switch-a) is no part of data_center_cidrs 172.16.0.0/16: the VPC would "
            "have no route to its nodes: correct it, or add it there",
        ),
        (
            {"data_center_cidrs": ["100.100.0.0/16"]},
            "data_center_cidrs[0]: 100.100.0.0/16 overlaps 100.64.0.0/10, where the cloud's own services are: choose "
            "another range",
        ),
        (
            {"edge_container_cidrs": ["169.254.0.0/17"]},
            "edge_container_cidrs[0]: 169.254.0.0/17 overlaps 169.254.0.0/16, "
            "where no host can be: choose another range",
        ),
        (
            {"links": [{"switch": "10.255.0.2", "gateway": "172.16.0.1"}]},
            "links[0].switch: 10.255.0.2 lies in 10.0.0.0/8 of edge_container_cidrs[0], expected one that no pod or "
            "Service can have: renumber it",
        ),
        (
            {"links": [{"swich": "172.16.0.2", "gateway": "172.16.0.1"}]},
            "links[0]: 'swich' is no device, "
            "did you mean 'switch'?; the way is switch - gateway - vbr - ecr - cen - vpc",
        ),
        (
            {"links": [{"switch": "172.16.0.2", "vpc": "172.16.0.1"}]},
            "links[0]: switch and vpc are no neighbours, expected a link of the way "
            "switch - gateway - vbr - ecr - cen - vpc",
        ),
        (
            {"links": [{"switch-a": "172.16.0.2", "switch-b": "172.16.0.1"}], "lans": SEVERAL_LANS},
            "links[0]: switch-a and switch-b are no neighbours, expected a link of the way "
            "switch-a/switch-b - gateway - vbr - ecr - cen - vpc",
        ),
        (
            {"pod_vswitches": PODS[:2]},
            "pod_vswitches: has no vSwitch in zone cn-hangzhou-j, "
            "expected one: nodes there could give pods no address; "
            "add one",
        ),
        (
            {"pod_vswitches": [vswitch("vsw-node-i", "cn-hangzhou-h", "192.168.1.0/24"), *PODS]},
            "pod_vswitches[0]: vsw-node-i is 192.168.1.0/24 in zone cn-hangzhou-h, but 192.168.1.0/24 in zone "
            "cn-hangzhou-i under node_vswitches: correct one of them",
        ),
        (
            {"edge_container_cidrs": ["10.0.0.0/25"]},
            "edge_container_cidrs[0]: 10.0.0.0/25 has no room for a node of 256 pods, "
            "which needs a /24: choose a larger "
            "range, or lower pods_per_node",
        ),
        (
            {"service_cidr": "172.32.0.0/11"},
            "service_cidr: 172.32.0.0/11 is larger than the API server takes, expected a /12 or a smaller range",
        ),
        (
            {"service_cidr": "172.21.0.0/30"},
            "service_cidr: 172.21.0.0/30 is smaller than the API server takes, expected at least 8 addresses",
        ),
        (
            {"service_cidr": "fd00::/64"},
            "service_cidr: fd00::/64 is larger than the API server takes, expected a /108 or a smaller range",
        ),
    ],
)
def test_a_broken_rule_is_one_line_with_both_cidrs(changes: dict[str, Any], line: str) -> None:
    assert violations(**changes) == [line]
    assert plan(**changes).routes == ()


def test_a_service_range_in_the_vpc_is_told_of_each_vswitch_that_it_hits() -> None:
    assert [
        line.partition(" overlaps ")[2].partition(",")[0] for line in violations(service_cidr="192.168.0.0/23")
    ] == [
        "192.168.0.0/16 of vpc_cidrs[0]",
        "192.168.0.0/24 of node_vswitches[0] (vsw-node-h)",
        "192.168.1.0/24 of node_vswitches[1] (vsw-node-i)",
    ]


def test_node_and_pod_vswitches_may_overlap() -> None:
    pods = [{**each, "id": f"{each['id']}-2"} for each in NODES]
    assert violations(pod_vswitches=pods) == []
    assert violations(pod_vswitches=NODES) == []
    assert told(Level.HINT, pod_vswitches=pods)[0] == (
        "pod_vswitches[0]: 192.168.0.0/24 overlaps 192.168.0.0/24 of node_vswitches[0] (vsw-node-h), which is allowed: "
        "nodes and pods share these addresses"
    )


def test_two_zones_are_few() -> None:
    assert told(Level.WARNING, node_vswitches=[NODES[0], NODES[1]], pod_vswitches=PODS[:2]) == [
        "node_vswitches: zones are cn-hangzhou-h, cn-hangzhou-i, expected at least 3 for high availability: "
        "add a vSwitch in another zone"
    ]


def test_three_vswitches_in_one_zone_are_one_zone() -> None:
    nodes = [{**each, "zone": "cn-hangzhou-h"} for each in NODES]
    warnings = told(Level.WARNING, node_vswitches=nodes)
    assert warnings[0].startswith("node_vswitches: zones are cn-hangzhou-h, expected at least 3")
    assert warnings[1:] == [
        f"pod_vswitches[{n}]: vsw-pod-{zone} is in zone cn-hangzhou-{zone}, where no node is: pods never use it; "
        "remove it"
        for n, zone in ((1, "i"), (2, "j"))
    ]


def test_a_type_with_one_eni_gives_pods_nothing() -> None:
    assert told(Level.WARNING, instance_types=[{"name": "ecs.t6", "enis": 1, "ipv4_per_eni": 2}]) == [
        "instance_types[0]: ecs.t6 has its primary ENI only, which gives pods no address: choose another type"
    ]


def test_what_fits() -> None:
    types = [{"name": "ecs.g7.xlarge", "enis": 4, "ipv4_per_eni": 15}, {"name": "ens", "enis": 10, "ipv4_per_eni": 25}]
    assert plan(instance_types=types).capacity == Capacity(
        pods_per_node=256,
        edge=(EdgeRange(Prefix.parse("10.0.0.0/8"), 24, 65536),),
        edge_nodes=65536,
        services=4094,
        zones=tuple(Zone(f"cn-hangzhou-{zone}", 252, 8188) for zone in "hij"),
        types=(TypePods("ecs.g7.xlarge", 45), TypePods("ens", 225)),
    )


@pytest.mark.parametrize(
    ("pods", "cidrs", "lengths", "nodes"),
    [
        (1, ["10.0.0.0/24"], [32], 256),
        (64, ["10.0.0.0/16"], [26], 1024),
        (65, ["10.0.0.0/16"], [25], 512),
        (257, ["10.0.0.0/16"], [23], 128),
        (256, ["10.0.0.0/23", "10.0.4.0/24"], [24, 24], 3),
        (256, ["10.0.0.0/16", "fd00:64::/60"], [24, 64], 16),
        (256, ["fd00:64::/112"], [120], 256),
    ],
)
def test_how_many_edge_nodes_fit(pods: int, cidrs: list[str], lengths: list[int], nodes: int) -> None:
    found = plan(pods_per_node=pods, edge_container_cidrs=cidrs).capacity
    assert ([item.node_length for item in found.edge], found.edge_nodes) == (lengths, nodes)


@given(st.integers(1, 65536), st.integers(8, 16))
def test_a_nodes_range_is_the_smallest_that_holds_its_pods(pods: int, length: int) -> None:
    (item,) = plan(pods_per_node=pods, edge_container_cidrs=[f"10.0.0.0/{length}"]).capacity.edge
    assert 2 ** (32 - item.node_length) >= pods > 2 ** (31 - item.node_length)
    assert item.nodes * 2 ** (32 - item.node_length) == 2 ** (32 - length)


prefixes = st.builds(
    lambda value, length: Prefix(4, value >> (32 - length) << (32 - length), length),
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
)


@given(prefixes, prefixes)
def test_prefixes_overlap_if_they_share_an_address(one: Prefix, two: Prefix) -> None:
    assert overlap(one, two) == overlap(two, one) == (max(one.first, two.first) <= min(one.last, two.last))


def test_no_pair_of_ranges_is_forgotten() -> None:
    routed = ("vpc_cidrs", "edge_container_cidrs", "data_center_cidrs", "ens_network_cidrs", "service_cidr")
    pairs = {frozenset((one, two)) for one, two, _ in APART}
    assert {frozenset((one, two)) for one in routed for two in routed if one < two} <= pairs
    assert frozenset(("node_vswitches", "pod_vswitches")) not in pairs


def test_hints_say_what_cannot_be_changed_later() -> None:
    assert [str(hint) for hint in plan(edge_container_cidrs=["10.0.0.0/16"]).of_level(Level.HINT)] == [
        "edge_container_cidrs: cannot be extended later, nor can pods_per_node be changed: 256 edge nodes are the most",
        "service_cidr: cannot be changed later: 4094 Services are the most",
        "pod_vswitches: can be extended later: add vSwitches, or a secondary CIDR to the VPC first",
    ]
    more = told(Level.HINT, lans=SEVERAL_LANS, ens_network_cidrs=["172.30.0.0/16"])
    assert more == [
        "lans: are several: each switch speaks BGP with the gateway too, which learns from them where pods are",
        "ens_network_cidrs: are reached by Edge Network Acceleration: "
        "let it carry the data center's and the edge pods' CIDRs too",
    ]


@pytest.mark.parametrize(
    ("cidr", "services", "is_possible"),
    [
        ("172.21.0.0/12", 2**20 - 2, True),
        ("172.21.0.0/29", 6, True),
        ("172.21.0.8/30", 2, False),
        ("fd00:21::/108", 2**20 - 1, True),
        ("fd00:21::/125", 7, True),
        ("fd00:21::/126", 3, False),
        ("fd00:21::/128", 0, False),
    ],
)
def test_the_api_server_takes_8_to_2_to_the_20th_services(cidr: str, services: int, is_possible: bool) -> None:
    cidr = cidr.replace("172.21.0.0/12", "172.16.0.0/12")
    changes: dict[str, Any] = {"service_cidr": cidr, "data_center_cidrs": ["192.0.2.0/24"]}
    if ":" in cidr:
        changes["edge_container_cidrs"] = ["10.0.0.0/8", "fd00:64::/48"]
    found = plan(**changes)
    assert found.capacity.services == services
    sizes = [finding for finding in found.of_level(Level.VIOLATION) if "API server takes" in str(finding)]
    assert (sizes == []) is is_possible


@pytest.mark.parametrize(
    ("cidr", "pods", "length"),
    [("fd00::/64", 256, 64), ("fd00::/65", 256, 120), ("fd00::/48", 2**16, 64), ("fd00::/48", 1, 64)],
)
def test_an_ipv6_node_has_a_64_wherever_one_fits(cidr: str, pods: int, length: int) -> None:
    assert edge_range(Prefix.parse(cidr), pods).node_length == length


def test_a_node_of_2_to_the_64_pods_fits_a_64_exactly() -> None:
    assert edge_range(Prefix.parse("fd00::/60"), 2**64) == EdgeRange(Prefix.parse("fd00::/60"), 64, 16)
