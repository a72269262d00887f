"""Documents to objects, Nodes above all: what is kept, and the sentence for each field that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.cluster.documents import parse
from terway_edge.cluster.objects import Reading, read
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Node
from terway_edge.core.ports import Problem

KUBECTL = Path(__file__).parent / "nodes.yaml"


def manifest(**changes: Any) -> dict[str, Any]:
    """A Node named edge-1; `spec`, `status`, `labels` replace those parts."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": changes.pop("name", "edge-1"), "labels": changes.pop("labels", {"a": "b"})},
        "spec": {"podCIDR": "10.1.0.0/24"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]},
        **changes,
    }


def test_what_kubectl_prints() -> None:
    (document,) = parse(KUBECTL.read_text(), yaml=True)
    nodes, problems, _ = read(document, "nodes.yaml")
    assert problems == []
    edge, cloud = nodes
    assert edge.name == "edge-1"
    assert edge.uid == "6a4f1c3e-0c7e-4f57-9d1b-0d6a6f5b6a01"
    assert edge.labels["alibabacloud.com/nodepool-id"] == "np0a1b2c3d"
    assert len(edge.labels) == 9
    assert edge.addresses == (Address.parse("192.0.2.11"), Address.parse("2001:db8::11"))
    assert edge.pod_cidrs == (Prefix.parse("10.64.1.0/24"), Prefix.parse("2001:db8:64:1::/64"))
    assert (cloud.addresses, cloud.pod_cidrs) == ((Address.parse("198.51.100.7"),), ())


@pytest.mark.parametrize(("spec", "wanted"), [({"providerID": "cn-hangzhou.i-abc"}, "cn-hangzhou.i-abc"), ({}, "")])
def test_what_the_cloud_calls_a_node(spec: dict[str, Any], wanted: str) -> None:
    (node,), problems, _ = read(manifest(spec=spec), "f")
    assert (node.provider_id, problems) == (wanted, [])


def test_a_node_list_of_the_api_has_items_without_kind() -> None:
    item = manifest()
    del item["kind"], item["apiVersion"]
    nodes, problems, _ = read({"apiVersion": "v1", "kind": "NodeList", "items": [item]}, "f")
    assert [node.name for node in nodes] == ["edge-1"]
    assert problems == []


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "v1", "kind": "ConfigMap", "data": None},
        {"apiVersion": "projectcalico.org/v3", "kind": "BGPPeer", "spec": {}},
        {"apiVersion": "network.openyurt.io/v1alpha1", "kind": "PoolService", "spec": {}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "Any_", "namespace": "other"}, "data": 3},
        {"apiVersion": "example.com/v1", "kind": "Secret", "metadata": 3},
        {"apiVersion": "example.com/v1", "kind": "Node", "metadata": 3},
        {"apiVersion": "v1", "kind": "List", "items": []},
    ],
)
def test_other_kinds_are_left_alone(document: dict[str, Any]) -> None:
    assert read(document, "f") == Reading([], [])


def test_null_sections_are_absent_ones() -> None:
    bare = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": None}, "spec": None, "status": None}
    assert read(bare, "f") == Reading([Node("n", {}, (), (), "")], [])


def test_labels_share_their_strings() -> None:
    texts = [f'{{"apiVersion": "v1", "kind": "Node", "metadata": {{"name": "n{i}", "labels": {{"long-key": "v v"}}}}}}'
             for i in range(2)]  # fmt: skip
    first, second = (read(parse(text, yaml=False)[0], "f")[0][0] for text in texts)
    assert next(iter(first.labels.items()))[1] is next(iter(second.labels.items()))[1]


@pytest.mark.parametrize(
    ("document", "where", "message"),
    [
        (3, "f", "expected an object, a mapping with apiVersion and kind; got 3"),
        ([manifest()], "f", "expected an object"),
        ({"kind": "Node"}, "f: apiVersion", "is missing"),
        ({"apiVersion": "v1"}, "f: kind", "is missing"),
        ({"apiVersion": "v1", "kind": 3}, "f: kind", "expected text; got 3; write it in quotes"),
        ({"kind": "Node", "metadata": {"name": "n"}}, "f: Node/n: apiVersion", "is missing"),
        (manifest(kind="List"), "f: List/edge-1: items", "expected a list of objects"),
        ({"apiVersion": "v1", "kind": "List", "items": {}}, "f: items", "expected a list of objects"),
        (
            {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "List", "items": []}]},
            "f: items[0]: items",
            "no list inside another",
        ),
        (manifest(metadata=[]), "f: metadata", "expected a mapping; got []"),
        (manifest(metadata={}), "f: metadata.name", "expected a node name such as edge-1.example; got ''"),
        (manifest(name="Edge_1"), "f: Node/Edge_1: metadata.name", "expected a node name"),
        (manifest(name="n" * 254), f"f: Node/{'n' * 254}: metadata.name", "expected a node name"),
        (manifest(labels={"a": True}), "f: Node/edge-1: metadata.labels[a]", "got True; write both in quotes"),
        (manifest(labels={1: "x"}), "f: Node/edge-1: metadata.labels[1]", "expected text"),
        (manifest(spec="x"), "f: Node/edge-1: spec", "expected a mapping; got 'x'"),
        (manifest(spec={"podCIDR": "10.1.0.1/24"}), "f: Node/edge-1: spec.podCIDR", "10.1.0.1/24 has host bits set"),
        (manifest(spec={"podCIDR": "10.1.0.0"}), "f: Node/edge-1: spec.podCIDR", "has no prefix length"),
        (manifest(spec={"podCIDRs": ["0.0.0.0/0"]}), "f: Node/edge-1: spec.podCIDRs[0]", "lies in or covers 0.0.0.0/8"),
        (manifest(spec={"podCIDRs": ["fe80::/64"]}), "f: Node/edge-1: spec.podCIDRs[0]", "lies in or covers fe80::/10"),
        (manifest(spec={"podCIDRs": [7]}), "f: Node/edge-1: spec.podCIDRs[0]", "expected a CIDR in quotes; got 7"),
        (manifest(spec={"podCIDRs": "10.1.0.0/24"}), "f: Node/edge-1: spec.podCIDRs", "expected a list"),
        (
            manifest(spec={"podCIDRs": ["10.1.0.0/24", "10.2.0.0/24"]}),
            "f: Node/edge-1: spec.podCIDRs",
            "two of one family; leave at most one IPv4 and one IPv6",
        ),
        (
            manifest(spec={"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.2.0.0/24"]}),
            "f: Node/edge-1: spec.podCIDR",
            "is '10.1.0.0/24' but podCIDRs[0] is '10.2.0.0/24'; make them equal",
        ),
        (
            manifest(status={"addresses": [{"type": "Hostname", "address": "x"}, {"type": "InternalIP"}]}),
            "f: Node/edge-1: status.addresses[1].address",
            "'' is no address",
        ),
        (
            manifest(status={"addresses": [{"type": "InternalIP", "address": "192.0.2.256"}]}),
            "f: Node/edge-1: status.addresses[0].address",
            "'192.0.2.256' is no address; write one such as 192.0.2.1",
        ),
        (
            manifest(status={"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}),
            "f: Node/edge-1: status.addresses[0].address",
            "lies in or covers 127.0.0.0/8",
        ),
        (manifest(status={"addresses": ["192.0.2.1"]}), "f: Node/edge-1: status.addresses[0]", "expected type and"),
    ],
)
def test_a_problem_names_file_object_field_and_what_to_do(document: Any, where: str, message: str) -> None:
    nodes, (problem,), _ = read(document, "f")
    assert nodes == []
    assert problem.where == where
    assert message in problem.message


def test_an_item_of_a_list_of_nodes_must_be_an_object() -> None:
    nodes, problems, _ = read({"apiVersion": "v1", "kind": "NodeList", "items": ["n1"]}, "f")
    assert (nodes, problems) == ([], [Problem("f: items[0]", "expected a Node; got 'n1'")])


def test_good_items_of_a_list_survive_bad_ones() -> None:
    items = [manifest(name="a"), manifest(name="B"), {"apiVersion": "v1", "kind": "Pod"}, manifest(name="c")]
    nodes, problems, _ = read({"apiVersion": "v1", "kind": "List", "items": items}, "f")
    assert [node.name for node in nodes] == ["a", "c"]
    assert [problem.where for problem in problems] == ["f: items[1]: Node/B: metadata.name"]


def test_a_problem_about_exploding_aliases_stays_short() -> None:
    lines = ["apiVersion: v1", "kind: Node", "metadata:", "  name: n", "  x0: &x0 [a, a, a, a, a, a, a, a, a]"]
    lines += [f"  x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]" for i in range(1, 12)]
    (document,) = parse("\n".join([*lines, "  labels: {k: *x11}"]), yaml=True)
    _, (problem,), _ = read(document, "f")
    assert len(problem.message) < 300


scraps = st.sampled_from([None, True, 7, "", "v1", "Node", "10.1.0.0/24", "InternalIP", [], {}, [None], [{}], {"a": 1}])
labels = st.dictionaries(st.sampled_from(["a", "b"]), scraps, max_size=2)
metadata = st.fixed_dictionaries({}, optional={"name": scraps | st.just("n"), "labels": scraps | labels, "uid": scraps})
spec = st.fixed_dictionaries({}, optional={"podCIDR": scraps, "podCIDRs": scraps | st.lists(scraps, max_size=2)})
address = st.fixed_dictionaries({}, optional={"type": scraps, "address": scraps})
status = st.fixed_dictionaries({}, optional={"addresses": scraps | st.lists(scraps | address, max_size=2)})


@settings(deadline=None)
@given(scraps | metadata, scraps | spec, scraps | status)
def test_a_node_of_any_scraps_gives_a_node_or_a_problem(metadata: Any, spec: Any, status: Any) -> None:
    document = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": status}
    nodes, problems, _ = read(document, "f")
    assert len(nodes) + len(problems) == 1


@settings(deadline=None)
@given(scraps, scraps, scraps | st.lists(scraps, max_size=2))
def test_an_object_of_any_scraps_is_read(version: Any, kind: Any, items: Any) -> None:
    nodes, _, _ = read({"apiVersion": version, "kind": kind, "items": items}, "f")
    assert nodes == []
