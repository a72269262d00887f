"""How often to mend what others undo: at once, unless somebody keeps undoing it. Pure; time is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from math import inf

WINDOW = 60.0  # seconds in which repairs are counted
TOLERATED = 20  # bursts of repairs of one item in a window that are no fight yet
BURST = 0.1  # seconds from its first repair: `ip route flush` starts over until it finds nothing, thirty times or so
BACK_OFF_MAX = 60.0
HOUR = 3600.0
PERSISTENT = 20  # repairs of one item, each in a window of its own, that make a fight if they were within an hour
LULL = 600.0  # seconds without a repair after which a slow fight is over


@dataclass(slots=True)
class _Record:
    first: float
    burst: float = -inf  # when the latest began
    bursts: int = 0
    next_at: float = 0.0
    refused: bool = False


class Fights:
    """Decides for each item whether to mend it now. An item undone again and again is mended ever less often.

    One that is undone more slowly is mended at once for ever; that too is told if it goes on for long.

    Repairs are counted by bursts, so that a flush which races with them is no fight; a burst has an end even if repairs
    go on, so that who never pauses is found out after TOLERATED x BURST.

    Asked from several threads: whoever iterates works on a copy, and nothing minds an item that went meanwhile.
    """

    def __init__(self) -> None:
        self._records: dict[Hashable, _Record] = {}
        self._mended: dict[Hashable, deque[float]] = {}  # never empty ones

    def may_repair(self, item: Hashable, now: float) -> bool:
        """True if `item` should be mended now; False while backing off: `is_due` tells when that is over."""
        record = self._records.get(item)
        if record is None or now - max(record.first, record.next_at) > WINDOW:
            record = self._records[item] = _Record(first=now)
        if now < record.next_at:
            record.refused = True
            return False
        if now - record.burst >= BURST:
            record.burst = now
            record.bursts += 1
            if record.bursts > TOLERATED:
                record.next_at = now + min(2.0 ** (record.bursts - TOLERATED), BACK_OFF_MAX)
        return True

    def is_due(self, now: float) -> bool:
        """True once for every item that was left broken and whose back-off is over: look at all of them again."""
        due = [record for record in list(self._records.values()) if record.refused and record.next_at <= now]
        for record in due:
            record.refused = False
        return bool(due)

    def due_at(self) -> float:
        """When `is_due` can next be True; infinite while nothing is left broken."""
        return min((record.next_at for record in list(self._records.values()) if record.refused), default=inf)

    def mended(self, item: Hashable, now: float) -> None:
        """`item` was not as it should be, and is again. Nothing waits for that: it is told if it goes on for long."""
        moments = self._mended.get(item)
        if moments is None:
            self._mended[item] = deque((now,), maxlen=PERSISTENT)
        elif now - moments[-1] >= WINDOW:
            moments.append(now)

    def fought_over(self, now: float) -> list[Hashable]:
        """Items that another process keeps undoing; those left alone for a window are forgotten, or for a lull."""
        for item in [i for i, r in list(self._records.items()) if now - max(r.first, r.next_at) > WINDOW]:
            self._records.pop(item, None)
        for item in [i for i, moments in list(self._mended.items()) if now - moments[-1] > LULL]:
            self._mended.pop(item, None)
        found = [item for item, record in list(self._records.items()) if record.bursts > TOLERATED]
        found += [item for item, moments in list(self._mended.items()) if _persists(moments, now)]
        return list(dict.fromkeys(found))


def _persists(moments: deque[float], now: float) -> bool:
    return len(moments) == PERSISTENT and now - moments[0] <= HOUR
