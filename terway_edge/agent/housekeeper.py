"""Work that comes by the clock, in one thread: heartbeat, audit of pods, garbage collection."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from terway_edge.agent.ending import PATIENCE
from terway_edge.core.ports import Clock

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Chore:
    """`work` every `period` seconds, first after `first` seconds (default: a whole period)."""

    name: str
    period: float
    work: Callable[[], object]
    first: float | None = None


class Housekeeper:
    """Runs chores one after another until closed; one that fails is logged and comes again."""

    def __init__(self, chores: Sequence[Chore], clock: Clock) -> None:
        self._clock = clock
        self._closed = threading.Event()
        now = clock.now()
        self._due = {chore.name: now + (chore.period if chore.first is None else chore.first) for chore in chores}
        self._chores = chores
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout: float = PATIENCE) -> bool:
        """False if the chore under way is not done within `timeout` seconds: it is left to itself."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closed.wait(max(min(self._due.values()) - self._clock.now(), 0)):
            for chore in self._chores:
                if self._due[chore.name] <= self._clock.now() and not self._closed.is_set():
                    self._do(chore)

    def _do(self, chore: Chore) -> None:
        try:
            chore.work()
        except Exception:
            log.exception("%s failed; it is done again in %.0f s", chore.name, chore.period)
        self._due[chore.name] = self._clock.now() + chore.period
