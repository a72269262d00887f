"""Annotations of Nodes as files: one mapping each, ours only, never outside their directory, never an exception."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cluster.annotation_files import AnnotationFiles
from terway_edge.cluster.manifests import ManifestDirectory
from terway_edge.core.ports import Annotation, StatusEntry
from terway_edge.testing import MemoryAnnotations

CAPACITY = Annotation("Node", "n1.example", "", "k8s.aliyun.com/max-available-ip", "30")
OTHER = CAPACITY._replace(key="example.com/other", value="text")
FILE = "Node-n1..example.annotations.json"


def found(directory: Path) -> dict[str, str]:
    return json.loads((directory / FILE).read_text())


def test_a_nodes_annotations_are_a_file_beside_its_conditions(tmp_path: Path) -> None:
    source = ManifestDirectory(tmp_path)
    source.write_annotation(CAPACITY)
    source.write_annotation(OTHER)
    source.write_status(StatusEntry("Node", "n1.example", "SufficientIP", {"status": "True"}))
    assert sorted(os.listdir(tmp_path / "status")) == ["Node-n1..example.SufficientIP.json", FILE]
    assert found(tmp_path / "status") == {"k8s.aliyun.com/max-available-ip": "30", "example.com/other": "text"}
    assert source.load().problems == ()


def test_the_next_process_keeps_what_it_does_not_write(tmp_path: Path) -> None:
    AnnotationFiles(tmp_path).write(OTHER)
    AnnotationFiles(tmp_path).write(CAPACITY)
    assert found(tmp_path) == {CAPACITY.key: "30", OTHER.key: "text"}
    before = (tmp_path / FILE).stat()
    AnnotationFiles(tmp_path).write(OTHER)
    after = (tmp_path / FILE).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_none_removes_and_an_empty_mapping_is_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = AnnotationFiles(tmp_path)
    files.write(CAPACITY._replace(value=None))
    files.write(CAPACITY)
    files.write(OTHER)
    files.write(CAPACITY._replace(value=None))
    assert found(tmp_path) == {OTHER.key: "text"}
    for _ in range(2):
        files.write(OTHER._replace(value=None))
    assert list(tmp_path.iterdir()) == []
    assert caplog.text == ""


def test_pods_are_no_objects_of_a_directory_of_manifests(tmp_path: Path) -> None:
    source = ManifestDirectory(tmp_path)
    source.write_annotation(Annotation("Pod", "web-0", "default", "k8s.aliyun.com/pod-ips", "10.0.0.5", "uid"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000])
def test_a_spoiled_file_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    AnnotationFiles(tmp_path).write(CAPACITY)
    assert found(tmp_path) == {CAPACITY.key: "30"}


@pytest.mark.parametrize("name", ["../n1", "a/b", "", "n\0", "N1", "n" * 254])
def test_a_name_that_is_none_leads_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    AnnotationFiles(tmp_path / "status").write(CAPACITY._replace(name=name))
    assert list(tmp_path.iterdir()) == []
    assert "is not written: not the name of an object" in caplog.text


def test_a_directory_that_is_away_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = AnnotationFiles(tmp_path / "manifests" / "status")
    files.write(CAPACITY)
    files.write(CAPACITY)
    assert caplog.text.count("annotations cannot be written to") == 1
    (tmp_path / "manifests").mkdir()
    files.write(CAPACITY)
    assert found(tmp_path / "manifests" / "status") == {CAPACITY.key: "30"}


keys, values = st.sampled_from(["a", "b", "c"]), st.none() | st.text(max_size=3)


@given(st.lists(st.tuples(st.booleans(), keys, values), max_size=12))
def test_files_and_memory_agree_whatever_is_written(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, str, str | None]]
) -> None:
    """A True in a step is a restart before it."""
    directory, memory = tmp_path_factory.mktemp("status"), MemoryAnnotations()
    files = AnnotationFiles(directory)
    for restarts, key, value in steps:
        files = AnnotationFiles(directory) if restarts else files
        for sink in (files.write, memory.write_annotation):
            sink(CAPACITY._replace(key=key, value=value))
    path = directory / FILE
    assert (json.loads(path.read_text()) if path.exists() else {}) == memory.of("Node", CAPACITY.name)
