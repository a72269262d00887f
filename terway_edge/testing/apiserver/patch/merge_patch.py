"""JSON Merge Patch (RFC 7396): mappings merge, everything else is replaced, null removes."""

from __future__ import annotations

from typing import Any

from terway_edge.testing.apiserver.objects import clone


def apply_merge_patch(value: Any, patch: Any) -> Any:
    """:returns: a new value"""
    if not isinstance(patch, dict):
        return clone(patch)
    result = clone(value) if isinstance(value, dict) else {}
    for key, each in patch.items():
        if each is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge_patch(result.get(key), each)
    return result
