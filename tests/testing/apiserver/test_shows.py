"""Small parts that show things: ages, JSONPath, protobuf bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.testing.apiserver import ApiError
from terway_edge.testing.apiserver.protobuf import MAGIC, read_protobuf
from terway_edge.testing.apiserver.show import json_path
from terway_edge.testing.apiserver.show.durations import human


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (601, "10m"), (3 * 3600 + 61, "3h1m")],
        *[(8 * 3600 + 61, "8h"), (49 * 3600, "2d1h"), (9 * 86400, "9d"), (3 * 365 * 86400, "3y"), (-5, "<invalid>")],
    ],
)
def test_ages(seconds, text):
    assert human(seconds) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        (".a['b']", [1]),
        (".list[0].name", ["x"]),
        (".list[-1].name", ["y"]),
        (".list[*].name", ["x", "y"]),
        ('.list[?(@.name=="y")].value', [2]),
        ('.list[?(@.name!="y")].value', [1]),
        (".dotted\\.key", ["z"]),
        (".none.b", []),
        (".list[7]", []),
    ],
)
def test_json_path(path, found):
    value = {"a": {"b": 1}, "list": [{"name": "x", "value": 1}, {"name": "y", "value": 2}], "dotted.key": "z"}
    assert json_path.find(json_path.parse(path), value) == found


@pytest.mark.parametrize("path", ["", "spec", ".a[", ".a[?(@.b)]", ".a..b"])
def test_paths_that_cannot_be_read(path):
    with pytest.raises(ValueError, match=r"wanted|understood"):
        json_path.parse(path)


def field(number, value):
    """One with a length below 128, or a small number."""
    return bytes([number << 3, value]) if isinstance(value, int) else bytes([number << 3 | 2, len(value)]) + value


def enveloped(kind, body):
    return MAGIC + field(1, field(1, b"v1") + field(2, kind)) + field(2, body)


def test_a_secret_in_protobuf():
    meta = field(1, b"s") + field(3, b"default") + field(4, b"") + field(11, field(1, b"a") + field(2, b"b"))
    body = field(1, meta) + field(2, field(1, b"k") + field(2, b"\xff")) + field(3, b"Opaque") + field(5, 1)
    assert read_protobuf(enveloped(b"Secret", body)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "default", "labels": {"a": "b"}},
        "data": {"k": "/w=="},
        "type": "Opaque",
        "immutable": True,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        MAGIC,
        b"k8s\0\x0a\xff",
        enveloped(b"Pod", field(1, b"")),
        enveloped(b"Secret", field(9, b"x")),
    ],
)
def test_what_is_not_in_the_tables_is_refused(body):
    with pytest.raises(ApiError) as caught:
        read_protobuf(body)
    assert caught.value.code == 415


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(body):
    assert code_of(MAGIC + body) in (0, 415)


def code_of(body):
    try:
        read_protobuf(body)
    except ApiError as error:
        return error.code
    return 0
