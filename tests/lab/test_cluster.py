"""Manifests are what the agent's own cluster source understands."""

from __future__ import annotations

from pathlib import Path

from terway_edge.cluster.manifests import ManifestDirectory
from terway_edge.lab.cluster import Manifests
from terway_edge.lab.layout import Layout
from terway_edge.lab.topology import lab_node

LAYOUT = Layout("twt")


def test_the_agent_reads_what_the_lab_writes(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "manifests")
    for index in (1, 2):
        manifests.put(lab_node(LAYOUT, index))
    snapshot = ManifestDirectory(manifests.directory).load()
    assert snapshot.problems == ()
    node = {node.name: node for node in snapshot.nodes}["node-2"]
    assert [str(address) for address in node.addresses] == ["198.18.0.12", "fd00:18::12"]
    assert [str(prefix) for prefix in node.pod_cidrs] == ["10.64.2.0/24", "fd00:64:0:2::/64"]
    assert node.labels["alibabacloud.com/is-edge-worker"] == "true"
    assert node.labels["alibabacloud.com/nodepool-id"] == "np-lab"


def test_a_removed_node_is_gone_and_no_file_is_left(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "manifests")
    nodes = [lab_node(LAYOUT, index) for index in (1, 2)]
    for node in nodes:
        manifests.put(node)
    manifests.remove(nodes[0])
    assert [manifest["metadata"]["name"] for manifest in manifests.nodes()] == ["node-2"]
    assert [path.name for path in manifests.directory.iterdir()] == ["node-2.yaml"]
