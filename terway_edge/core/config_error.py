"""Mistakes in what people write, one line each: where, what, what was expected, how to fix it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

from terway_edge.core.brief import shown
from terway_edge.core.errors import Refused

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


class ConfigError(Refused):
    """The configuration cannot be used; `lines` has one line for each mistake."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def explain(error: ValidationError, model: type[BaseModel], origins: Mapping[tuple[str, ...], str]) -> list[str]:
    """One line per mistake; `origins` names the environment variable that a path's value came from."""
    lines = []
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"])
        variable = next((name for known, name in origins.items() if known == path[: len(known)]), "")
        lines.append(f"{variable or _dotted(detail['loc'])}: {_message(detail, model, 'setting')}")
    return lines


def faults(error: ValidationError, model: type[BaseModel], above: str) -> list[tuple[str, str]]:
    """(field, what is wrong with it) per mistake in an object's part that is found at `above`."""
    return [
        (_dotted((above, *detail["loc"])), _message(detail, model, "field"))
        for detail in error.errors(include_url=False)
    ]


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the known name most like `name`, or nothing."""
    found = get_close_matches(name, known, n=1, cutoff=0.6)
    return f", did you mean {found[0]!r}?" if found else ""


def _message(detail: ErrorDetails, root: type[BaseModel], noun: str) -> str:
    path = tuple(str(part) for part in detail["loc"])
    model, fields = _resolve(root, path)
    if detail["type"] == "extra_forbidden":
        known = sorted(_fields(model))
        hint = nearest(path[-1], known) or f"; known keys: {', '.join(known)}"
        return f"is no {noun}{hint}"
    fix = f" ({fields[-1].description})" if fields and fields[-1].description else ""
    if detail["type"] == "missing":
        return f"is missing, add it{fix}"
    if detail["type"] == "invalid_key":
        return f"the key {detail['input']!r} is no text; write it in quotes, or remove it"
    if detail["type"] == "value_error" and isinstance(detail["input"], Mapping | BaseModel):
        return str(detail["ctx"]["error"])
    # A field that its model's repr leaves out may hold a secret that was written into the wrong place.
    got = shown(detail["input"]) if all(field.repr for field in fields) else "something else"
    return f"got {got}, {_expected(detail)}{fix}"


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "tuple_type":
        return "expected a list"
    if detail["type"] == "int_type":
        return "expected a whole number without quotes"
    if detail["type"] == "bool_type":
        return "expected true or false"
    if detail["type"] in ("model_type", "model_attributes_type"):
        return "expected a mapping of keys to values"
    return detail["msg"].replace("Input should be", "expected", 1).replace("String should", "expected text that should")


def _resolve(model: type[BaseModel], path: tuple[str, ...]) -> tuple[type[BaseModel], list[FieldInfo]]:
    """(the section that the path's last key belongs to, the fields on the way as far as there are such)."""
    found: list[FieldInfo] = []
    for part in path:
        if part.isdecimal():  # an index: the same field's items
            continue
        if found:
            model = _section(found[-1]) or model
        field = _fields(model).get(part)
        if field is None:
            break
        found.append(field)
    return model, found


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a section by the keys that people write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


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
