"""The server's wall clock, which may be wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """:param wall: seconds since the epoch"""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self.skew = 0.0
        """Seconds that the server is ahead of everybody else."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._wall() + self.skew, UTC)

    def stamp(self, ahead: float = 0.0) -> str:
        """RFC 3339, whole seconds, as metadata.creationTimestamp has it; so many seconds from now."""
        return (self.now() + timedelta(seconds=ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")
