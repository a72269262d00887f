"""The objects and what happened to them: one revision for each change, old revisions until compaction.

All is under one lock, which writers hold from reading an object to storing it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter, itemgetter
from typing import NamedTuple

from terway_edge.testing.apiserver.errors import too_old
from terway_edge.testing.apiserver.objects import Object, encode

FIRST = 1000
HISTORY = 5000
"""Changes of one resource that are kept for watches and for lists of the past."""

Place = tuple[str, str]
"""Group and plural."""
Key = tuple[str, str]
"""Namespace, empty for cluster-scoped objects, and name."""


class Stored:
    """One object at one revision. Nobody changes `object`."""

    __slots__ = ("_tail", "object", "revision")

    def __init__(self, value: Object, revision: int) -> None:
        self.object = {**value, "metadata": {**value["metadata"], "resourceVersion": str(revision)}}
        self.revision = revision
        self._tail: bytes | None = None

    @property
    def tail(self) -> bytes:
        """JSON of all but kind and apiVersion, without the brace before it; made once."""
        if self._tail is None:
            self._tail = encode({k: v for k, v in self.object.items() if k not in ("kind", "apiVersion")})[1:]
        return self._tail


class Change(NamedTuple):
    """`before` is None for a creation, `after` for a deletion; `last` is what is deleted, at that revision."""

    revision: int
    key: Key
    before: Stored | None
    after: Stored | None
    last: Stored | None


class Snapshot(NamedTuple):
    revision: int
    objects: dict[Place, dict[Key, Stored]]


class Store:
    """:param history: changes of one resource that are kept"""

    def __init__(self, history: int = HISTORY) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.revision = FIRST
        self._history = history
        self._objects: dict[Place, dict[Key, Stored]] = defaultdict(dict)
        self._changes: dict[Place, list[Change]] = defaultdict(list)
        self._floor: dict[Place, int] = defaultdict(int)
        self._compacted = self._base = FIRST

    def get(self, place: Place, key: Key) -> Stored | None:
        return self._objects[place].get(key)

    def all(self, place: Place) -> dict[Key, Stored]:
        with self.changed:
            return dict(self._objects[place])

    def places(self) -> list[Place]:
        with self.changed:
            return list(self._objects)

    def put(self, place: Place, key: Key, value: Object) -> Stored:
        """Store a new or changed object under the next revision."""
        with self.changed:
            self.revision += 1
            stored = Stored(value, self.revision)
            before = self._objects[place].get(key)
            self._objects[place][key] = stored
            self._record(place, Change(self.revision, key, before, stored, None))
            return stored

    def remove(self, place: Place, key: Key) -> Stored:
        """:returns: the object's last state, at the revision of its deletion"""
        with self.changed:
            self.revision += 1
            before = self._objects[place].pop(key)
            last = Stored(before.object, self.revision)
            self._record(place, Change(self.revision, key, before, None, last))
            return last

    def require(self, place: Place, revision: int) -> None:
        """See that a revision can still be asked for. Raises ApiError 410."""
        oldest = max(self._floor[place], self._base, self._compacted)
        if revision < oldest:
            raise too_old(revision, oldest)

    def since(self, place: Place, revision: int) -> list[Change]:
        """What happened after a revision; whoever is under way may go on in spite of a compaction.

        Raises ApiError 410 if some of it is forgotten.
        """
        with self.changed:
            if revision < (floor := max(self._floor[place], self._base)):
                raise too_old(revision, floor)
            changes = self._changes[place]
            return changes[bisect_right(changes, revision, key=attrgetter("revision")) :]

    def at(self, place: Place, revision: int) -> dict[Key, Stored]:
        """The objects as they were. Raises ApiError 410."""
        with self.changed:
            self.require(place, revision)
            objects = dict(self._objects[place])
            for change in reversed(self.since(place, revision)):
                if change.before:
                    objects[change.key] = change.before
                else:
                    objects.pop(change.key, None)
            return objects

    def compact(self) -> None:
        """Older revisions can no longer be asked for."""
        with self.changed:
            self._compacted = self.revision

    def snapshot(self) -> Snapshot:
        with self.changed:
            return Snapshot(self.revision, {place: dict(objects) for place, objects in self._objects.items()})

    def restore(self, snapshot: Snapshot, bump: int = 0) -> None:
        """As a restored etcd: revisions go back, and what came after the snapshot never happened."""
        with self.changed:
            self.revision = self._compacted = self._base = snapshot.revision + bump
            self._objects = defaultdict(dict, {place: dict(each) for place, each in snapshot.objects.items()})
            self._changes.clear()
            self._floor.clear()
            self.changed.notify_all()

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def _record(self, place: Place, change: Change) -> None:
        changes = self._changes[place]
        changes.append(change)
        if len(changes) >= 2 * self._history:
            self._floor[place] = changes[-self._history - 1].revision
            del changes[: -self._history]
        self.changed.notify_all()


def in_order(objects: dict[Key, Stored], namespace: str = "") -> Iterator[tuple[Key, Stored]]:
    """By namespace and name, of one namespace or of all."""
    return iter(sorted(((k, v) for k, v in objects.items() if not namespace or k[0] == namespace), key=itemgetter(0)))
