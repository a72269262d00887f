"""Events of the control plane on their way to the API; they wait while it is away, and are written by nobody else."""

from __future__ import annotations

import asyncio

from terway_edge.cluster.api.event_queue import EventQueue
from terway_edge.core.ports import Event


class ApiEvents:
    """`ports.Events`. Belongs to the loop's thread."""

    def __init__(self, queue: EventQueue, to_write: asyncio.Event) -> None:
        self._queue, self._to_write = queue, to_write

    def emit(self, event: Event) -> None:
        self._queue.put(event)
        self._to_write.set()
