"""CEL's macros: what names a variable, or looks for a field without taking it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from terway_edge.testing.apiserver.cel.values import CelError, Expression, Scope


def has(target: Expression, name: str) -> Expression:
    def found(scope: Scope) -> bool:
        value = target(scope)
        if not isinstance(value, dict):
            raise CelError(f"no such overload: has() on a value without field {name}")
        return name in value

    return found


def _each(target: Expression, variable: str, body: Expression, scope: Scope) -> list[tuple[Any, Any]]:
    """Each item (of a mapping: each key) and what the body makes of it."""
    values = target(scope)
    if not isinstance(values, list | dict):
        raise CelError("no such overload: a list or a map is wanted")
    return [(each, body({**scope, variable: each})) for each in values]


def _all(target: Expression, variable: str, body: Expression) -> Expression:
    return lambda scope: all(holds is True for _, holds in _each(target, variable, body, scope))


def _exists(target: Expression, variable: str, body: Expression) -> Expression:
    return lambda scope: any(holds is True for _, holds in _each(target, variable, body, scope))


def _exists_one(target: Expression, variable: str, body: Expression) -> Expression:
    return lambda scope: sum(holds is True for _, holds in _each(target, variable, body, scope)) == 1


def _filter(target: Expression, variable: str, body: Expression) -> Expression:
    return lambda scope: [each for each, holds in _each(target, variable, body, scope) if holds is True]


def _map(target: Expression, variable: str, body: Expression) -> Expression:
    return lambda scope: [made for _, made in _each(target, variable, body, scope)]


MACROS: dict[str, Callable[[Expression, str, Expression], Expression]] = {
    "all": _all,
    "exists": _exists,
    "exists_one": _exists_one,
    "existsOne": _exists_one,
    "filter": _filter,
    "map": _map,
}
