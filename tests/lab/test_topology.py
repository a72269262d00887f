"""A LAN of two nodes, with a conversation through a DNAT on it."""

from __future__ import annotations

import json
import subprocess

import pytest

from terway_edge.lab import pings, services
from terway_edge.lab.errors import LabError
from terway_edge.lab.lans import LabNode, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch, build, pod_links

pytestmark = pytest.mark.root


def host_links() -> set[str]:
    shown = subprocess.run(["ip", "-j", "link", "show"], capture_output=True, text=True, check=True).stdout
    return {link["ifname"] for link in json.loads(shown)}


@pytest.fixture
def nodes(layout: Layout, processes: Processes) -> list[LabNode]:
    nodes = [lab_node(layout, index) for index in (1, 2)]
    build(nodes, processes)
    return nodes


def as_pod(node: LabNode) -> LabPod:
    """The node itself in the part of a pod: it has addresses and a namespace."""
    pod = LabPod(node, 1, node.netns, "", "")
    pod.result = {"ips": [{"address": address} for address in node.addresses]}
    return pod


def test_nodes_reach_each_other_and_the_host_sees_no_link(layout: Layout, processes: Processes) -> None:
    before = host_links()
    nodes = [lab_node(layout, index) for index in (1, 2)]
    build(nodes, processes)
    ends = [pings.End(node.name, node.netns, node.addresses) for node in nodes]
    answers = pings.run([pings.Ping(ends[0], ends[1], family) for family in (4, 6)], processes)
    assert [(answer.lost, answer.why) for answer in answers] == [(0, ""), (0, "")]
    assert host_links() == before


def test_nodes_have_no_default_route(nodes: list[LabNode], processes: Processes) -> None:
    shown = [
        processes.must(["ip", family, "route", "show", "default"], netns=nodes[0].netns) for family in ("-4", "-6")
    ]
    assert shown == ["", ""]


def test_an_address_that_nobody_has_is_lost(nodes: list[LabNode], processes: Processes) -> None:
    here = pings.End("node-1", nodes[0].netns, nodes[0].addresses)
    outside = pings.End("outside", "", ("203.0.113.1", ""))
    answers = pings.run([pings.Ping(here, outside, family) for family in (4, 6)], processes)
    assert [answer.lost for answer in answers] == [2, 2]
    assert "Network is unreachable" in answers[0].why
    assert answers[1].why == "outside has no IPv6 address"


def test_only_links_named_like_pods_count_as_pod_links(nodes: list[LabNode], processes: Processes) -> None:
    names = ["tw0123456789abc", "twice", "tw0123456789abx"]
    batch(nodes[0].netns, [f"link add {name} type bridge" for name in names], processes)
    assert pod_links(nodes[0].netns, processes) == ["tw0123456789abc"]


def test_services_are_answered_by_their_endpoint(nodes: list[LabNode], processes: Processes) -> None:
    first, last = as_pod(nodes[0]), as_pod(nodes[1])
    # DNAT happens in prerouting: clients sit behind the router that does it, so node-2 sends by way of node-1.
    wanted = services.services([first, last])[:1]
    batch(
        nodes[1].netns,
        [
            f"route add {wanted[0].address(4)} via {nodes[0].addresses[0]}",
            f"route add {wanted[0].address(6)} via {nodes[0].addresses[1]}",
        ],
        processes,
    )
    services.program(nodes[0], wanted, processes)
    calls = services.call_all(wanted, [last])
    assert [(call.client, call.target, call.why) for call in calls] == [("pod-2-1", "pod-1-1", "")] * 2


def test_a_service_without_a_way_is_told(nodes: list[LabNode]) -> None:
    first, last = as_pod(nodes[0]), as_pod(nodes[1])
    calls = services.call_all(services.services([first, last])[:1], [last])
    assert [call.why for call in calls] == ["Network is unreachable"] * 2


def test_a_client_seen_with_another_address_is_told(nodes: list[LabNode], processes: Processes) -> None:
    first, last = as_pod(nodes[0]), as_pod(nodes[1])
    batch(nodes[1].netns, ["address add 172.16.0.77/24 dev uplink"], processes)
    wanted = services.services([first, last])[:1]
    batch(
        nodes[1].netns,
        [f"route add {wanted[0].address(4)} via {nodes[0].addresses[0]} src 172.16.0.77"],
        processes,
    )
    services.program(nodes[0], wanted, processes)
    v4 = services.call_all(wanted, [last])[0]
    assert v4.why == "seen as 172.16.0.77 instead of 172.16.0.12"


def test_a_wrong_ip_command_is_told_with_its_words(nodes: list[LabNode], processes: Processes) -> None:
    with pytest.raises(LabError, match=r"Cannot find device"):
        batch(nodes[0].netns, ["link set nothing up"], processes)
