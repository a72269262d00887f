"""Which faults fire at a request."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from fnmatch import fnmatchcase

from terway_edge.testing.apiserver.call import Target
from terway_edge.testing.apiserver.faults.script import (
    Drop,
    Fault,
    Happening,
    Hold,
    NoBookmarks,
    Preventing,
    Repeat,
    Script,
    Slow,
    Stale,
)
from terway_edge.testing.fault_schedule import Schedule


class Fired:
    """The faults of one request, by what they do."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(each.kind for each in self.faults)

    @property
    def preventing(self) -> Preventing | None:
        return next((each for each in self.faults if isinstance(each, Preventing)), None)

    @property
    def happening(self) -> list[Happening]:
        return [each for each in self.faults if isinstance(each, Happening)]

    def drops(self, when: str) -> bool:
        return any(isinstance(each, Drop) and each.when == when for each in self.faults)

    @property
    def holds(self) -> bool:
        return any(isinstance(each, Hold) for each in self.faults)

    @property
    def delay(self) -> float:
        return sum(each.seconds for each in self.faults if isinstance(each, Slow))

    @property
    def has_bookmarks(self) -> bool:
        return not any(isinstance(each, NoBookmarks) for each in self.faults)

    @property
    def repeats(self) -> bool:
        return any(isinstance(each, Repeat) for each in self.faults)

    @property
    def is_stale(self) -> bool:
        return any(isinstance(each, Stale) for each in self.faults)


class FaultPlan:
    """A script under way; `now` in seconds of any one clock."""

    def __init__(self, script: Script, now: float) -> None:
        self._started = now
        self._faults = [(each, Schedule(each)) for each in script.faults]
        self._guard = threading.Lock()

    def fire(self, target: Target, user_agent: str, now: float) -> Fired:
        meant = [each for each in self._faults if _is_meant(each[0], target, user_agent)]
        with self._guard:
            # All are asked, so that each counts its requests whatever the others do.
            return Fired([fault for fault, schedule in meant if schedule.fires(now - self._started)])


def _is_meant(fault: Fault, target: Target, user_agent: str) -> bool:
    if isinstance(fault, Happening | NoBookmarks | Repeat | Stale) and target.verb != "watch":
        return False
    return all(
        fnmatchcase(value, pattern)
        for value, pattern in (
            (target.verb, fault.verb),
            (target.resource, fault.resource),
            (target.namespace, fault.namespace),
            (target.name, fault.name),
            (user_agent, fault.user_agent),
        )
    )
