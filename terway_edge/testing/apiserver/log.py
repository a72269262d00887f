"""Which requests came, for assertions. Tokens and the bodies of Secrets are not kept."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from terway_edge.testing.apiserver.call import Call, Target

LONGEST = 100_000


class CallRecord(NamedTuple):
    """`at` in seconds of a monotonic clock; `reason` of the Status is empty for success; `user` of a refused one too.

    `unknown` are query parameters that a server ignores.
    """

    at: float
    call: Call
    target: Target
    user: str
    status: int
    reason: str
    faults: tuple[str, ...]
    dropped: bool
    unknown: tuple[str, ...]

    @property
    def name(self) -> str:
        """`list nodes`, `patch bgppeers/status`, `get /version`."""
        return f"{self.target.verb} {self.target.resource or self.target.path}"


class CallLog:
    """The newest requests, oldest first. Watches are entered when they begin."""

    def __init__(self) -> None:
        self._records: deque[CallRecord] = deque(maxlen=LONGEST)
        self._changed = threading.Condition()

    def add(self, record: CallRecord) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def calls(self, name: str = "", *, since: float = 0.0) -> list[CallRecord]:
        """:param name: as of CallRecord.name; empty means all"""
        return [each for each in tuple(self._records) if each.at >= since and name in ("", each.name)]

    def wait(self, name: str, count: int = 1, *, timeout: float = 10.0) -> list[CallRecord]:
        """Until so many have come. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.calls(name)) >= count, timeout):
                raise TimeoutError(f"{len(self.calls(name))} requests {name!r}, not {count}")
            return self.calls(name)

    @property
    def uses(self) -> set[tuple[str, str, str, str, str]]:
        """What was done with success: verb, group, resource, namespace, name; to compare with the rules of a role."""
        return {
            (each.target.verb, each.target.group, each.target.resource, each.target.namespace, each.target.name)
            for each in tuple(self._records)
            if each.target.plural and each.status < 400
        }

    def clear(self) -> None:
        self._records.clear()
