"""Documents to BGPPeers, as the product page writes them and as people do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from terway_edge.cluster.documents import parse
from terway_edge.cluster.files import ManifestFiles
from terway_edge.cluster.objects import read
from terway_edge.core.addresses import Address
from terway_edge.core.bgp_peer import BgpPeer, SecretRef
from terway_edge.core.secret import Secret
from tests.core.bgp_peers import written

PRODUCT_PAGE = Path(__file__).parent / "bgppeer.yaml"
VERSION = "network.openyurt.io/v1alpha1"


def manifest(**changes: Any) -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": "BGPPeer", "metadata": {"name": "peer"}, "spec": written(), **changes}


def test_what_the_product_page_has(tmp_path: Path) -> None:
    (tmp_path / "bgppeer.yaml").write_bytes(PRODUCT_PAGE.read_bytes())
    files = ManifestFiles(tmp_path)
    files.rescan()
    snapshot = files.snapshot()
    assert (snapshot.problems, snapshot.in_sync) == ((), True)
    (peer,) = snapshot.peers
    assert (peer.name, peer.created, peer.warnings()) == ("peer", "", ())
    assert peer.spec.local_speakers == ("node-1", "node-2")
    assert (peer.spec.local_as_number, peer.spec.peer_as_number) == (65010, 65001)
    assert peer.spec.peer_ip == Address.parse("172.16.0.1")
    assert peer.spec.node_selector.matches({"alibabacloud.com/nodepool-id": "npxxx"})
    assert not peer.spec.node_selector.matches({})
    assert snapshot.secrets == {SecretRef(name="bgp-secret", key="password"): Secret(b"mySecretValue")}


def test_what_an_api_server_adds_is_read_or_ignored() -> None:
    metadata = {"name": "lan-1.example", "uid": "u1", "creationTimestamp": "2026-03-26T08:00:00Z", "generation": 3}
    (document,) = parse(
        f"apiVersion: {VERSION}\nkind: BGPPeer\nmetadata: {metadata}\nspec: {written()}\nstatus: {{speakers: []}}",
        yaml=True,
    )
    (peer,), problems, _ = read(document, "f")
    assert problems == []
    assert isinstance(peer, BgpPeer)
    assert (peer.name, peer.uid, peer.created) == ("lan-1.example", "u1", "2026-03-26T08:00:00Z")


@pytest.mark.parametrize("kind", ["List", "BGPPeerList"])
def test_lists(kind: str) -> None:
    items = [manifest(), manifest(metadata={"name": "other"}), manifest(spec={})]
    if kind == "BGPPeerList":
        for item in items:
            del item["kind"], item["apiVersion"]
    found, problems, _ = read({"apiVersion": "v1", "kind": kind, "items": items}, "f")
    assert [peer.name for peer in found] == ["peer", "other"]
    assert {problem.where for problem in problems} == {
        f"f: items[2]: BGPPeer/peer: spec.{field}"
        for field in ("localSpeakers", "localAsNumber", "peerIP", "peerAsNumber")
    }


@pytest.mark.parametrize(
    ("document", "where", "message"),
    [
        (manifest(metadata={}), "f: metadata.name", "expected a name such as lan-1; got ''"),
        (manifest(metadata={"name": "../peer"}), "f: BGPPeer/../peer: metadata.name", "expected a name such as lan-1"),
        (manifest(spec=None), "f: BGPPeer/peer: spec.localSpeakers", "is missing, add it"),
        (manifest(spec=3), "f: BGPPeer/peer: spec", "expected a mapping; got 3"),
        (
            manifest(spec=written(peerASNumber=65001)),
            "f: BGPPeer/peer: spec.peerASNumber",
            "is no field, did you mean 'peerAsNumber'?",
        ),
        (manifest(spec=written(peerIP="224.0.0.1")), "f: BGPPeer/peer: spec.peerIP", "expected the address of a host"),
        (
            manifest(metadata={"name": "peer", "creationTimestamp": 3}),
            "f: BGPPeer/peer: metadata.creationTimestamp",
            "expected text; got 3",
        ),
        (
            manifest(apiVersion="network.openyurt.io/v1"),
            "f: BGPPeer/peer: apiVersion",
            "expected network.openyurt.io/v1alpha1; got 'network.openyurt.io/v1'",
        ),
    ],
)
def test_a_problem_names_file_object_field_and_what_to_do(document: Any, where: str, message: str) -> None:
    found, problems, _ = read(document, "f")
    assert found == []
    assert problems[0].where == where
    assert message in problems[0].message
