"""Events as lines of JSON in a file of bounded size, shaped as Kubernetes Events.

A repeated event is counted: it is written at its first, second, fourth, eighth ... time and whenever the last line
about it is a minute old, each time with the count. At 1 MiB the file becomes `NAME.1`, replacing the one before.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from terway_edge.core.ports import Event

MAX_BYTES = 1 << 20
MAX_MESSAGE = 1024  # characters; as the API server cuts it
REPEAT_AFTER = 60.0  # seconds
REMEMBERED = 256  # different events that are counted at a time

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Repeat:
    first: float
    written: float
    count: int = 0


class EventLog:
    """Appends to one file; any thread may write."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """:param now: seconds since the epoch."""
        self._path, self._now = path, now
        self._repeats: OrderedDict[Event, _Repeat] = OrderedDict()
        self._lock = Lock()
        self._failing = False

    def write(self, event: Event) -> None:
        """Count the event and write its line if one is due. Never raises: a full disk must not stop the agent."""
        with self._lock:
            line = self._line(event)
            if not line:
                return
            try:
                self._append(line)
                self._failing = False
            except OSError as error:
                if not self._failing:
                    log.warning("events cannot be written to %s: %s", self._path, error.strerror)
                self._failing = True

    def _line(self, event: Event) -> bytes:
        """The line that is due, or nothing."""
        now = self._now()
        repeat = self._repeats.setdefault(event, _Repeat(now, now))
        self._repeats.move_to_end(event)
        if len(self._repeats) > REMEMBERED:
            self._repeats.popitem(last=False)
        repeat.count += 1
        power_of_two = repeat.count & (repeat.count - 1) == 0
        if not power_of_two and now - repeat.written < REPEAT_AFTER:
            return b""
        repeat.written = now
        record = {
            "firstTimestamp": _timestamp(repeat.first),
            "lastTimestamp": _timestamp(now),
            "count": repeat.count,
            "type": str(event.severity),
            "reason": event.reason,
            "object": event.subject,
            "message": event.message[:MAX_MESSAGE],
        }
        return json.dumps(record).encode() + b"\n"

    def _append(self, line: bytes) -> None:
        with open(self._path, "ab", buffering=0, opener=_open_plainly) as file:
            file.write(line)
            size = file.tell()
        if size >= MAX_BYTES:
            self._path.replace(f"{self._path}.1")


def _open_plainly(path: str, flags: int) -> int:
    """An opener that follows no symbolic link and waits for no reader of a FIFO."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
