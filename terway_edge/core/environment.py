"""Environment variables as an overlay on the configuration mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from terway_edge.core.config_error import nearest

PREFIX = "TERWAY_EDGE_"
Path = tuple[str, ...]
"""Keys from the root of the configuration to a value."""


def variables(model: type[BaseModel], path: Path = ()) -> Iterator[tuple[str, Path, FieldInfo]]:
    """(variable, path, field) of every value that the environment can set."""
    for key, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from variables(annotation, (*path, key))
        else:
            yield PREFIX + "__".join((*path, key)).upper(), (*path, key), field


def overlay(
    model: type[BaseModel], mapping: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[Path, str], list[str]]:
    """(the mapping with the environment's values, variable by path, mistakes).

    Lists are written as JSON or separated by commas, mappings as JSON; an empty variable empties a list and unsets an
    optional value.
    A variable with our prefix and without `__` that is no key is left alone: Kubernetes sets such for Services.
    """
    known = {name: (path, field) for name, path, field in variables(model)}
    merged = dict(mapping)
    origins: dict[Path, str] = {}
    problems: list[str] = []
    for name, text in environ.items():
        if name in known:
            path, field = known[name]
            try:
                _put(merged, path, _value(text, field))
            except ValueError as error:
                problems.append(f"{name}: {error}")
            origins[path] = name
        elif name.startswith(PREFIX) and "__" in name:
            problems.append(f"{name}: is no setting{nearest(name, known)}; rename or unset it")
    return merged, origins, problems


def _value(text: str, field: FieldInfo) -> Any:
    if get_origin(field.annotation) is tuple:
        if not text.lstrip().startswith("["):
            return [item.strip() for item in text.split(",") if item.strip()]
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected a JSON list, or values separated by commas: {error}") from None
    if get_origin(field.annotation) is Mapping:
        try:
            return json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected a JSON object: {error}") from None
    if not text and type(None) in get_args(field.annotation):
        return None
    return text


def _put(merged: dict[str, Any], path: Path, value: Any) -> None:
    """Set a value at a path, copying the sections on the way: the caller's mapping stays as it is."""
    section = merged
    for key in path[:-1]:
        inner = section.get(key)
        if inner is not None and not isinstance(inner, Mapping):
            return  # the file has no section there: the model says so
        section[key] = dict(inner or {})
        section = section[key]
    section[path[-1]] = value
