"""The way to the cloud: the plan of the lab, and that its lines are those that a user is shown."""

from __future__ import annotations

import argparse
import ipaddress
from pathlib import Path

import pytest
import yaml

from terway_edge.cli.plan import add_arguments, run
from terway_edge.lab.lans import lab_lans
from terway_edge.lab.layout import Layout
from terway_edge.lab.way import by_next_hop, chain, document, planned

LAYOUT = Layout("twt")
LANS = lab_lans(LAYOUT)
PLAN = {each.device: each for each in planned(LAYOUT, LANS)}


def test_the_lines_are_those_that_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(document(LANS)))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args([str(path), "--for", "generic"])) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]
    assert printed == [line for each in PLAN.values() for line in each.lines]


def test_every_device_of_the_plan_has_a_namespace_of_its_own() -> None:
    assert list(PLAN) == ["switch-a", "switch-b", "gateway", "vbr", "ecr", "cen", "vpc", "ens"]
    namespaces = [each.netns for each in PLAN.values()]
    assert len(set(namespaces)) == len(namespaces)
    assert namespaces[:3] == [LANS[0].netns, LANS[1].netns, LAYOUT.netns("core")]


@pytest.mark.parametrize("device", ["switch-a", "switch-b", "gateway", "vbr", "ecr", "cen"])
def test_inbound_routes_lead_to_the_vpc_as_in_the_product_guide(device: str) -> None:
    assert any("192.168.0.0/16 via" in line for line in PLAN[device].lines)


@pytest.mark.parametrize("prefix", ["172.16.0.0/16", "10.0.0.0/8"])
def test_outbound_routes_lead_to_the_data_center_as_in_the_product_guide(prefix: str) -> None:
    for device in ("vbr", "ecr", "cen", "vpc"):
        assert any(f"{prefix} via" in line for line in PLAN[device].lines), device


def test_every_next_hop_is_known_and_on_a_link_of_its_device() -> None:
    near = {address: link.near for link in chain() for address in [link.addresses[1]]}
    for each in PLAN.values():
        for line in each.lines:
            assert "<" not in line, "an address that the plan does not know"
            if " via " in line and line.split()[-1] in near:
                assert each.device == near[line.split()[-1]]


def test_links_of_the_way_share_no_subnet() -> None:
    subnets = [{ipaddress.ip_interface(f"{address}/30").network for address in link.addresses} for link in chain()]
    assert [len(subnet) for subnet in subnets] == [1] * 5
    assert len(set.union(*subnets)) == 5


def test_lines_are_told_by_next_hop() -> None:
    lines = [
        "ip route replace 192.0.2.0/24 via 198.51.100.1",
        "ip route replace unreachable 10.0.0.0/8 metric 4294967295",
        "ip -6 route replace 2001:db8::/32 via fe80::1",
        "ip route replace 203.0.113.0/24 via 198.51.100.1",
    ]
    assert list(by_next_hop(lines)) == [
        "192.0.2.0/24, 203.0.113.0/24 via 198.51.100.1",
        "unreachable 10.0.0.0/8",
        "2001:db8::/32 via fe80::1",
    ]
