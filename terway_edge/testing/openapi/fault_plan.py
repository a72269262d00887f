"""Which faults fire at a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from terway_edge.testing.fault_schedule import Schedule
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


class FaultPlan:
    """A script under way; `now` is the emulator's clock."""

    def __init__(self, script: Script, now: float) -> None:
        self._started = now
        self._faults = [(each, Schedule(each)) for each in script.faults]

    def fire(self, product: str, action: str, now: float) -> Fired:
        meant = [each for each in self._faults if _is_meant(each[0].action, product, action)]
        # All are asked, so that each counts its calls whatever the others do.
        return Fired([fault for fault, schedule in meant if schedule.fires(now - self._started)])


def _is_meant(pattern: str, product: str, action: str) -> bool:
    if ":" in pattern:
        return fnmatchcase(f"{product}:{action}", pattern)
    return product != METADATA and fnmatchcase(action, pattern)
