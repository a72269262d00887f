"""Mistakes in the configuration, one line each: where, what, what was expected, how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from terway_edge.core.errors import Refused

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_SHOWN = 80  # characters of a wrong value that a line repeats


class ConfigError(Refused):
    """The configuration cannot be used; `lines` has one line for each mistake."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def explain(error: ValidationError, model: type[BaseModel], origins: Mapping[tuple[str, ...], str]) -> list[str]:
    """One line per mistake; `origins` names the environment variable that a path's value came from."""
    return [_line(detail, model, origins) for detail in error.errors(include_url=False)]


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the known name most like `name`, or nothing."""
    found = get_close_matches(name, known, n=1, cutoff=0.6)
    return f", did you mean {found[0]!r}?" if found else ""


def _line(detail: ErrorDetails, root: type[BaseModel], origins: Mapping[tuple[str, ...], str]) -> str:
    path = tuple(str(part) for part in detail["loc"])
    where = next((name for known, name in origins.items() if known == path[: len(known)]), _dotted(detail["loc"]))
    model, field = _resolve(root, path)
    if detail["type"] == "extra_forbidden":
        known = sorted(model.model_fields)
        hint = nearest(path[-1], known) or f"; known keys: {', '.join(known)}"
        return f"{where}: is no setting{hint}"
    fix = f" ({field.description})" if field is not None else ""
    if detail["type"] == "missing":
        return f"{where}: is missing, add it{fix}"
    if detail["type"] == "invalid_key":
        return f"{where}: the key {detail['input']!r} is no text; write it in quotes, or remove it"
    if detail["type"] == "value_error" and isinstance(detail["input"], Mapping | BaseModel):
        return f"{where}: {detail['ctx']['error']}"
    return f"{where}: got {_shown(detail['input'])}, {_expected(detail)}{fix}"


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "tuple_type":
        return "expected a list"
    if detail["type"] in ("model_type", "model_attributes_type"):
        return "expected a mapping of keys to values"
    return detail["msg"].replace("Input should be", "expected", 1).replace("String should", "expected text that should")


def _resolve(model: type[BaseModel], path: tuple[str, ...]) -> tuple[type[BaseModel], FieldInfo | None]:
    """(the section that the path's last key belongs to, that key's field if there is one)."""
    field: FieldInfo | None = None
    for part in path:
        if part.isdecimal():  # an index: the same field's items
            continue
        if field is not None:
            model = _section(field) or model
        field = model.model_fields.get(part)
    return model, field


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, alone or in a tuple."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _dotted(loc: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in loc)
    return text.removeprefix(".") or "configuration"


def _key(part: str) -> str:
    """A key as it stands, or as a literal if it would break the line or not be seen."""
    return part if part.isprintable() and part else ascii(part)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
