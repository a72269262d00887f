"""Protobuf bodies of the few kinds that kubectl creates in no other way: reviews, tokens, namespaces, Secrets, ...

Envelope: `k8s`, a zero byte, then runtime.Unknown {1: {1: apiVersion, 2: kind}, 2: the object}. Numbers of fields: the
generated.proto files of the Kubernetes API. A field that is not in these tables is refused, not left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from terway_edge.testing.apiserver.errors import ApiError, unsupported_media
from terway_edge.testing.apiserver.objects import Object

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"

Field = tuple[str, str]
"""Name and type: string, integer, bool, base64, strings, {string}, {base64}, ignored, or a message of MESSAGES."""

_META: Field = ("metadata", "ObjectMeta")
MESSAGES: dict[str, dict[int, Field]] = {
    "ObjectMeta": {
        1: ("name", "string"),
        2: ("generateName", "string"),
        3: ("namespace", "string"),
        4: ("selfLink", "string"),
        5: ("uid", "string"),
        6: ("resourceVersion", "string"),
        7: ("generation", "integer"),
        8: ("creationTimestamp", "ignored"),
        11: ("labels", "{string}"),
        12: ("annotations", "{string}"),
        14: ("finalizers", "strings"),
    },
    "Namespace": {1: _META, 2: ("spec", "NamespaceSpec"), 3: ("status", "ignored")},
    "NamespaceSpec": {1: ("finalizers", "strings")},
    "ServiceAccount": {1: _META, 4: ("automountServiceAccountToken", "bool")},
    "ConfigMap": {1: _META, 2: ("data", "{string}"), 3: ("binaryData", "{base64}"), 4: ("immutable", "bool")},
    "Secret": {
        1: _META,
        2: ("data", "{base64}"),
        3: ("type", "string"),
        4: ("stringData", "{string}"),
        5: ("immutable", "bool"),
    },
    "TokenRequest": {1: _META, 2: ("spec", "TokenRequestSpec"), 3: ("status", "ignored")},
    "TokenRequestSpec": {1: ("audiences", "strings"), 4: ("expirationSeconds", "integer")},
    "SelfSubjectReview": {1: _META, 2: ("status", "ignored")},
    "SelfSubjectRulesReview": {1: _META, 2: ("spec", "SelfSubjectRulesReviewSpec"), 3: ("status", "ignored")},
    "SelfSubjectRulesReviewSpec": {1: ("namespace", "string")},
    "SelfSubjectAccessReview": {1: _META, 2: ("spec", "SelfSubjectAccessReviewSpec"), 3: ("status", "ignored")},
    "SelfSubjectAccessReviewSpec": {
        1: ("resourceAttributes", "ResourceAttributes"),
        2: ("nonResourceAttributes", "NonResourceAttributes"),
    },
    "NonResourceAttributes": {1: ("path", "string"), 2: ("verb", "string")},
    "ResourceAttributes": {
        1: ("namespace", "string"),
        2: ("verb", "string"),
        3: ("group", "string"),
        4: ("version", "string"),
        5: ("resource", "string"),
        6: ("subresource", "string"),
        7: ("name", "string"),
    },
}


def read_protobuf(body: bytes) -> Object:
    """Raises ApiError 415 for all that is not in the tables."""
    try:
        envelope = dict(_fields(body.removeprefix(MAGIC)))
        known = {number: value.decode() for number, value in _fields(envelope[1])}
        return {"apiVersion": known[1], "kind": known[2], **_message(known[2], envelope[2])}
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        raise _refused() from None


def _message(name: str, data: bytes) -> Object:
    result: Object = {}
    for number, value in _fields(data):
        field, kind = MESSAGES[name][number]
        match kind:
            case "strings":
                result.setdefault(field, []).append(value.decode())
            case "{string}" | "{base64}":
                entry = dict(_fields(value))
                result.setdefault(field, {})[entry[1].decode()] = _plain(kind[1:-1], entry.get(2, b""))
            case "string" | "integer" if not value:
                pass  # what is not set is written as nothing
            case "string" | "integer" | "bool":
                result[field] = _plain(kind, value)
            case "ignored":
                pass
            case _:
                result[field] = _message(kind, value)
    return result


def _plain(kind: str, value: Any) -> Any:
    match kind:
        case "string":
            return value.decode()
        case "base64":
            return base64.b64encode(value).decode()
        case "bool":
            return bool(value)
    return value


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values: an int of a varint, bytes of what has a length."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError("cut short")
            yield tag >> 3, data[at : at + length]
            at += length
        else:
            raise ValueError("a wire type that none of these messages has")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def _refused() -> ApiError:
    return unsupported_media(("application/json", "application/yaml"))
