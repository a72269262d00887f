"""Fields of documents, each with the sentence that a wrong one gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terway_edge.core.brief import shown
from terway_edge.core.object_names import is_object_name


class Wrong(ValueError):
    """An object that cannot be used; `faults` are (path of a field in the object, what is wrong with it)."""

    def __init__(self, field: str, message: str, *more: tuple[str, str]) -> None:
        super().__init__(message)
        self.faults = ((field, message), *more)


def read_section(item: Mapping[Any, Any], key: str, field: str = "") -> Mapping[Any, Any]:
    """A mapping, empty if it is absent or null."""
    found = item.get(key)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Wrong(field or key, f"expected a mapping; got {shown(found)}")
    return found


def read_list(found: Any, field: str) -> list[Any]:
    """A list, empty if it is absent or null."""
    if found is None:
        return []
    if not isinstance(found, list):
        raise Wrong(field, f"expected a list; got {shown(found)}")
    return found


def read_text(item: Mapping[Any, Any], key: str, field: str) -> str:
    """A text, empty if it is absent or null."""
    found = item.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Wrong(field, f"expected text; got {shown(found)}; write it in quotes")
    return found


def read_name(metadata: Mapping[Any, Any], example: str) -> str:
    """`metadata.name`; `example` is a name and what it names: `node name such as edge-1.example`."""
    name = read_text(metadata, "name", "metadata.name")
    if not is_object_name(name):
        raise Wrong("metadata.name", f"expected a {example}; got {shown(name)}")
    return name
