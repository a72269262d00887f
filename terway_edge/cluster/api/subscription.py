"""Who hears of new snapshots."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import RLock

from terway_edge.core.ports import Snapshot

log = logging.getLogger(__name__)


class Subscription:
    """A listener, until closed."""

    def __init__(self, changed: Callable[[Snapshot], None], last: Snapshot | None) -> None:
        """:param last: what the listener knows already."""
        self._changed, self._last = changed, last
        self._guard = RLock()
        self.is_closed = False

    def tell(self, snapshot: Snapshot) -> None:
        """Unless it is what was told last."""
        with self._guard:
            if self.is_closed or snapshot == self._last:
                return
            self._last = snapshot
            try:
                self._changed(snapshot)
            except Exception:  # a listener that fails once must hear of the next change
                log.exception("the listener failed on a new cluster snapshot")

    def close(self) -> None:
        """`changed` is not called after this returns, unless it is `changed` that calls this."""
        with self._guard:
            self.is_closed = True
