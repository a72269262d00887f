"""Secrets to passwords: what is one, which are wanted, and that none is ever repeated."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cluster.files import ManifestFiles
from terway_edge.cluster.objects import read
from terway_edge.cluster.secrets import SecretManifest
from terway_edge.core.bgp_peer import SecretRef
from terway_edge.core.ports import Problem, Snapshot
from terway_edge.core.secret import Secret
from tests.core.bgp_peers import written

REF = SecretRef(name="bgp-secret", key="password")


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def manifest(name: str = "bgp-secret", namespace: str = "kube-system", **sections: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, **sections}


def peer(name: str = "peer", ref: SecretRef = REF) -> dict[str, Any]:
    return {
        "apiVersion": "network.openyurt.io/v1alpha1",
        "kind": "BGPPeer",
        "metadata": {"name": name},
        "spec": written(authPassword={"secretKeyRef": {"name": ref.name, "key": ref.key}}),
    }


def secret(document: dict[str, Any]) -> SecretManifest:
    (found,), problems, _ = read(document, "f")
    assert problems == []
    assert isinstance(found, SecretManifest)
    return found


@given(st.binary(max_size=90))
def test_a_password_has_1_to_80_bytes_after_one_line_end(value: bytes) -> None:
    expected = value[:-1] if value.endswith(b"\n") else value
    expected = expected[:-1] if value.endswith(b"\r\n") else expected
    found = secret(manifest(data={"k": encoded(value)}))
    if 1 <= len(expected) <= 80:
        assert (found.passwords, found.faults) == ({"k": Secret(expected)}, {})
    else:
        assert found.passwords == {}
        assert found.faults["k"] == (f"has {len(expected)} bytes, expected 1..80, as TCP MD5 takes; choose another")


@pytest.mark.parametrize(
    ("value", "password"),
    [
        (b"p" * 80, b"p" * 80),
        (b"p" * 80 + b"\n", b"p" * 80),
        (b"p\n\n", b"p\n"),
        (b"p\r\n", b"p"),
        (b"p\r", b"p\r"),
        (b" p ", b" p "),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_exactly_one_line_end_is_stripped(value: bytes, password: bytes) -> None:
    assert secret(manifest(data={"k": encoded(value)})).passwords == {"k": Secret(password)}


def test_plain_text_wins_over_base64_and_base64_may_be_folded() -> None:
    data = {"a": encoded(b"old"), "b": "bXlT\n  ZWNyZXQ=\n", "c": "?", "d": encoded(b"old")}
    found = secret(manifest(data=data, stringData={"a": "new\n", "c": "ö", "d": ""}))
    assert found.passwords == {"a": Secret(b"new"), "b": Secret(b"mySecret"), "c": Secret("ö".encode())}
    assert set(found.faults) == {"d"}


@pytest.mark.parametrize(
    ("sections", "fault"),
    [
        (
            {"data": {"password": "bXl!TZWN5"}},
            "is no Base64; encode the password, or write it as it is under stringData",
        ),
        ({"data": {"password": 12345678}}, "expected text in Base64; write it in quotes"),
        ({"stringData": {"password": 12345678}}, "expected text; write it in quotes"),
        ({"data": {"password": ""}}, "has 0 bytes, expected 1..80, as TCP MD5 takes; choose another"),
        ({"stringData": {"password": "\n"}}, "has 0 bytes, expected 1..80, as TCP MD5 takes; choose another"),
        (
            {"stringData": {"password": "8 octets" * 11}},
            "has 88 bytes, expected 1..80, as TCP MD5 takes; choose another",
        ),
    ],
)
def test_what_is_no_password_is_told_only_if_a_peer_wants_it(
    tmp_path: Path, sections: dict[str, Any], fault: str
) -> None:
    files = ManifestFiles(tmp_path)
    (tmp_path / "secret.json").write_text(json.dumps(manifest(**sections)))
    assert scan(files) == Snapshot()
    (tmp_path / "peer.json").write_text(json.dumps(peer()))
    snapshot = scan(files)
    assert (snapshot.secrets, snapshot.in_sync) == ({}, True)
    assert snapshot.problems == (Problem("secret.json: Secret/bgp-secret: password", fault),)


def scan(files: ManifestFiles) -> Snapshot:
    files.rescan()
    return files.snapshot()


def test_only_what_a_peer_refers_to_is_handed_on(tmp_path: Path) -> None:
    secrets = [
        manifest(stringData={"password": "right", "other": "o"}),
        manifest("unwanted", stringData={"password": "u"}),
        manifest(namespace="default", stringData={"password": "wrong namespace"}),
    ]
    missing = SecretRef(name="bgp-secret", key="absent")
    (tmp_path / "all.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": [*secrets, peer(), peer("second", missing)]})
    )
    snapshot = scan(ManifestFiles(tmp_path))
    assert snapshot.secrets == {REF: Secret(b"right")}
    assert snapshot.problems == ()


def test_a_list_of_secrets(tmp_path: Path) -> None:
    item = manifest(stringData={"password": "p"})
    del item["kind"], item["apiVersion"]
    (found,), problems, _ = read({"apiVersion": "v1", "kind": "SecretList", "items": [item]}, "f")
    assert (found.name, problems) == ("bgp-secret", [])


def test_a_password_that_becomes_unusable_stays_in_force_and_one_that_is_removed_does_not(tmp_path: Path) -> None:
    path, files = tmp_path / "secret.json", ManifestFiles(tmp_path)
    (tmp_path / "peer.json").write_text(json.dumps(peer()))
    path.write_text(json.dumps(manifest(stringData={"password": "first"})))
    assert scan(files).secrets == {REF: Secret(b"first")}
    for number in range(2):
        path.write_text(json.dumps(manifest(stringData={"password": "x" * (81 + number)})))
        snapshot = scan(files)
        assert snapshot.secrets == {REF: Secret(b"first")}
        assert [problem.where for problem in snapshot.problems] == ["secret.json: Secret/bgp-secret: password"]
    path.write_text(json.dumps(manifest(stringData={"password": "second"})))
    snapshot = scan(files)
    assert (snapshot.secrets, snapshot.problems) == ({REF: Secret(b"second")}, ())
    path.write_text(json.dumps(manifest(stringData={"other": "x"})))
    assert scan(files).secrets == {}


@pytest.mark.parametrize(
    "document",
    [
        manifest(data="hunter2"),
        manifest(stringData=["hunter2"]),
        manifest(data={"password": "hunter2"}),
        manifest(stringData={"password": ["hunter2"]}),
        manifest(stringData={"password": "hunter2" * 20}),
    ],
)
def test_no_message_repeats_a_value(tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [document, peer()]}))
    snapshot = scan(ManifestFiles(tmp_path))
    assert len(snapshot.problems) == 1
    assert "hunter2" not in repr(snapshot)


def test_a_snapshot_shows_no_password(tmp_path: Path) -> None:
    items = [manifest(stringData={"password": "hunter2"}), peer()]
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    snapshot = scan(ManifestFiles(tmp_path))
    assert snapshot.secrets[REF].value == b"hunter2"
    assert "hunter2" not in f"{snapshot!r} {snapshot}"
