"""One decision's time, and when the next one is due."""

from __future__ import annotations

import math


class Moment:
    """`now` in seconds of a clock that never steps; `next_at` is the earliest time asked for that is to come."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.next_at = math.inf

    def is_due(self, at: float) -> bool:
        """Whether that time has come; if not, it is remembered."""
        if at <= self.now:
            return True
        self.next_at = min(self.next_at, at)
        return False
