"""Counts and times of CNI calls, kept as plain numbers: rendering them is the scrape's work."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds in seconds."""


class Times:
    """A histogram."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Telemetry:
    """Thread-safe; `calls` by (command, CNI code, 0 for success), `times` by command, `repairs` by kind."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.calls: Counter[tuple[str, int]] = Counter()
        self.times: dict[str, Times] = {}
        self.repairs: Counter[str] = Counter()

    def called(self, command: str, code: int, seconds: float) -> None:
        with self._guard:
            self.calls[command, code] += 1
            self.times.setdefault(command, Times()).add(seconds)

    def repaired(self, kind: str) -> None:
        with self._guard:
            self.repairs[kind] += 1
