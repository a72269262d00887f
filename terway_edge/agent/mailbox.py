"""A worker that always sees only the newest value: a slow one delays nobody and never works through a backlog."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from terway_edge.agent.ending import PATIENCE
from terway_edge.core.dispatcher import explain

T = TypeVar("T")
log = logging.getLogger(__name__)

RETRY_AFTER = 5.0  # seconds until a value that was refused is tried again


class Mailbox(Generic[T]):
    """A thread of its own that hands each newest value to `work`; an exception is kept and tried again later."""

    def __init__(self, name: str, work: Callable[[T], None]) -> None:
        self._work = work
        self._name = name
        self._changed = threading.Condition()
        self._value: T | None = None
        self._closed = False
        self._busy = False
        self.error = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, value: T) -> None:
        with self._changed:
            self._value = value
            self._changed.notify_all()

    def idle(self, timeout: float) -> bool:
        """Wait until nothing is left to do; False if that takes longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._value is None and not self._busy, timeout)

    def end(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self, timeout: float = PATIENCE) -> bool:
        """False if the work under way is not done within `timeout` seconds: it is left to itself."""
        self.end()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (value := self._take()) is not None:
            try:
                self._work(value)
            except Exception as error:  # noqa: BLE001 - the worker must outlive what a plugin does
                self._failed(value, explain(error))
            else:
                self.error = ""
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _take(self) -> T | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._value is not None)
            value, self._value = self._value, None
            self._busy = not self._closed
            return None if self._closed else value

    def _failed(self, value: T, reason: str) -> None:
        if reason != self.error:
            log.error("%s: %s; trying again every %.0f s", self._name, reason, RETRY_AFTER)
        self.error = reason
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._value is not None, RETRY_AFTER)
            if self._value is None:
                self._value = value
