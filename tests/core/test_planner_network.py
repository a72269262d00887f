"""The file of a plan: what is accepted, and the line that each mistake gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.config_error import ConfigError
from terway_edge.core.planner.network import read_network
from tests.core.planned import SEED, SEVERAL_LANS, network


def mistakes(document: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_network(document)
    return caught.value.lines


def test_texts_become_values() -> None:
    found = network(links=[{"switch": "172.16.255.2", "gateway": "172.16.255.1"}])
    assert found.vpc_cidrs == (Prefix.parse("192.168.0.0/16"),)
    assert found.node_vswitches[1].cidr == Prefix.parse("192.168.1.0/24")
    assert found.links == ({"switch": Address.parse("172.16.255.2"), "gateway": Address.parse("172.16.255.1")},)
    assert found.path == (("switch",), ("gateway",), ("vbr",), ("ecr",), ("cen",), ("vpc",))


def test_the_way_follows_lans_transit_and_ens() -> None:
    found = network(lans=SEVERAL_LANS, transit=["vbr", "cen"], ens_network_cidrs=["10.200.0.0/16"])
    assert found.way == "switch-a/switch-b - gateway - vbr - cen - vpc - ens"
    assert network(transit=[]).way == "switch - gateway - vpc"


@pytest.mark.parametrize("key", SEED)
def test_a_missing_key_is_told(key: str) -> None:
    (line,) = mistakes({other: value for other, value in SEED.items() if other != key})
    assert line.startswith(f"{key}: is missing, add it (")


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"vpc_cidr": ["10.0.0.0/8"]}, ["vpc_cidr: is no setting, did you mean 'vpc_cidrs'?"]),
        (
            {"vpc_cidrs": "192.168.0.0/16"},
            ["vpc_cidrs: got '192.168.0.0/16', expected a list (list of the VPC's CIDRs)"],
        ),
        (
            {"service_cidr": "172.21.0.1/20"},
            [
                "service_cidr: got '172.21.0.1/20', expected a CIDR such as 10.0.0.0/8: 172.21.0.1/20 has host bits "
                "set (CIDR of Services)"
            ],
        ),
        (
            {"pods_per_node": "256"},
            ["pods_per_node: got '256', expected a whole number without quotes (most pods of an edge node, 1..65536)"],
        ),
        (
            {"transit": ["cen", "vbr"]},
            ["transit: got ['cen', 'vbr'], expected each at most once, in the order vbr, ecr, cen (list of what"],
        ),
        ({"transit": ["vpn"]}, ["transit[0]: got 'vpn', expected 'vbr', 'ecr' or 'cen' (list of what stands between"]),
        (
            {"lans": [{"switch": "vpc", "cidrs": ["172.16.0.0/24"]}]},
            ["lans: got [{...}], expected names of switches that no other device has; rename 'vpc' (list of LANs"],
        ),
        (
            {"lans": [SEVERAL_LANS[0], SEVERAL_LANS[0]]},
            ["lans: got [{...}, {...}], expected names of switches that no other device has; rename 'switch-a'"],
        ),
        (
            {"links": [{"switch": "172.16.0.2"}]},
            ["links[0]: expected the addresses of two devices, such as {switch: 172.16.0.2, gateway: 172.16.0.1}"],
        ),
        (
            {"links": [{"switch": "172.16.0.2", "gateway": "172.16.0.2"}]},
            ["links[0]: expected two addresses of one family, each device its own"],
        ),
        (
            {"links": [{"switch": "172.16.0.2", "gateway": "fd00::1"}]},
            ["links[0]: expected two addresses of one family, each device its own"],
        ),
        (
            {"node_vswitches": []},
            ["node_vswitches: got [], expected at least one (list of vSwitches of the cloud's nodes"],
        ),
        (
            {"pod_vswitches": [{"id": "v", "zone": "z", "cidr": "fd00::/64"}]},
            ["pod_vswitches[0].cidr: got 'fd00::/64', expected an IPv4 CIDR, such as 192.168.0.0/24 (its IPv4 CIDR"],
        ),
        (
            {"instance_types": [{"name": "ecs.g7.large", "enis": 0, "ipv4_per_eni": 6}]},
            ["instance_types[0].enis: got 0, expected greater than or equal to 1 (ENIs of an instance with"],
        ),
    ],
)
def test_each_mistake_is_one_line(changes: dict[str, Any], lines: list[str]) -> None:
    found = mistakes({**SEED, **changes})
    assert [line[: len(start)] for line, start in zip(found, lines, strict=True)] == lines


@pytest.mark.parametrize("document", [None, 7, "text", []])
def test_what_is_no_mapping(document: object) -> None:
    assert mistakes(document)[0].startswith("configuration: ")


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["10.0.0.0/8", "::/0"])
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from([*SEED, "lans", "links", "transit", "other"]), anything))
def test_any_file_is_read_or_refused_with_lines(changes: dict[str, Any]) -> None:
    try:
        read_network({**SEED, **changes})
    except ConfigError as error:
        lines = error.lines
    else:
        lines = ("none",)
    assert lines
    assert all(line.isprintable() for line in lines)
