"""The sysctls of the node that somebody of ours wants, so that what others change of them can be put right."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from terway_edge.core.plans import Sysctl


class NodeSettings:
    """By who wants them, each of whom says all that it wants, every time.

    Asked from several threads: whoever iterates works on a copy.
    """

    def __init__(self) -> None:
        self._wanted: dict[Hashable, tuple[Sysctl, ...]] = {}

    def want(self, owner: Hashable, sysctls: Iterable[Sysctl]) -> None:
        """These, and nothing else of what `owner` wanted before; they are written by who keeps an eye on them."""
        self._wanted[owner] = tuple(sysctls)

    def drop(self, owner: Hashable) -> None:
        """It wants nothing any more."""
        self._wanted.pop(owner, None)

    def of(self, owner: Hashable) -> tuple[Sysctl, ...]:
        return self._wanted.get(owner, ())

    def all(self) -> list[Sysctl]:
        """Each once, in the order in which they were wanted."""
        return list(dict.fromkeys(sysctl for wanted in list(self._wanted.values()) for sysctl in wanted))
