"""Fewer prefixes that hold the same addresses: what nodes are given one after another lies side by side. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from terway_edge.core.addresses import BITS, Address, Prefix


def merged(prefixes: Iterable[Prefix], hosts: Iterable[Address] = ()) -> tuple[Prefix, ...]:
    """The fewest prefixes that hold exactly the addresses of these prefixes and these hosts, in order. O(n)."""
    networks: dict[tuple[int, int], set[int]] = defaultdict(set)
    for family, value, length in prefixes:
        networks[family, length].add(value)
    for family, value in hosts:
        networks[family, BITS[family]].add(value)
    return tuple(_outermost(sorted(prefix for family in BITS for prefix in _joined(family, networks))))


def _joined(family: int, networks: dict[tuple[int, int], set[int]]) -> Iterator[Prefix]:
    """Halves become a whole, and that may be half of another one."""
    bits = BITS[family]
    for length in range(bits, -1, -1):
        values = networks.get((family, length))
        if not values:
            continue
        half = 1 << bits - length
        if length:
            upper = {value for value in values if value & half and value ^ half in values}
            lower = {value ^ half for value in upper}
            values -= upper
            values -= lower
            networks[family, length - 1] |= lower
        for value in values:
            yield Prefix(family, value, length)


def _outermost(ordered: Iterable[Prefix]) -> Iterator[Prefix]:
    last: Prefix | None = None
    for prefix in ordered:
        if last is None or not last.covers(prefix):
            yield prefix
            last = prefix
