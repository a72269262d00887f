"""Sets of fields, as `managedFields` has them: paths of `f:name`, `k:{keys}` and `v:value`.

Source: Kubernetes API reference, FieldsV1; structured-merge-diff's rules for what is a field of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.schema.structure import identity, is_field, is_whole, of_items, of_key

Path = tuple[str, ...]
FieldSet = frozenset[Path]
NOTHING: FieldSet = frozenset()


def fields_of(value: Any, schema: Object, path: Path = ()) -> Iterator[Path]:
    """The fields that a value sets."""
    if path and is_whole(schema, value):
        yield path
    elif isinstance(value, dict):
        for key, each in value.items():
            inner = (*path, f"f:{key}")
            if each is None or each == {} or (isinstance(each, dict) and not is_field(schema, key)):
                yield inner
            yield from fields_of(each, of_key(schema, key), inner) if each is not None else ()
    else:
        for each in value:
            inner = (*path, identity(schema, each))
            yield inner
            if isinstance(each, dict):
                yield from fields_of(each, of_items(schema), inner)


def parts(value: Any, schema: Object) -> dict[str, tuple[Any, Object]]:
    """The parts of a value that is not whole, with their schemas, by path element."""
    if isinstance(value, dict):
        return {f"f:{key}": (each, of_key(schema, key)) for key, each in value.items()}
    return {identity(schema, each): (each, of_items(schema)) for each in value}


def encode_fields(paths: FieldSet) -> Object:
    """FieldsV1. A field that is set and has parts that are set too holds `.`."""
    tree: Object = {}
    for path in sorted(paths):
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
        branch["."] = {}
    return _without_lone_dots(tree)


def _without_lone_dots(tree: Object) -> Object:
    return {
        step: {} if list(branch) == ["."] else _without_lone_dots(branch) if step != "." else {}
        for step, branch in tree.items()
    }


def decode_fields(tree: Object, path: Path = ()) -> Iterator[Path]:
    for step, branch in tree.items():
        if step == ".":
            yield path
        elif branch:
            yield from decode_fields(branch, (*path, step))
        else:
            yield (*path, step)


def with_prefixes(paths: Iterable[Path]) -> set[Path]:
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def removed(value: Any, paths: Iterable[Path]) -> Any:
    """Take fields out of a value of ours, and what they leave empty."""
    for path in sorted(paths, key=len, reverse=True):
        _remove(value, path)
    return value


def _remove(value: Any, path: Path) -> bool:
    """Whether the value is empty now."""
    step, rest = path[0], path[1:]
    key = _find(value, step)
    if key is None:
        return False
    if not rest or (_remove(value[key], rest) and not step.startswith("k:")):
        del value[key]
    return not value


def _find(value: Any, step: str) -> Any:
    """Key or index of a part; None if it is not there."""
    if step.startswith("f:"):
        return step[2:] if isinstance(value, dict) and step[2:] in value else None
    wanted = json.loads(step[2:])
    for index, each in enumerate(value if isinstance(value, list) else ()):
        if step.startswith("v:") and each == wanted:
            return index
        if step.startswith("k:") and isinstance(each, dict) and _has_keys(each, wanted):
            return index
    return None


def _has_keys(value: Object, keys: Object) -> bool:
    """A key that is absent has its default, which only the schema knows: it counts as equal."""
    return all(value.get(key, wanted) == wanted for key, wanted in keys.items())


def shown(path: Path) -> str:
    """A path as messages have it: `.status.speakers[node="node-1"].state`."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        elif step.startswith("v:"):
            text += f"[={step[2:]}]"
        else:
            keys = json.loads(step[2:])
            text += f"[{','.join(f'{key}={json.dumps(each)}' for key, each in keys.items())}]"
    return text
