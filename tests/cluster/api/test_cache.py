"""Files of the cache: whole or none, private, and readable as manifests."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terway_edge.cluster.api.cache import Cache
from terway_edge.cluster.api.projection import Projector
from terway_edge.cluster.manifests import ManifestDirectory
from tests.cluster.api.scripted import names, node, peer

NODES = [Projector("Node").one(json.dumps(node(f"n{number}", number)).encode()) for number in (1, 2)]
TEXTS = [item.trimmed for item in NODES]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cluster")
    assert cache.read("Node") == (None, None)
    assert cache.write("Node", TEXTS)
    assert cache.read("Node").items == NODES
    assert cache.write("Node", [])
    assert cache.read("Node").items == []
    assert cache.remove("Node")
    assert cache.remove("Node"), "what is not there is removed"
    assert cache.read("Node").items is None


def test_the_files_are_manifests(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cluster")
    cache.write("Node", TEXTS)
    peers = [Projector("BGPPeer").one(json.dumps(peer("p", "n1", secret="s")).encode()).trimmed]
    cache.write("BGPPeer", peers)
    secret = {"metadata": {"name": "s", "namespace": "kube-system"}, "data": {"password": "aGVsbG8="}}
    cache.write("Secret", [Projector("Secret").one(json.dumps(secret).encode()).trimmed])
    config = {"metadata": {"name": "eni-config", "namespace": "kube-system"}, "data": {"eni_conf": "{}"}}
    cache.write("ConfigMap", [Projector("ConfigMap").one(json.dumps(config).encode()).trimmed])
    snapshot = ManifestDirectory(tmp_path / "cluster").load()
    assert snapshot.problems == ()
    assert names(snapshot.nodes) == ("n1", "n2")
    assert names(snapshot.peers) == ("p",)
    assert [secret.value for secret in snapshot.secrets.values()] == [b"hello"]
    assert snapshot.config_maps == {"eni-config": {"eni_conf": "{}"}}


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Cache(tmp_path / "cluster").write("Secret", [])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cluster").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "cluster" / "secrets.json").stat().st_mode) == 0o600


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_counts_as_none_and_is_told(tmp_path: Path, data: st.DataObject) -> None:
    cache = Cache(tmp_path)
    cache.write("Node", TEXTS)
    path = tmp_path / "nodes.json"
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 3))])
    else:
        # Beyond the head, whose annotations and apiVersion say nothing; the kind is before them.
        place = data.draw(st.integers(whole.index(b"crc32"), len(whole) - 3))
        changed = bytearray(whole)
        changed[place] ^= data.draw(st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]))
        path.write_bytes(bytes(changed))
    found = cache.read("Node")
    assert found.items is None
    assert found.problem is not None
    assert "is damaged and counts as none" in found.problem.message
    assert str(path) == found.problem.where


def test_what_is_nested_too_deeply_is_damage(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("Node", [b"0"])
    written = (tmp_path / "nodes.json").read_bytes()
    (tmp_path / "nodes.json").write_bytes(written.replace(b"[0", b"[" * 100_000))
    items, problem = cache.read("Node")
    assert items is None
    assert problem is not None
    assert problem.reason == "ClusterCacheDamaged"


def test_a_file_of_another_kind_is_damage(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("ConfigMap", [])
    (tmp_path / "configmaps.json").rename(tmp_path / "nodes.json")
    assert cache.read("Node").problem is not None


def test_a_leftover_of_a_process_that_died_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".nodes.tmp").write_text("half")
    cache = Cache(tmp_path)
    assert cache.write("Node", TEXTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nodes.json"]


def test_a_link_in_place_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".nodes.tmp").symlink_to(victim)
    assert Cache(tmp_path).write("Node", TEXTS)
    assert victim.read_text() == "mine"


def test_a_directory_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        assert not cache.write("Node", TEXTS)
        assert not cache.write("Node", TEXTS)
    assert len(caplog.records) == 1
    assert "cannot be changed" in caplog.text
