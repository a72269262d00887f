"""Strategic merge patch: lists merge by the key that the kind names; directives begin with `$`.

Source: Kubernetes, "Update API Objects in Place Using kubectl patch" and the notes on strategic merge patch.
"""

from __future__ import annotations

from typing import Any

from terway_edge.testing.apiserver.errors import bad_request
from terway_edge.testing.apiserver.objects import Object, clone
from terway_edge.testing.apiserver.schema.structure import of_items, of_key

DIRECTIVE, RETAIN = "$patch", "$retainKeys"
DELETE_VALUES, ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"


def apply_strategic_patch(value: Any, patch: Any, schema: Object) -> Any:
    """:returns: a new value. Raises ApiError 400."""
    if not isinstance(patch, dict):
        raise bad_request("the patch must be an object")
    return _mapping(value if isinstance(value, dict) else {}, patch, schema)


def _mapping(value: Object, patch: Object, schema: Object) -> Object:
    directive = patch.get(DIRECTIVE, "merge")
    if directive == "delete":
        return {}
    if directive not in ("merge", "replace"):
        raise bad_request(f"unknown patch type found: {directive}")
    result: Object = {} if directive == "replace" else clone(value)
    if (kept := patch.get(RETAIN)) is not None:
        result = {key: each for key, each in result.items() if key in kept}
    for key, each in patch.items():
        if key.startswith(DELETE_VALUES):
            name = key.removeprefix(DELETE_VALUES)
            result[name] = [one for one in result.get(name) or [] if one not in each]
        elif not key.startswith("$"):
            _field(result, key, each, schema)
    for key, each in patch.items():
        if key.startswith(ORDER) and (name := key.removeprefix(ORDER)) in result:
            result[name] = _ordered(result[name], each, of_key(schema, name))
    return result


def _field(result: Object, key: str, patch: Any, schema: Object) -> None:
    inner = of_key(schema, key)
    if patch is None:
        result.pop(key, None)
    elif isinstance(patch, dict):
        old = result.get(key)
        if patch.get(DIRECTIVE) == "delete":
            result.pop(key, None)
        else:
            result[key] = _mapping(old if isinstance(old, dict) else {}, patch, inner)
    elif isinstance(patch, list) and inner.get("x-kubernetes-patch-strategy") == "merge":
        result[key] = _list(result.get(key) or [], patch, inner)
    else:
        result[key] = clone(patch)


def _list(values: list[Any], patch: list[Any], schema: Object) -> list[Any]:
    key = schema.get("x-kubernetes-patch-merge-key")
    if not key:
        return [*values, *(clone(each) for each in patch if each not in values)]
    if any(isinstance(each, dict) and each.get(DIRECTIVE) == "replace" for each in patch):
        return [clone(each) for each in patch if each.get(DIRECTIVE) != "replace"]
    result = list(values)
    for each in patch:
        if not isinstance(each, dict) or key not in each:
            raise bad_request(f"map: {each} does not contain declared merge key: {key}")
        place = next((at for at, one in enumerate(result) if one.get(key) == each[key]), None)
        if each.get(DIRECTIVE) == "delete":
            result = [one for one in result if one.get(key) != each[key]]
        elif place is None:
            result.append(_mapping({}, each, of_items(schema)))
        else:
            result[place] = _mapping(result[place], each, of_items(schema))
    return result


def _ordered(values: list[Any], order: list[Any], schema: Object) -> list[Any]:
    """Those that the order names, in that order; the others stay behind the one they followed."""
    key = schema.get("x-kubernetes-patch-merge-key")
    names = [each.get(key) if key and isinstance(each, dict) else each for each in order]
    rank, last = {}, -1
    for at, each in enumerate(values):
        name = each.get(key) if key and isinstance(each, dict) else each
        last = names.index(name) if name in names else last
        rank[at] = last
    return [values[at] for at in sorted(rank, key=lambda at: (rank[at], at))]
