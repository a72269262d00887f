"""Which faults fire at a request."""

from __future__ import annotations

import random
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


class _Counted:
    """One fault of the script and how often it was asked and fired."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._seen = self._fired = 0
        self._random = random.Random(fault.seed)

    def fires(self, target: Target, user_agent: str, age: float) -> bool:
        fault = self.fault
        if not _is_meant(fault, target, user_agent) or not fault.since <= age < fault.until:
            return False
        self._seen += 1
        if fault.calls and self._seen not in fault.calls:
            return False
        if fault.count is not None and self._fired >= fault.count:
            return False
        fires = self._random.random() < fault.probability
        self._fired += fires
        return fires


class FaultPlan:
    """A script under way; `now` in seconds of any one clock."""

    def __init__(self, script: Script, now: float) -> None:
        self._started = now
        self._faults = [_Counted(each) for each in script.faults]
        self._guard = threading.Lock()

    def fire(self, target: Target, user_agent: str, now: float) -> Fired:
        with self._guard:
            # All are asked, so that each counts its requests whatever the others do.
            fired = [each.fault for each in self._faults if each.fires(target, user_agent, now - self._started)]
        return Fired(fired)


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
