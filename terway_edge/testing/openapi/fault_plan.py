"""Which faults fire at a call."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from terway_edge.testing.openapi.action import Bent
from terway_edge.testing.openapi.faults import (
    Drop,
    Fails,
    Fault,
    Outside,
    Partial,
    Preventing,
    Reversed,
    Script,
    Slow,
    Stale,
    Stuck,
)

METADATA = "metadata"


class Fired:
    """The faults of one call, by what they do."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(each.kind for each in self.faults)

    @property
    def preventing(self) -> Preventing | None:
        return next((each for each in self.faults if isinstance(each, Preventing)), None)

    def drops(self, when: str) -> bool:
        return any(isinstance(each, Drop) and each.when == when for each in self.faults)

    def outside(self, when: str) -> Iterator[Outside]:
        return (each for each in self.faults if isinstance(each, Outside) and each.when == when)

    @property
    def delay(self) -> float:
        return sum(each.seconds for each in self.faults if isinstance(each, Slow))

    @property
    def age(self) -> float:
        return max((each.seconds for each in self.faults if isinstance(each, Stale)), default=0.0)

    @property
    def bent(self) -> Bent:
        portions = [each.portion for each in self.faults if isinstance(each, Partial)]
        return Bent(
            min(portions) if portions else None,
            sum(each.seconds for each in self.faults if isinstance(each, Stuck)),
            any(isinstance(each, Fails) for each in self.faults),
            any(isinstance(each, Reversed) for each in self.faults),
        )


class _Counted:
    """One fault of the script and how often it was asked and fired."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._seen = self._fired = 0
        self._random = random.Random(fault.seed)

    def fires(self, product: str, action: str, age: float) -> bool:
        fault = self.fault
        if not _is_meant(fault.action, product, action) or not fault.since <= age < fault.until:
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
    """A script under way; `now` is the emulator's clock."""

    def __init__(self, script: Script, now: float) -> None:
        self._started = now
        self._faults = [_Counted(each) for each in script.faults]

    def fire(self, product: str, action: str, now: float) -> Fired:
        age = now - self._started
        # All are asked, so that each counts its calls whatever the others do.
        return Fired([each.fault for each in self._faults if each.fires(product, action, age)])


def _is_meant(pattern: str, product: str, action: str) -> bool:
    if ":" in pattern:
        return fnmatchcase(f"{product}:{action}", pattern)
    return product != METADATA and fnmatchcase(action, pattern)
