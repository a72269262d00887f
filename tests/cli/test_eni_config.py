"""What an operator sees of a manifest of Terway's ConfigMap."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from terway_edge.cli.eni_config import is_eni_config, validate
from terway_edge.cli.files import read_documents
from terway_edge.core.config_error import ConfigError
from tests.core.eni_samples import ACK, SELF_BUILT

NODES = {"eni_conf": '{"max_pool_size": 10}'}


def manifest(name: str, data: object) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }


@pytest.fixture
def written(tmp_path: Path):
    def write(*documents: object) -> list[object]:
        path = tmp_path / "eni-config.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        return read_documents(path)

    return write


def test_a_table_and_a_last_line(written, capsys) -> None:
    assert validate(written(manifest("eni-config", ACK))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ConfigMap eni-config"
    assert lines[2].split() == ["KEY", "EFFECT", "WHAT", "IT", "DOES", "HERE"]
    assert [line.split()[0] for line in lines if "NOT DONE" in line] == [
        "eni_conf.enable_eni_trunking",
        "10-terway.conf.eniip_virtual_type",
        "disable_network_policy",
    ]
    assert lines[-1] == "3 of 20 need your attention"


def test_nothing_to_say_is_said(written, capsys) -> None:
    assert validate(written(manifest("eni-config", SELF_BUILT))) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing needs your attention"


def test_each_nodes_config_map_is_shown_over_the_common_one(written, capsys) -> None:
    documents = written(manifest("eni-config", ACK), manifest("eni-config-large", NODES))
    assert validate(documents, as_json=True) == 0
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["ConfigMap eni-config", "nodes with terway-config=eni-config-large"]
    messages = [
        {note["key"]: note["message"] for note in one["notes"]}["eni_conf.max_pool_size"] for one in shown.values()
    ]
    assert [message.endswith("as the node's ConfigMap has it") for message in messages] == [False, True]


def test_a_nodes_config_map_can_be_alone(written, capsys) -> None:
    assert validate(written(manifest("eni-config-large", NODES))) == 0
    assert capsys.readouterr().out.startswith("nodes with terway-config=eni-config-large\n")


def test_a_mistake_is_status_1(written, capsys) -> None:
    assert validate(written(manifest("eni-config", {"eni_conf": '{"max_eni": "x"}'}))) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1 need your attention"


@pytest.mark.parametrize("data", [None, 7, {}, {"eni_conf": '{"ip_stack": 4}'}, {1: 2}])
def test_what_an_agent_refuses_is_said(written, capsys, data: object) -> None:
    assert validate(written(manifest("eni-config", data))) == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith("; an agent refuses this configuration")


@pytest.mark.parametrize(
    ("document", "is_one"),
    [
        (manifest("eni-config", {}), True),
        (manifest("eni-config-a", NODES), True),
        (manifest("other", {"a": "b"}), False),
        ({"kind": "ConfigMap"}, False),
        ({"kind": "ConfigMap", "metadata": 3, "data": 4}, False),
        ({"mtu": 1400}, False),
        ("text", False),
    ],
)
def test_other_files_are_told_apart(document: object, is_one: bool) -> None:
    assert is_eni_config([document]) is is_one


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff", "is no UTF-8 text: byte 0 is wrong"),
        (b"a: [", ": "),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "file.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_documents(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
