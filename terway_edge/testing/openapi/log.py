"""Which calls came, for assertions. Signatures, tokens and secrets are not kept."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import NamedTuple

LONGEST = 100_000


class CallRecord(NamedTuple):
    """`at` in seconds of the emulator's clock; `code` is empty for success; `identity` of a refused caller too."""

    at: float
    product: str
    action: str
    parameters: Mapping[str, str]
    identity: str
    status: int
    code: str
    request_id: str
    faults: tuple[str, ...]
    dropped: bool

    @property
    def name(self) -> str:
        return f"{self.product}:{self.action}"


class CallLog:
    """The newest calls, oldest first, and counters of all."""

    def __init__(self) -> None:
        self._records: deque[CallRecord] = deque(maxlen=LONGEST)
        self.counts: Counter[str] = Counter()
        """Calls by `product:Action`."""

    def add(self, record: CallRecord) -> None:
        self._records.append(record)
        self.counts[record.name] += 1

    def calls(self, action: str = "", *, since: float = 0.0) -> list[CallRecord]:
        """:param action: `Action` or `product:Action`; empty means all"""
        return [each for each in tuple(self._records) if each.at >= since and action in ("", each.action, each.name)]

    @property
    def total(self) -> int:
        return self.counts.total()

    def clear(self) -> None:
        self._records.clear()
        self.counts.clear()
