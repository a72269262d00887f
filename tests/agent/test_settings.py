"""The settings file: both syntaxes, the environment over it, and what a bad file says."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from terway_edge.agent.settings import read
from terway_edge.core.config_error import ConfigError


def put(directory: Path, text: str, name: str = "config.yaml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def mistakes(path: Path, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(path, environ or {})
    return caught.value.lines


def test_yaml_json_and_environment(tmp_path: Path) -> None:
    yaml = put(tmp_path, "node_name: edge-1\nlog:\n  level: debug\nroutes: {edge_cidrs: [10.64.0.0/10]}\n")
    json = put(
        tmp_path,
        '{"node_name": "edge-1", "log": {"level": "debug"}, "routes": {"edge_cidrs": ["10.64.0.0/10"]}}',
        "config.json",
    )
    assert read(yaml, {}) == read(json, {})
    assert read(yaml, {"TERWAY_EDGE_LOG__LEVEL": "error"}).log.level == "error"


def test_an_empty_file_means_defaults(tmp_path: Path) -> None:
    found = read(put(tmp_path, "# nothing yet\n"), {})
    assert found.node_name == socket.gethostname().lower()
    assert read(put(tmp_path, ""), {"NODE_NAME": "n"}).node_name == "n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- a\n", "expected a mapping of keys to values; got list"),
        ("a: 1\n---\nb: 1\n", "holds 2 documents, expected one; remove the '---' between them"),
        ("mtu: 1500\nmtu: 1400\n", "line 2, column 1: is no YAML: the key 'mtu' appears twice in one mapping"),
        ("log: {levle: info}\n", "log.levle: is no setting, did you mean 'level'?"),
    ],
)
def test_a_bad_file_says_which_file_and_why(tmp_path: Path, text: str, line: str) -> None:
    path = put(tmp_path, text)
    assert mistakes(path) == (f"{path}: {line}",)


def test_a_mistake_in_the_environment_does_not_blame_the_file(tmp_path: Path) -> None:
    (line,) = mistakes(put(tmp_path, ""), {"TERWAY_EDGE_MTU": "big"})
    assert line.startswith("TERWAY_EDGE_MTU: got 'big', expected")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    assert mistakes(missing) == (
        f"{missing}: No such file or directory; create it, or name another file with --config",
    )
    assert mistakes(tmp_path) == (f"{tmp_path}: cannot be read: Is a directory",)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff")
    assert mistakes(binary) == (f"{binary}: is no UTF-8 text: byte 3 is wrong",)
