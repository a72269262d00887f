"""How a schema says that values are merged: what is one whole, and what has parts with owners of their own.

Source: Kubernetes, "Server-Side Apply", merge strategy; x-kubernetes-list-type, -list-map-keys, -map-type.
"""

from __future__ import annotations

from typing import Any

from terway_edge.testing.apiserver.objects import Object, canonical

ANYTHING: Object = {"x-kubernetes-preserve-unknown-fields": True}


def of_key(schema: Object, key: str) -> Object:
    """The schema of a key of a mapping."""
    found = (schema.get("properties") or {}).get(key)
    if found is None:
        more = schema.get("additionalProperties")
        found = more if isinstance(more, dict) else ANYTHING
    return found


def of_items(schema: Object) -> Object:
    items: Object = schema.get("items") or ANYTHING
    return items


def is_field(schema: Object, key: str) -> bool:
    """Whether the key is a field of a struct, and not a key of a free mapping."""
    return key in (schema.get("properties") or {})


def is_whole(schema: Object, value: Any) -> bool:
    """Whether the value has one owner: scalars, atomic lists and mappings."""
    if isinstance(value, dict):
        return bool(schema.get("x-kubernetes-map-type") == "atomic")
    if isinstance(value, list):
        return bool(schema.get("x-kubernetes-list-type", "atomic") == "atomic")
    return True


def list_keys(schema: Object) -> tuple[str, ...]:
    """The keys that tell the items of a list of mappings apart; empty for a set."""
    return tuple(schema.get("x-kubernetes-list-map-keys") or ())


def identity(schema: Object, value: Any) -> str:
    """What tells an item of a set or keyed list apart, as FieldsV1 writes it: `v:"a"`, `k:{"type":"Ready"}`."""
    keys = list_keys(schema)
    if not keys or not isinstance(value, dict):
        return f"v:{canonical(value)}"
    known = of_items(schema)
    found = {key: value.get(key, of_key(known, key).get("default")) for key in keys}
    return f"k:{canonical({key: each for key, each in found.items() if each is not None})}"
