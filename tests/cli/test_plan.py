"""What `terway-edge plan` prints: the product's example, violations, JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from terway_edge.cli.plan import add_arguments, run
from terway_edge.core.config_error import ConfigError
from tests.core.planned import SEED, SEVERAL_LANS

# The lines of the product's guide, "Connect on-premises data centers through private networks".
GUIDE = ["Data center: 172.16.0.0/16", "VPC: 192.168.0.0/16", "Edge pod network: 10.0.0.0/8"]


@pytest.fixture
def answer(tmp_path: Path, capsys):
    """(exit status, output) for a network."""

    def ask(document: Any, *options: str) -> tuple[int, str]:
        path = tmp_path / "cluster.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        status = run(parser.parse_args([str(path), *options]))
        return status, capsys.readouterr().out

    return ask


def test_the_example_of_the_guide(answer) -> None:
    status, text = answer(SEED)
    assert status == 0
    assert text.splitlines()[:3] == GUIDE
    assert text.splitlines()[4:26] == [
        "Inbound routes, from the edge or data center to the VPC",
        "",
        "DEVICE      DESTINATION     NEXT HOP         HOW",
        "LAN switch  192.168.0.0/16  gateway          static",
        "gateway     192.168.0.0/16  VBR              static",
        "VBR         192.168.0.0/16  ECR              static",
        "ECR         192.168.0.0/16  CEN              static",
        "CEN         192.168.0.0/16  VPC route table  static",
        "",
        "Outbound routes, from the VPC to the edge or data center",
        "",
        "DEVICE           DESTINATION    NEXT HOP    HOW",
        "VPC route table  172.16.0.0/16  CEN         static",
        "VPC route table  10.0.0.0/8     CEN         static",
        "CEN              172.16.0.0/16  ECR         static",
        "CEN              10.0.0.0/8     ECR         static",
        "ECR              172.16.0.0/16  VBR         static",
        "ECR              10.0.0.0/8     VBR         static",
        "VBR              172.16.0.0/16  gateway     static",
        "VBR              10.0.0.0/8     gateway     static",
        "gateway          172.16.0.0/16  LAN switch  static",
        "gateway          10.0.0.0/8     LAN switch  static",
    ]


def test_only_the_routes_as_lines(answer) -> None:
    status, text = answer(SEED, "--for", "generic")
    assert (status, text.splitlines()[:3]) == (
        0,
        ["# LAN switch", "# inbound", "ip route replace 192.168.0.0/16 via <address of gateway>"],
    )


@pytest.mark.parametrize("options", [(), ("--for", "frr")])
def test_violations_are_all_that_is_printed(answer, options) -> None:
    status, text = answer(
        {**SEED, "service_cidr": "172.16.0.0/20", "edge_container_cidrs": ["192.168.0.0/17"]}, *options
    )
    lines = text.splitlines()
    assert status == 1
    assert [line.split()[:5] for line in lines] == [
        ["violation:", "service_cidr:", "172.16.0.0/20", "overlaps", "172.16.0.0/16"],
        ["violation:", "edge_container_cidrs[0]:", "192.168.0.0/17", "overlaps", "192.168.0.0/16"],
    ]


def test_json_has_everything_as_text_and_numbers(answer) -> None:
    links = [{"switch": "172.16.255.2", "gateway": "172.16.255.1"}]
    types = [{"name": "ecs.g7.xlarge", "enis": 4, "ipv4_per_eni": 15}]
    status, text = answer({**SEED, "links": links, "instance_types": types}, "--json")
    found = json.loads(text)
    assert (status, found["violations"], found["warnings"], len(found["hints"])) == (0, [], [], 3)
    assert found["capacity"] == {
        "pods_per_node": 256,
        "edge": [{"prefix": "10.0.0.0/8", "node_length": 24, "nodes": 65536}],
        "edge_nodes": 65536,
        "services": 4094,
        "zones": [{"name": f"cn-hangzhou-{zone}", "nodes": 252, "pods": 8188} for zone in "hij"],
        "types": [{"name": "ecs.g7.xlarge", "pods": 45}],
    }
    assert found["routes"][0] == {
        "device": "switch",
        "direction": "inbound",
        "destination": "192.168.0.0/16",
        "how": "static",
        "next_hop": "gateway",
        "address": "172.16.255.1",
    }
    assert len(found["routes"]) == 17


def test_json_of_a_network_that_is_impossible(answer) -> None:
    status, text = answer({**SEED, "service_cidr": "172.16.0.0/20"}, "--json")
    found = json.loads(text)
    assert (status, found["routes"], [each["where"] for each in found["violations"]]) == (1, [], ["service_cidr"])


def test_warnings_come_last(answer) -> None:
    document = {**SEED, "node_vswitches": SEED["node_vswitches"][:2], "pod_vswitches": SEED["pod_vswitches"][:2]}
    status, text = answer({**document, "lans": SEVERAL_LANS})
    assert status == 0
    assert [line.partition(":")[0] for line in text.splitlines()[-5:]] == ["warning", "hint", "hint", "hint", "hint"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({**SEED, "vpc_cidr": "x"}, "vpc_cidr: is no setting, did you mean 'vpc_cidrs'?"),
        ("", "holds 0 documents, expected one"),
        ("{}\n---\n{}", "holds 2 documents, expected one"),
        ("[1]", "configuration: got [1], expected a mapping of keys to values"),
    ],
)
def test_mistakes_name_the_file(answer, tmp_path: Path, document: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        answer(document)
    assert caught.value.lines[0].startswith(f"{tmp_path}/cluster.yaml: {told}")
