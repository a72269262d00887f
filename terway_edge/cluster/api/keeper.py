"""Keeps the cache on disk up with what is known, not more often than flash can bear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from terway_edge.cluster.api.cache import Cache

AFTER_FAILURE = 60.0  # seconds until a file is tried again that could not be written


Texts = Callable[[], list[bytes] | None]
"""What a file should have; None for no file."""


class CacheKeeper:
    """Belongs to the loop's thread."""

    def __init__(self, cache: Cache, files: Mapping[str, Texts], pause: float) -> None:
        """:param files: by kind.
        :param pause: seconds between a change and the writing of it, and of all that changed meanwhile."""
        self._cache, self._files, self._pause = cache, files, pause
        self._changed: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def changed(self, kind: str) -> None:
        self._changed.add(kind)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._on_time)

    def flush(self) -> None:
        """Write what changed; what cannot be written stays to be written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._changed = {kind for kind in self._changed if not self._write(kind)}

    def _on_time(self) -> None:
        self.flush()
        if self._changed:
            self._timer = asyncio.get_running_loop().call_later(AFTER_FAILURE, self._on_time)

    def _write(self, kind: str) -> bool:
        texts = self._files[kind]()
        return self._cache.remove(kind) if texts is None else self._cache.write(kind, texts)
