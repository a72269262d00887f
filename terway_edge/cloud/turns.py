"""One call in flight per thing: whoever changes it waits for its turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from terway_edge.core.cloud import Cause, CloudError
from terway_edge.core.ports import Clock


class Turns:
    """Locks by name, kept as long as somebody has or awaits them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def turn(self, name: str, deadline: float) -> Iterator[None]:
        """Raises CloudError, cause CONFLICT, if it does not come before the deadline."""
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            if not lock.acquire(timeout=max(0.0, deadline - self._clock.now())):
                raise CloudError(
                    f"another call about {name} did not end in time; try again", action="", cause=Cause.CONFLICT
                )
            try:
                yield
            finally:
                lock.release()
        finally:
            self._forget(name)

    def _forget(self, name: str) -> None:
        with self._guard:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = (lock, users - 1)
