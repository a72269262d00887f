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


class Meter:
    def __init__(self, node: TorturedNode) -> None:
        self._node = node
        self._begin: tuple[int, Usage] | None = None

    @property
    def is_measuring(self) -> bool:
        """Whether a calm part has begun and not ended."""
        return self._begin is not None

    def measure(self, when: str, growth: list[str]) -> list[str]:
        """Complaints; at the end of a calm part `growth` gets a line."""
        agent = self._node.agent
        if when == "begin":
            self._begin = agent.pid, agent.usage()
            return self._namespaces()
        begin, self._begin = self._begin, None
        if begin is None or begin[0] != agent.pid:
            return ["the agent was replaced in a calm part"]
        deadline = time.monotonic() + LIMIT
        while complaints := leaks(begin[1], now := agent.usage()):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL)
        growth.append(_text(begin[1], now))
        return complaints + self._namespaces()

    def _namespaces(self) -> list[str]:
        """Whether pods' namespaces are those of the books, or else the torture itself is wrong."""
        found = self._node.namespaces() ^ self._node.books.namespaces()
        return [f"namespaces {', '.join(sorted(found))} are where they should not be, or are not"] if found else []


def leaks(begin: Usage, now: Usage) -> list[str]:
    """What is more than it was, and more than chance."""
    complaints = []
    if now.descriptors > begin.descriptors + SPARE or now.threads > begin.threads + SPARE:
        complaints.append(f"descriptors or threads are not given back: {_text(begin, now)}")
    if now.memory > MEMORY * begin.memory:
        complaints.append(f"memory grows by more than {MEMORY - 1:.0%}: {_text(begin, now)}")
    return complaints


def _text(begin: Usage, now: Usage) -> str:
    return (
        f"{begin.descriptors} -> {now.descriptors} descriptors, {begin.threads} -> {now.threads} threads, "
        f"{begin.memory / 1024:.1f} -> {now.memory / 1024:.1f} MiB"
    )
