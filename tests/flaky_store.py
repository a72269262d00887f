"""The lease journal, unless told to fail."""

from __future__ import annotations

from terway_edge.agent.store import Journal
from terway_edge.core.errors import Retry
from terway_edge.core.models import Lease


class FlakyStore:
    """`ports.Store`; while `failing`, every write raises Retry and records nothing."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.failing = False

    def put(self, lease: Lease) -> None:
        self._trip()
        self.journal.put(lease)

    def release(self, lease: Lease, released_at: float) -> None:
        self._trip()
        self.journal.release(lease, released_at)

    def _trip(self) -> None:
        if self.failing:
            raise Retry("the disk is full because the test says so")
