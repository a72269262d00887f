"""Where a CIDR is free among thousands that are taken. Pure."""

from __future__ import annotations

import ipaddress
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from terway_edge.core.addresses import BITS, Prefix
from terway_edge.core.planner.capacity import EdgeRange

Span = tuple[int, int]
"""First and last address of one family."""


def merged(prefixes: Iterable[Prefix], family: int) -> list[Span]:
    """What they take together, as spans in order that neither overlap nor touch."""
    spans: list[Span] = []
    for first, last in sorted((each.first, each.last) for each in prefixes if each.family == family):
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = spans[-1][0], max(spans[-1][1], last)
        else:
            spans.append((first, last))
    return spans


def first_free(within: EdgeRange, taken: Sequence[Span], start: int) -> Prefix | None:
    """The lowest CIDR of the range's length for one node, at or after `start`.

    :param taken: spans in order that do not overlap
    """
    size = 1 << BITS[within.prefix.family] - within.node_length
    at = _aligned(start, size)
    index = bisect_left(taken, at, key=lambda span: span[1])
    while at + size <= within.prefix.last + 1:
        if index == len(taken) or taken[index][0] >= at + size:
            return Prefix(within.prefix.family, at, within.node_length)
        at = _aligned(taken[index][1] + 1, size)
        index += 1
    return None


def read_cidr(text: str) -> Prefix:
    """As the API server takes it, which lets host bits be set. Raises ValueError."""
    network = ipaddress.ip_network(text, strict=False)
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def _aligned(at: int, size: int) -> int:
    return -(-at // size) * size
