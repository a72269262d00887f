"""Links on their way out by our own hand.

A link is put into the link group before it is deleted, because many links of a group are deleted at the cost of one.
Its index is remembered, so that notifications about what goes with it are not taken for a stranger's doing.
"""

from __future__ import annotations

import secrets

REMEMBERED = 1024  # links: four times a node's pods; notifications come within milliseconds


class Departing:
    """`group` is the number in use, random per process. `links` may be asked by one thread while others add to it."""

    def __init__(self) -> None:
        self._links: dict[int, None] = {}
        self.renew()

    def renew(self) -> None:
        """Take another number, because somebody else uses this one; 0 is the group of links that were given none."""
        self.group = secrets.randbelow((1 << 31) - 1) + 1

    def add(self, ifindex: int) -> None:
        self._links[ifindex] = None
        if len(self._links) > REMEMBERED:
            self._links.pop(next(iter(self._links)), None)

    def __contains__(self, ifindex: int) -> bool:
        return ifindex in self._links
