"""The part of JSONPath that printer columns and selectable fields use.

`.a.b`, `.a['b']`, `[0]`, `[-1]`, `[*]`, `.*`, `[?(@.a=="b")]` (also `!=`); a dot in a name is written `\\.`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_STEP = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\]\\*])+)
    |\[['"](?P<quoted>[^'"]+)['"]\]
    |\[(?P<index>-?[0-9]+)\]
    |(?P<all>\.\*|\[\*\])
    |\[\?\(@\.(?P<key>[A-Za-z0-9_.-]+)\s*(?P<sign>==|!=)\s*(?P<wanted>"[^"]*"|'[^']*'|[^)'"]+)\)\]""",
    re.VERBOSE,
)


def parse(text: str) -> list[Step]:
    """Raises ValueError."""
    body = text.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps, at = [], 0
    while at < len(body):
        match = _STEP.match(body, at)
        if not match:
            raise ValueError(f"{text!r}: cannot be understood from {body[at:]!r}")
        steps.append(_step(match))
        at = match.end()
    if not steps:
        raise ValueError("a path is wanted")
    return steps


def find(steps: list[Step], value: Any) -> list[Any]:
    found = [value]
    for step in steps:
        found = [each for one in found for each in step(one)]
    return found


def simple_path(text: str) -> tuple[str, ...]:
    """The names of a path without lists. Raises ValueError."""
    if not re.fullmatch(r"(\.[A-Za-z_][A-Za-z0-9_-]*)+", text):
        raise ValueError(f"{text!r} is no simple path")
    return tuple(text[1:].split("."))


def _step(match: re.Match[str]) -> Step:
    if match["all"]:
        return _every
    if match["index"]:
        return _nth(int(match["index"]))
    if match["key"]:
        return _having(match["key"].split("."), match["wanted"].strip().strip("\"'"), match["sign"] == "==")
    return _named(re.sub(r"\\(.)", r"\1", match["name"]) if match["name"] else match["quoted"])


def _named(name: str) -> Step:
    return lambda value: iter([value[name]] if isinstance(value, dict) and name in value else [])


def _nth(index: int) -> Step:
    return lambda value: iter([value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else [])


def _every(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else value.values() if isinstance(value, dict) else ())


def _having(path: list[str], wanted: str, is_equal: bool) -> Step:
    def step(value: Any) -> Iterator[Any]:
        for each in value if isinstance(value, list) else ():
            inner = each
            for key in path:
                inner = inner.get(key) if isinstance(inner, dict) else None
            if inner is not None and (str(inner) == wanted) == is_equal:
                yield each

    return step
