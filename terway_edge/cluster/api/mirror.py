"""The objects of one resource as last seen, each with its last good version. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import MsgspecError
from msgspec.json import decode

from terway_edge.cluster.api.projection import Item
from terway_edge.cluster.fields import Wrong
from terway_edge.core.ports import Problem

T = TypeVar("T")


class _Entry(NamedTuple, Generic[T]):
    """`trimmed` is the newest version; `good` the newest that can be used, of which `found` was made."""

    uid: str
    trimmed: bytes
    good: bytes
    found: T | None
    problems: tuple[Problem, ...]


class Mirror(Generic[T]):
    """What the API has of one resource. Methods that change it tell whether what is used of it changed."""

    def __init__(self, kind: str, read: Callable[[Mapping[Any, Any]], T | None]) -> None:
        """:param read: makes the object of its document, None if it is none of ours; raises Wrong."""
        self._kind, self._read = kind, read
        self._entries: dict[str, _Entry[T]] = {}
        self._unread: set[str] | None = None
        """Objects that could not be used when first listed and ever since: what they say is not known."""
        self._restored = False

    @property
    def is_listed(self) -> bool:
        """True once a whole listing was seen, in this life or, by the cache, in an earlier one."""
        return self._unread is not None

    @property
    def is_live(self) -> bool:
        """Whether the listing was of this life."""
        return self.is_listed and not self._restored

    @property
    def is_in_sync(self) -> bool:
        """True once all that the first listing had could be used, or is gone."""
        return self._unread is not None and not any(
            name in self._entries and self._entries[name].found is None for name in self._unread
        )

    def replace(self, items: Iterable[Item]) -> bool:
        """A whole listing."""
        new = {item.name: item for item in items}
        changed = self._unread is None
        for name in self._entries.keys() - new.keys():
            changed |= self.drop(name)
        for item in new.values():
            changed |= self.put(item)
        if self._unread is None or self._restored:
            self._unread = {name for name, entry in self._entries.items() if entry.found is None}
            self._restored = False
        return changed

    def restore(self, items: Iterable[Item]) -> None:
        """What an earlier process cached: it counts as a listing until there is one."""
        self.replace(items)
        self._restored = True

    def put(self, item: Item) -> bool:
        before = self._entries.get(item.name)
        if before is not None and before.trimmed == item.trimmed:
            return False
        entry = self._entry(item, before if before is not None and before.uid == item.uid else None)
        self._entries[item.name] = entry
        return before is None or (before.found, before.problems) != (entry.found, entry.problems)

    def drop(self, name: str) -> bool:
        return self._entries.pop(name, None) is not None

    def names(self) -> set[str]:
        return set(self._entries)

    def uid(self, name: str) -> str | None:
        """None if there is no such object."""
        entry = self._entries.get(name)
        return entry.uid if entry else None

    def get(self, name: str) -> T | None:
        entry = self._entries.get(name)
        return entry.found if entry else None

    def objects(self) -> list[T]:
        """By name, so that equal contents give equal lists."""
        found = (self._entries[name].found for name in sorted(self._entries))
        return [each for each in found if each is not None]

    def problems(self) -> list[Problem]:
        return [problem for _, entry in sorted(self._entries.items()) for problem in entry.problems]

    def texts(self) -> list[bytes]:
        """The newest versions that can be used, as trimmed manifests; the newest of an object that never could."""
        return [entry.good or entry.trimmed for _, entry in sorted(self._entries.items())]

    def _entry(self, item: Item, before: _Entry[T] | None) -> _Entry[T]:
        try:
            found = self._read(_document(item.trimmed))
        except Wrong as wrong:
            where = f"{self._kind}/{item.name}"
            problems = tuple(
                Problem(f"{where}: {field}" if field else where, message) for field, message in wrong.faults
            )
            if before is None:
                return _Entry(item.uid, item.trimmed, b"", None, problems)
            return _Entry(item.uid, item.trimmed, before.good, before.found, problems)
        if before is not None and before.found == found:
            found = before.found  # the same one, which makes comparing snapshots fast
        return _Entry(item.uid, item.trimmed, item.trimmed, found, ())


def _document(trimmed: bytes) -> Mapping[Any, Any]:
    """Raises Wrong: what was picked as it came is looked into here for the first time."""
    try:
        found: Mapping[Any, Any] = decode(trimmed)
    except (MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Wrong("", f"is no JSON that can be read: {error}") from None
    return found
