"""How values travel as parameters. The API knows several ways to write a list, and which one differs by parameter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from terway_edge.core.errors import Bug

Value = str | int | bool | Sequence[str] | Mapping[str, str]
Codec = Callable[[str, Value], Iterator[tuple[str, str]]]
"""(name of the parameter, its value) to the pairs that are sent. Raises Bug for a value of another type."""


def text(name: str, value: Value) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        raise _wrong(name, value)
    yield name, value


def number(name: str, value: Value) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, value)
    yield name, str(value)


def flag(name: str, value: Value) -> Iterator[tuple[str, str]]:
    """In small letters, as documented."""
    if not isinstance(value, bool):
        raise _wrong(name, value)
    yield name, "true" if value else "false"


def indexed(name: str, value: Value) -> Iterator[tuple[str, str]]:
    """`name.1`, `name.2`..."""
    for index, each in enumerate(_texts(name, value), 1):
        yield f"{name}.{index}", each


def json_list(name: str, value: Value) -> Iterator[tuple[str, str]]:
    """One JSON array."""
    yield name, json.dumps(list(_texts(name, value)))


def tags(name: str, value: Value) -> Iterator[tuple[str, str]]:
    """`name.1.Key`, `name.1.Value`..."""
    if not isinstance(value, Mapping):
        raise _wrong(name, value)
    for index, (key, each) in enumerate(value.items(), 1):
        yield f"{name}.{index}.Key", key
        yield f"{name}.{index}.Value", each


def _texts(name: str, value: Value) -> Sequence[str]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise _wrong(name, value)
    return value


def _wrong(name: str, value: Value) -> Bug:
    return Bug(f"the parameter {name} does not take a {type(value).__name__}; report it")
