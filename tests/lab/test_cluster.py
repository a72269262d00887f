"""Manifests are what the agent's own cluster source understands."""

from __future__ import annotations

import stat
from pathlib import Path

from terway_edge.cluster.manifests import ManifestDirectory
from terway_edge.lab.cluster import Manifests
from terway_edge.lab.lans import lab_lans, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import POOL_LABEL
from terway_edge.lab.peers import SECRET, peer_object, secret_object

LAYOUT = Layout("twt")


def test_the_agent_reads_what_the_lab_writes(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "manifests")
    for index in (1, 2):
        manifests.put(lab_node(LAYOUT, index))
    snapshot = ManifestDirectory(manifests.directory).load()
    assert snapshot.problems == ()
    node = {node.name: node for node in snapshot.nodes}["node-2"]
    assert [str(address) for address in node.addresses] == ["172.16.0.12", "fd00:18::12"]
    assert [str(prefix) for prefix in node.pod_cidrs] == ["10.64.2.0/24", "fd00:64:0:2::/64"]
    assert node.labels["alibabacloud.com/is-edge-worker"] == "true"
    assert node.labels["alibabacloud.com/nodepool-id"] == "np-lab-a"


def test_the_agent_reads_peers_and_their_password(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "manifests")
    for lan in lab_lans(LAYOUT):
        manifests.put_object(lan.peer, peer_object(lan, POOL_LABEL))
    manifests.put_object(SECRET, secret_object("s3cret"))
    snapshot = ManifestDirectory(manifests.directory).load()
    assert snapshot.problems == ()
    near, far = sorted(snapshot.peers, key=lambda peer: peer.name)
    assert (near.name, near.spec.local_speakers) == ("peer-a", ("node-1", "node-2"))
    assert (near.spec.local_as_number, near.spec.peer_as_number, str(near.spec.peer_ip)) == (65010, 65001, "172.16.0.1")
    assert near.spec.node_selector.matches({POOL_LABEL: "np-lab-a"})
    assert not near.spec.node_selector.matches({POOL_LABEL: "np-lab-b"})
    assert near.spec.auth_password is not None
    assert snapshot.secrets[near.spec.auth_password.secret_key_ref].value == b"s3cret"
    assert (far.name, far.spec.local_speakers, far.spec.auth_password) == ("peer-b", ("node-4", "node-5"), None)
    assert (far.spec.local_as_number, far.spec.peer_as_number, str(far.spec.peer_ip)) == (65020, 65002, "172.16.1.1")


def test_nobody_else_can_read_a_secret(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "manifests")
    manifests.put_object(SECRET, secret_object("s3cret"))
    assert stat.S_IMODE((manifests.directory / f"{SECRET}.yaml").stat().st_mode) == 0o600


def test_a_node_may_bear_more_labels(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "manifests")
    manifests.put(lab_node(LAYOUT, 5), {"rack": "7"})
    labels = manifests.nodes()[0]["metadata"]["labels"]
    assert (labels["rack"], labels[POOL_LABEL]) == ("7", "np-lab-b")


def test_a_removed_node_is_gone_and_no_file_is_left(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "manifests")
    nodes = [lab_node(LAYOUT, index) for index in (1, 2)]
    for node in nodes:
        manifests.put(node)
    assert manifests.remove(nodes[0])["metadata"]["name"] == "node-1"
    assert [manifest["metadata"]["name"] for manifest in manifests.nodes()] == ["node-2"]
    assert [path.name for path in manifests.directory.iterdir()] == ["node-2.yaml"]
