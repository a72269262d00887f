"""Routes as the manifests imply, and as `ip -j route` prints them."""

from __future__ import annotations

import json

from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import node_object
from terway_edge.lab.pods import LabPod, lab_pod
from terway_edge.lab.routes import LabRoute, compare, expected, parse

LAYOUT = Layout("twt")
MANIFESTS = [node_object(lab_node(LAYOUT, index)) for index in (1, 2, 4)]


def plugged_pod(*addresses: str) -> LabPod:
    pod = lab_pod(LAYOUT, lab_node(LAYOUT, 1), 1)
    pod.result = {"ips": [{"address": address} for address in addresses]}
    return pod


def test_a_node_should_have_the_other_nodes_the_other_lan_its_cover_and_its_pods() -> None:
    pod = plugged_pod("10.64.1.2/32", "fd00:64:0:1::2/128")
    assert expected(lab_node(LAYOUT, 1), MANIFESTS, [pod]) == {
        LabRoute("10.64.1.0/24", kind="unreachable"),
        LabRoute("fd00:64:0:1::/64", kind="unreachable"),
        LabRoute("10.64.2.0/24", "172.16.0.12", "uplink"),
        LabRoute("fd00:64:0:2::/64", "fd00:18::12", "uplink"),
        LabRoute("10.64.4.0/24", "172.16.0.1", "uplink"),
        LabRoute("fd00:64:0:4::/64", "fd00:18::1", "uplink"),
        LabRoute("192.168.0.0/16", "172.16.0.1", "uplink"),
        LabRoute("172.20.0.0/16", "172.16.0.1", "uplink"),
        LabRoute("10.64.1.2/32", link="tw*"),
        LabRoute("fd00:64:0:1::2/128", link="tw*"),
    }


def test_pods_of_other_nodes_ask_for_no_host_route() -> None:
    routes = expected(lab_node(LAYOUT, 2), MANIFESTS, [plugged_pod("10.64.1.2/32")])
    assert LabRoute("10.64.1.2/32", link="tw*") not in routes


def test_kernel_routes_are_read_as_iproute2_prints_them() -> None:
    text = json.dumps(
        [
            {"dst": "default", "gateway": "172.16.0.1", "dev": "uplink", "flags": []},
            {"dst": "10.64.1.2", "dev": "tw0123456789abc", "scope": "link", "flags": []},
            {"dst": "10.64.2.0/24", "gateway": "172.16.0.12", "dev": "uplink", "flags": []},
            {"type": "unreachable", "dst": "fd00:64:0:1::/64", "dev": "lo", "metric": 4294967295, "flags": []},
        ]
    )
    assert parse(text) == {
        LabRoute("default", "172.16.0.1", "uplink"),
        LabRoute("10.64.1.2/32", link="tw*"),
        LabRoute("10.64.2.0/24", "172.16.0.12", "uplink"),
        LabRoute("fd00:64:0:1::/64", kind="unreachable"),
    }


def test_no_output_is_no_routes() -> None:
    assert parse("") == set()


def test_a_wrong_next_hop_is_missing_and_unexpected() -> None:
    right, wrong = LabRoute("10.64.2.0/24", "172.16.0.12", "uplink"), LabRoute("10.64.2.0/24", "172.16.0.1", "uplink")
    table = compare("node-1", {right}, {wrong})
    assert not table.ok
    assert (table.missing, table.unexpected) == ((right,), (wrong,))


def test_routes_are_ordered_by_number_not_by_text() -> None:
    routes = {LabRoute(f"10.64.{n}.0/24") for n in (2, 10, 1)} | {LabRoute("fd00::/64"), LabRoute("default")}
    prefixes = [route.prefix for route in compare("node-1", routes, routes).actual]
    assert prefixes == ["default", "10.64.1.0/24", "10.64.2.0/24", "10.64.10.0/24", "fd00::/64"]
