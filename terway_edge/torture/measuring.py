"""Whether the agent keeps what it should give back: over a calm part of a run, in which nothing ends it."""

from __future__ import annotations

import time

from terway_edge.torture.node import TorturedNode
from terway_edge.torture.process import Usage

MEMORY = 1.05
"""Resident memory at the end, of that after the warm-up."""
SPARE = 2
"""Descriptors and threads that may be in use for a moment."""
LIMIT = 10.0  # seconds until what is in use for a moment has gone
POLL = 0.1
MINUTE = 60.0  # seconds
BEGIN, END, MEANWHILE = "begin", "end", "meanwhile"


class Meter:
    def __init__(self, node: TorturedNode) -> None:
        self._node = node
        self._begin: tuple[int, Usage] | None = None
        self._since = self._last = 0.0

    @property
    def is_measuring(self) -> bool:
        """Whether a calm part has begun and not ended."""
        return self._begin is not None

    @property
    def is_due(self) -> bool:
        """Whether a calm part has gone on for a minute since it was measured."""
        return self.is_measuring and time.monotonic() - self._last > MINUTE

    def measure(self, when: str, measured: list[str]) -> list[str]:
        """Complaints; `measured` gets a line, but at the begin of a calm part."""
        agent = self._node.agent
        self._last = time.monotonic()
        if when == BEGIN:
            self._begin, self._since = (agent.pid, agent.usage()), self._last
            return self._namespaces()
        begin = self._begin
        if when == END:
            self._begin = None
        if begin is None or begin[0] != agent.pid:
            return ["the agent was replaced in a calm part"]
        now = self._settled(begin[1])
        measured.append(f"{_text(begin[1], now)} in {self._last - self._since:.0f} s of calm")
        return leaks(begin[1], now) + self._namespaces()

    def _settled(self, begin: Usage) -> Usage:
        """What is in use when what was for a moment is not any more."""
        deadline = time.monotonic() + LIMIT
        while leaks(begin, now := self._node.agent.usage()) and time.monotonic() < deadline:
            time.sleep(POLL)
        return now

    def _namespaces(self) -> list[str]:
        """Whether pods' namespaces are those of the books, or else the torture itself is wrong."""
        found = self._node.namespaces() ^ self._node.books.namespaces()
        return [f"namespaces {', '.join(sorted(found))} are where they should not be, or are not"] if found else []


def leaks(begin: Usage, now: Usage) -> list[str]:
    """What is more than it was, and more than chance."""
    complaints = []
    if now.descriptors > begin.descriptors + SPARE or now.threads > begin.threads + SPARE:
        complaints.append(f"descriptors or threads are not given back: {_text(begin, now)}")
    if now.netlink > now.threads:
        complaints.append(f"{now.netlink} netlink sockets for {now.threads} threads, each of which needs one at most")
    if now.memory > MEMORY * begin.memory:
        complaints.append(f"memory grows by more than {MEMORY - 1:.0%}: {_text(begin, now)}")
    return complaints


def _text(begin: Usage, now: Usage) -> str:
    return (
        f"{begin.descriptors} -> {now.descriptors} descriptors and {begin.netlink} -> {now.netlink} netlink sockets, "
        f"{begin.threads} -> {now.threads} threads, "
        f"{begin.memory / 1024:.1f} -> {now.memory / 1024:.1f} MiB"
    )
