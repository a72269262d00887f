"""What the server knows of a kind of object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from terway_edge.testing.apiserver.objects import Object


class Column(NamedTuple):
    """A printer column. `cell(object, now)` gives its value; columns of priority above 0 show with -o wide."""

    name: str
    type: str
    cell: Callable[[Object, datetime], Any]
    priority: int = 0
    format: str = ""
    description: str = ""


@dataclass(frozen=True)
class Kind:
    """One version of one resource.

    `schema` is a structural OpenAPI v3 schema. `selectable` are the paths by label of field selectors. `has_status`
    says that /status is a resource of its own; `counts` that metadata.generation follows what is wanted.
    """

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool
    schema: Object = field(repr=False)
    singular: str = ""
    list_name: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    counts: bool = False
    is_custom: bool = False
    is_stored: bool = True
    needs_version: bool = False
    """An update without resourceVersion is refused."""
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    columns: tuple[Column, ...] = field(default=(), repr=False)
    selectable: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """plural.group, as messages have it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def listing(self) -> str:
        return self.list_name or f"{self.name}List"

    @property
    def place(self) -> tuple[str, str]:
        """Group and plural: objects of all versions lie together."""
        return self.group, self.plural
