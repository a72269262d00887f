"""The link group of links on their way out.

A link is put into it before this process deletes it: many links of a group are deleted at the cost of one, and
whoever sees notifications about a link in it knows that it goes by our own hand.
"""

from __future__ import annotations

import secrets


class Departing:
    """`group` is the number in use, `groups` every number used so far. Numbers are random per process."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.renew()

    def renew(self) -> None:
        """Take another number, because somebody else uses this one; 0 is the group of links that were given none."""
        self.group = secrets.randbelow((1 << 31) - 1) + 1
        self.groups.add(self.group)
