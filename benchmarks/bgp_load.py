"""Who talks to whom in the BGP bench, and of what: prefixes shared out among next hops, as numbers and as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SWITCH, SWITCH_ASN = "10.98.0.1", 65001
NODE, NODE_ASN = "10.98.0.2", 65100
LAN_LENGTH = 15
PASSWORD = "s3cret"

FIRST_PREFIX = 20 << 24
PREFIX_LENGTH = 24
FIRST_NEXT_HOP = (10 << 24) + (98 << 16) + (1 << 8)


class Load(NamedTuple):
    """`prefixes` /24s from 20.0.0.0 on; the next hops are hosts of the LAN from 10.98.1.0 on and take turns."""

    prefixes: int
    next_hops: int

    def __str__(self) -> str:
        return f"{self.prefixes:,} routes, {self.next_hops:,} next hops"

    @property
    def most_updates(self) -> int:
        """How many UPDATEs are enough: one for each next hop, and one more for every thousand prefixes."""
        return self.next_hops + self.prefixes // 1000


def routes(load: Load) -> Iterator[tuple[int, int]]:
    """Every prefix and its next hop, both as 32-bit numbers."""
    for number in range(load.prefixes):
        yield _prefix(number), FIRST_NEXT_HOP + number % load.next_hops


def groups(load: Load) -> Iterator[tuple[str, list[str]]]:
    """Every next hop and its prefixes, as text."""
    for hop in range(load.next_hops):
        numbers = range(hop, load.prefixes, load.next_hops)
        yield _text(FIRST_NEXT_HOP + hop), [f"{_text(_prefix(number))}/{PREFIX_LENGTH}" for number in numbers]


def _prefix(number: int) -> int:
    return FIRST_PREFIX + (number << 32 - PREFIX_LENGTH)


def _text(value: int) -> str:
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
