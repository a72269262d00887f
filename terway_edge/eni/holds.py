"""What is left alone for a while because it failed: ever longer, until it succeeds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from terway_edge.eni.moment import Moment

JITTER = 0.3


class Pace(NamedTuple):
    """Seconds of the first hold and of the longest; each is twice the one before, and varied by 30 % up and down."""

    first: float
    longest: float


PASSING = Pace(1.0, 60.0)
LASTING = Pace(60.0, 600.0)
"""For what an operator must mend, or an account's quota."""


@dataclass(slots=True)
class _Hold:
    until: float = 0.0
    failures: int = 0


class Holds:
    """By key; a key that never failed is free."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._holds: dict[str, _Hold] = {}

    def fail(self, key: str, pace: Pace, now: float) -> None:
        """Failures of attempts that were under way together count once."""
        hold = self._holds.setdefault(key, _Hold())
        if hold.failures and now < hold.until:
            return
        length = min(pace.first * 2**hold.failures, pace.longest)
        hold.failures += 1
        hold.until = now + length * self._rng.uniform(1 - JITTER, 1 + JITTER)

    def succeed(self, key: str) -> None:
        self._holds.pop(key, None)

    def is_free(self, key: str, moment: Moment) -> bool:
        hold = self._holds.get(key)
        return hold is None or moment.is_due(hold.until)

    def is_failing(self, key: str) -> bool:
        """Whether the last attempt failed: the next one goes alone."""
        return key in self._holds

    def keep(self, wanted: Callable[[str], bool]) -> None:
        """Forget all others."""
        self._holds = {key: hold for key, hold in self._holds.items() if wanted(key)}
