"""Events on their way to the API: repeats are counted, floods are cut, old ones are forgotten. Pure; any thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from terway_edge.cluster.api.subjects import involved
from terway_edge.core.ports import Event

REMEMBERED = 256  # different events
OLD = 3600.0  # seconds; so long the API server keeps an event
REPEAT_AFTER = 60.0  # seconds between two writes that only count
BURST, REFILL = 25, 300.0  # events about one object, and seconds until there is room for another one


class Telling(NamedTuple):
    """One event as it stands; `times` it happened, first and last in seconds since
    the epoch. `name` is that of the object in the API, empty before
    there is one."""

    event: Event
    times: int
    first: float
    last: float
    name: str = ""


@dataclass(slots=True)
class _Told:
    """`first` and `last` are times of day, the others of the clock that never steps; `at` is that of `last`."""

    first: float
    last: float
    at: float
    count: int = 0
    written: int = 0
    written_at: float = 0.0
    not_before: float = 0.0
    name: str = ""


@dataclass(slots=True)
class _Allowance:
    left: float
    since: float


class EventQueue:
    """The events of this process, each with how often it happened and how much of that the API knows."""

    def __init__(self, wall: Callable[[], float], now: Callable[[], float]) -> None:
        """:param wall: seconds since the epoch, which is what events tell and nothing waits by: it may step by years.
        :param now: seconds that only grow."""
        self._wall, self._now = wall, now
        self._lock = Lock()
        self._told: OrderedDict[Event, _Told] = OrderedDict()
        self._allowances: dict[tuple[str, str], _Allowance] = {}

    def put(self, event: Event) -> None:
        wall, now = self._wall(), self._now()
        with self._lock:
            told = self._told.get(event)
            if told is None or now - told.at > OLD:
                told = self._told[event] = _Told(wall, wall, now)
            told.count, told.last, told.at = told.count + 1, wall, now
            self._told.move_to_end(event)
            if len(self._told) > REMEMBERED:
                self._told.popitem(last=False)

    def due(self) -> Telling | None:
        """The oldest that is to be written now; the same until it is `done`."""
        now = self._now()
        with self._lock:
            for event, told in list(self._told.items()):
                if told.count == told.written or now < _due_at(told):
                    continue
                if now - told.at > OLD:
                    del self._told[event]
                elif self._is_allowed(event.subject, now):
                    return Telling(event, told.count, told.first, told.last, told.name)
                else:
                    told.written, told.written_at = told.count, now  # too many about this object
        return None

    def wait(self) -> float | None:
        """Seconds until something is due; None if nothing waits."""
        with self._lock:
            due = [_due_at(told) for told in self._told.values() if told.count > told.written]
        return max(min(due) - self._now(), 0.0) if due else None

    def done(self, telling: Telling, name: str) -> None:
        """The API has it, as the object `name`."""
        with self._lock:
            self._spend(telling.event.subject)
            if told := self._told.get(telling.event):
                told.written, told.written_at, told.name = telling.times, self._now(), name

    def lost(self, telling: Telling) -> None:
        """The API has forgotten its object: it needs a new one."""
        with self._lock:
            if told := self._told.get(telling.event):
                told.name, told.first, told.count, told.written = "", told.last, 1, 0

    def put_off(self, telling: Telling, pause: float) -> None:
        """It could not be written; others may be."""
        with self._lock:
            if told := self._told.get(telling.event):
                told.not_before = self._now() + pause

    def drop(self, telling: Telling) -> None:
        """The API never takes it."""
        with self._lock:
            self._told.pop(telling.event, None)

    def _is_allowed(self, subject: str, now: float) -> bool:
        allowance = self._allowances.get(_object_of(subject))
        if allowance is None:
            return True
        allowance.left = min(BURST, allowance.left + (now - allowance.since) / REFILL)
        allowance.since = now
        return allowance.left >= 1

    def _spend(self, subject: str) -> None:
        if len(self._allowances) > REMEMBERED:
            self._allowances = {name: each for name, each in self._allowances.items() if each.left < BURST - 1}
        self._allowances.setdefault(_object_of(subject), _Allowance(BURST, self._now())).left -= 1


def _object_of(subject: str) -> tuple[str, str]:
    """Its kind and name; that of this node is empty. A thousand subjects may be of one object."""
    return involved(subject, "")[:2]


def _due_at(told: _Told) -> float:
    """The first time at once, and so each doubling; else once in a while."""
    is_power_of_two = told.count & (told.count - 1) == 0
    at = told.at if not told.written or is_power_of_two else told.written_at + REPEAT_AFTER
    return max(at, told.not_before)
