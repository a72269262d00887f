"""Fit a decoded object to its schema before it is checked: unknown fields are cut, defaults filled in."""

from __future__ import annotations

from typing import Any

from terway_edge.testing.apiserver.objects import Object, clone
from terway_edge.testing.apiserver.schema.paths import child, item
from terway_edge.testing.apiserver.schema.structure import of_items, of_key

OF_ALL = ("apiVersion", "kind", "metadata")


def prune(value: Any, schema: Object, path: str = "") -> list[str]:
    """Cut unknown fields out of a value of ours; their paths."""
    if isinstance(value, list):
        items = of_items(schema)
        return [each for index, one in enumerate(value) for each in prune(one, items, item(path, index))]
    if not isinstance(value, dict):
        return []
    unknown = []
    for key in list(value):
        if not _knows(schema, key, is_root=not path):
            del value[key]
            unknown.append(child(path, key))
        else:
            unknown += prune(value[key], of_key(schema, key), child(path, key))
    return unknown


def _knows(schema: Object, key: str, *, is_root: bool) -> bool:
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("additionalProperties"):
        return True
    inner = is_root or schema.get("x-kubernetes-embedded-resource")
    return key in (schema.get("properties") or {}) or bool(inner and key in OF_ALL)


def fill(value: Any, schema: Object) -> None:
    """Put the defaults of absent fields into a value of ours. A null that may not be null counts as absent."""
    if isinstance(value, list):
        for one in value:
            fill(one, of_items(schema))
    if not isinstance(value, dict):
        return
    for key, inner in (schema.get("properties") or {}).items():
        is_null = key in value and value[key] is None and not inner.get("nullable")
        if "default" in inner and (key not in value or is_null):
            value[key] = clone(inner["default"])
    for key, each in value.items():
        fill(each, of_key(schema, key))


def drop_nulls(value: Any, schema: Object) -> None:
    """Take nulls out of a value of ours where the schema knows the field and does not allow them."""
    if isinstance(value, list):
        for one in value:
            drop_nulls(one, of_items(schema))
    if not isinstance(value, dict):
        return
    for key in list(value):
        inner = of_key(schema, key)
        if value[key] is None and not inner.get("nullable") and not inner.get("x-kubernetes-preserve-unknown-fields"):
            del value[key]
        else:
            drop_nulls(value[key], inner)
