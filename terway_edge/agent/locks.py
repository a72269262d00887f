"""One lock per sandbox, and the ADDs in flight, so that an ADD and a DEL that cross end as a DEL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from terway_edge.core.errors import Retry
from terway_edge.core.names import Key


@dataclass(slots=True)
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


@dataclass(slots=True)
class Ticket:
    """An ADD in flight; `cancelled` once a DEL for the same sandbox has come in."""

    cancelled: bool = False


class SandboxLocks:
    """Locks are made on demand and forgotten with their last user. One instance for all who change sandboxes."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: dict[Key, _Held] = {}
        self._adding: dict[Key, list[Ticket]] = {}

    @contextmanager
    def hold(self, key: Key, timeout: float) -> Iterator[None]:
        """Hold the sandbox's lock. Raises Retry if it cannot be had within `timeout` seconds."""
        with self._guard:
            held = self._held.setdefault(key, _Held())
            held.users += 1
        try:
            if not held.lock.acquire(timeout=max(timeout, 0)):
                raise Retry(f"another call for container {key[0]} is still running after {timeout:.0f} s")
            try:
                yield
            finally:
                held.lock.release()
        finally:
            with self._guard:
                held.users -= 1
                if not held.users:
                    del self._held[key]

    @contextmanager
    def adding(self, key: Key) -> Iterator[Ticket]:
        """Announce an ADD before it waits for the lock, so that a DEL that overtakes it is noticed."""
        ticket = Ticket()
        with self._guard:
            self._adding.setdefault(key, []).append(ticket)
        try:
            yield ticket
        finally:
            with self._guard:
                tickets = self._adding[key]
                tickets.remove(ticket)
                if not tickets:
                    del self._adding[key]

    def cancel_adds(self, key: Key) -> None:
        """Tell every ADD in flight for this sandbox that it must undo itself."""
        with self._guard:
            for ticket in self._adding.get(key, ()):
                ticket.cancelled = True
