"""Watch: a stream of changes, one JSON object in each line.

The thread that serves a watch waits for the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from terway_edge.testing.apiserver.errors import ApiError
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import encode
from terway_edge.testing.apiserver.selectors import Selection
from terway_edge.testing.apiserver.show.view import View
from terway_edge.testing.apiserver.state import State
from terway_edge.testing.apiserver.store import Change, Stored, in_order

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
TICK = 0.5  # seconds between two looks whether the client is still there
BEFORE_END = 2.0  # seconds before the end of a watch when its last bookmark is sent


@dataclass(frozen=True)
class Event:
    """`revision` is where the client stands once it has it."""

    type: str
    body: bytes
    revision: int

    @property
    def line(self) -> bytes:
        return b'{"type":"' + self.type.encode() + b'","object":' + self.body + b"}\n"


@dataclass(frozen=True)
class Plan:
    """How one watch runs. `revision` None: begin with what there is. `every` and `seconds` are durations."""

    view: View
    namespace: str
    selection: Selection
    revision: int | None
    ends_initial: bool
    every: float | None
    """Seconds between bookmarks; None: there are none."""
    seconds: float


@dataclass
class Feed:
    """The events of one watch, in order, as a healthy server sends them."""

    state: State
    plan: Plan
    is_over: Callable[[], bool]
    position: int = field(init=False, default=0)
    _now: Callable[[], float] = field(default=time.monotonic)

    def events(self) -> Iterator[Event | None]:
        """None where nothing happened for a while. The last one may be an error."""
        try:
            yield from self._initial()
            yield from self._live()
        except ApiError as error:
            yield Event(ERROR, encode(error.status), self.position)

    def pause(self, seconds: float) -> None:
        with self.state.store.changed:
            self.state.store.changed.wait(seconds)

    def _initial(self) -> Iterator[Event]:
        store, plan = self.state.store, self.plan
        with store.changed:
            self.position = store.revision if plan.revision is None else plan.revision
            objects = store.all(plan.view.kind.place) if plan.revision is None else {}
            if plan.revision is not None:
                store.require(plan.view.kind.place, plan.revision)
        for _, each in in_order(objects, plan.namespace):
            if plan.selection.picks(each.object):
                yield Event(ADDED, plan.view.one(each), each.revision)
        if plan.ends_initial:
            yield Event(BOOKMARK, plan.view.bookmark(self.position, ends_initial=True), self.position)

    def _live(self) -> Iterator[Event | None]:
        start = self._now()
        end, due = start + self.plan.seconds, self._next_bookmark(start, start + self.plan.seconds)
        while not self.is_over():
            now = self._now()
            if now >= end or self._has_lost_its_kind:
                return
            if due is not None and now >= due:
                due = self._next_bookmark(now, end)
                yield self._bookmark()
            changes = self._wait(min(TICK, end - now, *([due - now] if due is not None else [])))
            if not changes:
                yield None
            for each in changes:
                yield from self._tell(each)

    def _wait(self, seconds: float) -> list[Change]:
        """What happened since, at once or after a while. Raises ApiError 410."""
        store, place = self.state.store, self.plan.view.kind.place
        with store.changed:
            if not (changes := store.since(place, self.position)):
                store.changed.wait(max(seconds, 0.001))
                changes = store.since(place, self.position)
            return changes

    def _tell(self, change: Change) -> Iterator[Event]:
        self.position = change.revision
        if self.plan.namespace and change.key[0] != self.plan.namespace:
            return
        picks = self.plan.selection.picks
        was, is_now = bool(change.before and picks(change.before.object)), change.after and picks(change.after.object)
        view = self.plan.view
        if is_now and change.after:
            yield Event(MODIFIED if was else ADDED, view.one(change.after), change.revision)
        elif was and change.before:
            # What left the selection, or the store, is shown as it was, at the revision of its leaving.
            last = change.last or Stored(change.before.object, change.revision)
            yield Event(DELETED, view.one(last), change.revision)

    def _bookmark(self) -> Event:
        """All changes up to the newest revision are told: nothing of this kind can be between."""
        with self.state.store.changed:
            if not self.state.store.since(self.plan.view.kind.place, self.position):
                self.position = max(self.position, self.state.store.revision)
        return Event(BOOKMARK, self.plan.view.bookmark(self.position, ends_initial=False), self.position)

    def _next_bookmark(self, now: float, end: float) -> float | None:
        if self.plan.every is None:
            return None
        last = end - BEFORE_END
        return min(now + self.plan.every, last) if now < last else now + self.plan.every

    @property
    def _has_lost_its_kind(self) -> bool:
        kind: Kind = self.plan.view.kind
        return kind.is_custom and self.state.catalog.find(kind.group, kind.version, kind.plural) is None
