"""What should be written to the API: the newest state of each thing, whenever it can be written. Pure; any thread.

Nothing queues up while the API is away: a later value takes the place of an earlier one, and what is there already is
not written again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from terway_edge.core.ports import Annotation, StatusEntry

Write = StatusEntry | Annotation
Key = tuple[str, ...]


@dataclass(slots=True)
class _Slot:
    """`is_asked_again`: what a write under way will bring about may be undone already."""

    wanted: Write
    is_written: bool = False
    not_before: float = 0.0
    pause: float = 0.0
    failures: int = 0
    is_asked_again: bool = False


class Outbox:
    """The wanted values, and which of them the API has."""

    def __init__(self, now: Callable[[], float], rewrite: float) -> None:
        """:param now: seconds that only grow.
        :param rewrite: seconds between two writes of one thing."""
        self._now, self._rewrite = now, rewrite
        self._lock = Lock()
        self._slots: dict[Key, _Slot] = {}

    def want(self, write: Write) -> bool:
        """Whether that is anything new."""
        with self._lock:
            slot = self._slots.setdefault(_key(write), _Slot(write, not_before=self._now()))
            if slot.wanted == write and slot.is_written:
                return False
            slot.wanted, slot.is_written = write, False
            return True

    def due(self) -> Write | None:
        """What is to be written now, if anything; the same until it is `done` or put off."""
        now = self._now()
        with self._lock:
            waiting = (slot for slot in self._slots.values() if not slot.is_written and slot.not_before <= now)
            slot = next(waiting, None)
            if slot is None:
                return None
            slot.is_asked_again = False
            return slot.wanted

    def wait(self) -> float | None:
        """Seconds until something is due; None if nothing waits."""
        with self._lock:
            waiting = [slot.not_before for slot in self._slots.values() if not slot.is_written]
        return max(min(waiting) - self._now(), 0.0) if waiting else None

    def done(self, write: Write) -> None:
        """It is there, or there is no such object, or it never can be written as it is."""
        with self._lock:
            slot = self._slots.get(key := _key(write))
            if slot is None:
                return
            slot.not_before, slot.pause, slot.failures = self._now() + self._rewrite, 0.0, 0
            if slot.wanted != write or slot.is_asked_again:
                return  # a newer one came meanwhile, or the object became another one
            slot.is_written = True
            if write.kind == "Pod":
                del self._slots[key]  # pods come and go, and each is told once

    def put_off(self, write: Write, least: float, most: float, tries: int | None = None) -> bool:
        """It could not be written, while others may be: each time twice as long, between these seconds.

        :param tries: after so many in a row it is given up, which gives False
        """
        with self._lock:
            slot = self._slots.get(_key(write))
            if slot is None:
                return True
            slot.failures += 1
            slot.pause = min(max(slot.pause * 2, least), most)
            slot.not_before = self._now() + slot.pause
            return tries is None or slot.failures < tries

    def say_again(self, kind: str, name: str | None = None) -> bool:
        """The object is another one than before, or (without name) all of a kind may be: whether there is anything to
        write of it."""
        with self._lock:
            slots = [slot for slot in self._slots.values() if slot.wanted.kind == kind]
            meant = [slot for slot in slots if name in (None, slot.wanted.name)]
            again = [slot for slot in meant if slot.is_written]
            for slot in meant:
                slot.is_written, slot.is_asked_again = False, True
        return bool(again)

    def gone(self, kind: str, name: str) -> None:
        """There is no such object any more: what should be taken from it is not there either."""
        with self._lock:
            for key, slot in list(self._slots.items()):
                if (slot.wanted.kind, slot.wanted.name) == (kind, name) and slot.wanted.value is None:
                    del self._slots[key]


def _key(write: Write) -> Key:
    if isinstance(write, Annotation):
        return "annotation", write.kind, write.namespace, write.name, write.key
    return "status", write.kind, write.name, write.key
