"""Watches under way, as faults and tests reach them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from terway_edge.testing.apiserver.call import Target
from terway_edge.testing.apiserver.errors import ApiError
from terway_edge.testing.apiserver.faults.fault_plan import Fired
from terway_edge.testing.apiserver.faults.script import (
    CutWatch,
    EndWatch,
    ErrorEvent,
    Happening,
    Malformed,
    SilentWatch,
)
from terway_edge.testing.apiserver.objects import encode
from terway_edge.testing.apiserver.reply import Cut
from terway_edge.testing.apiserver.rest.watching import BOOKMARK, ERROR, TICK, Event, Feed


class LiveWatch:
    """One watch. `sent` counts its events without bookmarks; `happen` makes a fault of the script happen now."""

    def __init__(self, target: Target, user_agent: str, feed: Feed, fired: Fired, wake: Callable[[], None]) -> None:
        self.target, self.user_agent, self.sent = target, user_agent, 0
        self._feed, self._fired, self._wake = feed, fired, wake
        self._due: list[Happening] = fired.happening
        self._ordered: list[Happening] = []
        self._is_ended = False
        self._seen: dict[str, Event] = {}
        self._started = time.monotonic()

    def happen(self, fault: Happening) -> None:
        self._ordered.append(fault)
        self._wake()

    def pieces(self) -> Iterator[bytes]:
        """Lines of the stream; empty ones while nothing happens. Raises Cut."""
        yield from self._act(None)
        for event in self._feed.events():
            yield from self._act(event)
            if not self._is_ended:
                yield from self._tell(event)
                yield from self._act(event)
            if self._is_ended:
                return

    def _tell(self, event: Event | None) -> Iterator[bytes]:
        if event is None:
            yield b""
        elif self._fired.has_bookmarks or event.type != BOOKMARK:
            yield from self._send(event)

    def _send(self, event: Event) -> Iterator[bytes]:
        self.sent += event.type not in (BOOKMARK, ERROR)
        yield event.line
        if self._fired.repeats:
            yield event.line
        if self._fired.is_stale and (old := self._last(event)):
            yield old.line

    def _last(self, event: Event) -> Event | None:
        """What the stream said of the same object before."""
        before = self._seen.get(key := _key(event))
        self._seen[key] = event
        return before

    def _act(self, event: Event | None) -> Iterator[bytes]:
        for fault in self._take_due():
            match fault:
                case EndWatch():
                    self._is_ended = True
                case CutWatch():
                    if fault.inside:
                        line = event.line if event else b'{"type":"MODIFIED","object":{"kind":'
                        yield line[: len(line) // 2]
                    raise Cut
                case SilentWatch():
                    yield from self._be_silent()
                case ErrorEvent():
                    status = ApiError(fault.code, fault.reason, fault.message).status
                    yield Event(ERROR, encode(status), 0).line
                    self._is_ended = True
                case Malformed():
                    yield fault.line.encode() + b"\n"

    def _take_due(self) -> list[Happening]:
        age = time.monotonic() - self._started
        due = [each for each in self._due if self.sent >= each.events and age >= each.seconds]
        self._due = [each for each in self._due if each not in due]
        while self._ordered:
            due.append(self._ordered.pop(0))
        return due

    def _be_silent(self) -> Iterator[bytes]:
        while not self._feed.is_over():
            self._feed.pause(TICK)
            yield b""
        self._is_ended = True


class Watches:
    """All watches under way."""

    def __init__(self) -> None:
        self._live: dict[int, LiveWatch] = {}
        self._changed = threading.Condition(threading.RLock())

    def run(self, watch: LiveWatch) -> Iterator[bytes]:
        with self._changed:
            self._live[id(watch)] = watch
            self._changed.notify_all()
        try:
            yield from watch.pieces()
        finally:
            with self._changed:
                del self._live[id(watch)]
                self._changed.notify_all()

    def all(self, resource: str = "") -> list[LiveWatch]:
        """:param resource: plural; empty means all"""
        with self._changed:
            return [each for each in self._live.values() if resource in ("", each.target.plural)]

    def wait(self, count: int, resource: str = "", *, timeout: float = 10.0) -> list[LiveWatch]:
        """Until so many are under way. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.all(resource)) == count, timeout):
                raise TimeoutError(f"{len(self.all(resource))} watches of {resource or 'anything'}, not {count}")
            return self.all(resource)

    def happen(self, fault: Happening, resource: str = "") -> None:
        """To all of them, or to those of one resource."""
        for each in self.all(resource):
            each.happen(fault)


def _key(event: Event) -> str:
    """The uid in an event's object, which is all that tells one object from the next."""
    _, _, rest = event.body.partition(b'"uid":"')
    return rest.partition(b'"')[0].decode()
