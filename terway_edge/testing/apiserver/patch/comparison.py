"""Which fields differ between two objects."""

from __future__ import annotations

from typing import Any, NamedTuple

from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.patch.field_set import FieldSet, Path, fields_of, parts
from terway_edge.testing.apiserver.schema.structure import is_whole


class Comparison(NamedTuple):
    added: FieldSet
    modified: FieldSet
    removed: FieldSet


def compare(old: Any, new: Any, schema: Object) -> Comparison:
    added: set[Path] = set()
    modified: set[Path] = set()
    gone: set[Path] = set()
    _compare(old, new, schema, (), (added, modified, gone))
    return Comparison(frozenset(added), frozenset(modified), frozenset(gone))


def _compare(old: Any, new: Any, schema: Object, path: Path, found: tuple[set[Path], set[Path], set[Path]]) -> None:
    added, modified, gone = found
    if old == new and type(old) is type(new):
        return
    if type(old) is not type(new) or (path and is_whole(schema, new)):
        modified.add(path)
        return
    before, after = parts(old, schema), parts(new, schema)
    for step, (value, inner) in after.items():
        if step in before:
            _compare(before[step][0], value, inner, (*path, step), found)
        else:
            added.update(_all_of(value, inner, (*path, step)))
    for step, (value, inner) in before.items():
        if step not in after:
            gone.update(_all_of(value, inner, (*path, step)))


def _all_of(value: Any, schema: Object, path: Path) -> set[Path]:
    """A part that came or went: itself and all fields in it."""
    return {path, *(fields_of(value, schema, path) if value is not None else ())}
