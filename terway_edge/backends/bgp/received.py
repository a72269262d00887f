"""What a peer announces to us: counted, never used."""

from __future__ import annotations

from terway_edge.backends.bgp.messages import Update
from terway_edge.core.addresses import Prefix


class ReceivedRoutes:
    """The prefixes a peer announced and did not withdraw, remembered up to a limit so that memory is bounded."""

    def __init__(self, limit: int) -> None:
        """:param limit: how many prefixes are too many; 0: any number is fine, and only announcements are counted."""
        self._limit = limit
        self._prefixes: set[Prefix] = set()
        self.count = 0
        self.is_over_limit = False

    def apply(self, update: Update) -> None:
        if not self._limit:
            self.count = max(self.count + len(update.announced) - len(update.withdrawn), 0)
            return
        self._prefixes.difference_update(update.withdrawn)
        room = self._limit - len(self._prefixes)
        new = set(update.announced) - self._prefixes
        self.is_over_limit |= len(new) > room
        self._prefixes.update(list(new)[:room] if len(new) > room else new)
        self.count = len(self._prefixes)
