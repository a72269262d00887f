"""Work that comes by the clock, in one thread: heartbeat, audit of pods, garbage collection."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from terway_edge.agent.ending import PATIENCE
from terway_edge.core.ports import Clock

log = logging.getLogger(__name__)

SOON = 0.05  # seconds; what comes in hundreds is worked through at once


@dataclass(slots=True)
class Chore:
    """`work` every `period` seconds, first after `first` seconds (default: a whole period).

    All periods count from the housekeeper's start, so that chores fall due together and share a wake-up: with one that
    took a while, the next is less than a period later.
    """

    name: str
    period: float
    work: Callable[[], object]
    first: float | None = None


class Housekeeper:
    """Runs chores one after another until closed; one that fails is logged and comes again."""

    def __init__(self, chores: Sequence[Chore], clock: Clock) -> None:
        self._clock = clock
        self._wake = threading.Condition()
        self._closed = False
        self._began = now = clock.now()
        self._due = {chore.name: now + (chore.period if chore.first is None else chore.first) for chore in chores}
        self._chores = chores
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self, name: str) -> None:
        """Have a chore done within SOON, not only when its period is over. From any thread."""
        with self._wake:
            self._due[name] = min(self._due[name], self._clock.now() + SOON)
            self._wake.notify()

    def close(self, timeout: float = PATIENCE) -> bool:
        """False if the chore under way is not done within `timeout` seconds: it is left to itself."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            for chore in self._chores:
                if self._due[chore.name] <= self._clock.now() and not self._closed:
                    self._do(chore)

    def _wait(self) -> bool:
        """Until a chore is due; False if closed."""
        with self._wake:
            while not self._closed and (rest := min(self._due.values()) - self._clock.now()) > 0:
                self._wake.wait(rest)
        return not self._closed

    def _do(self, chore: Chore) -> None:
        with self._wake:
            self._due[chore.name] = inf
        try:
            chore.work()
        except Exception:
            log.exception("%s failed; it is done again in %.0f s", chore.name, chore.period)
        with self._wake:  # unless it was hurried meanwhile
            self._due[chore.name] = min(self._due[chore.name], self._next(chore.period))

    def _next(self, period: float) -> float:
        now = self._clock.now()
        return now + period - (now - self._began) % period
