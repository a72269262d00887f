"""Status entries as files: whole, one for each writer, never outside their directory, never an exception."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from terway_edge.cluster.manifests import ManifestDirectory
from terway_edge.cluster.status_files import StatusFiles, file_name
from terway_edge.core.ports import StatusEntry

VALUE = {"state": "Established", "prefixes": 3, "negotiated": MappingProxyType({"families": ("ipv4",)})}
ENTRY = StatusEntry("BGPPeer", "lan-1", "edge-1.example", VALUE)


def test_an_entry_is_a_file_of_its_own_beside_the_manifests(tmp_path: Path) -> None:
    source = ManifestDirectory(tmp_path)
    source.write_status(ENTRY)
    source.write_status(ENTRY._replace(key="edge-2"))
    status = tmp_path / "status"
    assert sorted(os.listdir(status)) == ["BGPPeer-lan-1.edge-1.example.json", "BGPPeer-lan-1.edge-2.json"]
    path = status / "BGPPeer-lan-1.edge-1.example.json"
    assert json.loads(path.read_text()) == {
        "state": "Established",
        "prefixes": 3,
        "negotiated": {"families": ["ipv4"]},
    }
    assert path.stat().st_mode & 0o777 == 0o644
    assert source.load().problems == ()


def test_an_equal_entry_is_not_written_again_even_by_the_next_process(tmp_path: Path) -> None:
    StatusFiles(tmp_path).write(ENTRY)
    (path,) = tmp_path.iterdir()
    before = path.stat()
    StatusFiles(tmp_path).write(ENTRY._replace(value=dict(reversed(VALUE.items()))))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    StatusFiles(tmp_path).write(ENTRY._replace(value={"state": "Idle"}))
    assert path.stat().st_ino != before.st_ino, "a reader of the old one has the whole old one"
    assert json.loads(path.read_text()) == {"state": "Idle"}
    assert list(tmp_path.iterdir()) == [path]


def test_of_a_node_an_entry_is_a_condition(tmp_path: Path) -> None:
    StatusFiles(tmp_path).write(StatusEntry("Node", "n1", "SufficientIP", {"status": "False"}))
    assert json.loads((tmp_path / "Node-n1.SufficientIP.json").read_text()) == {"status": "False"}


def test_none_removes_and_twice_is_harmless(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = StatusFiles(tmp_path / "status")
    files.write(ENTRY._replace(value=None))
    files.write(ENTRY)
    for _ in range(2):
        files.write(ENTRY._replace(value=None))
    assert list((tmp_path / "status").iterdir()) == []
    assert caplog.text == ""


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,3}[a-z0-9])?(\.[a-z0-9]){0,2}", fullmatch=True)


@example(("lan", "a.b"), ("lan.a", "b"))
@given(st.tuples(names, names), st.tuples(names, names))
def test_no_two_entries_share_a_file(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert (file_name("BGPPeer", *first) == file_name("BGPPeer", *second)) is (first == second)


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY._replace(kind="../BGPPeer"),
        ENTRY._replace(kind=""),
        ENTRY._replace(name="../lan-1"),
        ENTRY._replace(name="a/b"),
        ENTRY._replace(key=".."),
        ENTRY._replace(key="edge\0"),
        ENTRY._replace(key="n" * 254),
        ENTRY._replace(key="SufficientIP"),
        ENTRY._replace(kind="Node", key="annotations"),
        ENTRY._replace(kind="Node", key="Sufficient/../IP"),
    ],
)
@pytest.mark.parametrize("removes", [False, True])
def test_a_name_that_is_none_leads_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, entry: StatusEntry, removes: bool
) -> None:
    StatusFiles(tmp_path / "status").write(entry._replace(value=None) if removes else entry)
    assert list(tmp_path.iterdir()) == []
    assert "is not written: not names of objects" in caplog.text


def test_a_manifest_directory_that_is_away_is_not_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = ManifestDirectory(tmp_path / "manifests")
    for _ in range(2):
        source.write_status(ENTRY)
    assert list(tmp_path.iterdir()) == []
    assert caplog.text.count("status cannot be written to") == 1
    (tmp_path / "manifests").mkdir()
    source.write_status(ENTRY)
    assert len(list((tmp_path / "manifests" / "status").iterdir())) == 1


def test_what_a_process_that_died_left_is_no_trap(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    status = tmp_path / "status"
    status.mkdir()
    (status / f".{file_name(*ENTRY[:3])}.tmp").symlink_to(victim)
    StatusFiles(status).write(ENTRY)
    assert victim.read_text() == "mine"
    assert os.listdir(status) == [file_name(*ENTRY[:3])]
