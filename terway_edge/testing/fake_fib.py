"""Routes of one namespace, ordered and looked up as Linux does (fib_trie.c for IPv4, ip6_fib.c for IPv6)."""

from __future__ import annotations

import errno
from bisect import insort_right
from collections.abc import Callable, Iterator

from terway_edge.core.addresses import BITS, Address, Prefix
from terway_edge.core.plans import FibRoute

DEFAULT_METRIC = {4: 0, 6: 1024}  # IP6_RT_PRIO_USER
Accept = Callable[[FibRoute], bool]


def weight(route: FibRoute) -> int:
    """The metric as the kernel compares it."""
    return route.metric or DEFAULT_METRIC[route.prefix.family]


def canonical(route: FibRoute) -> FibRoute:
    """As a dump shows it: the family's default metric is 0."""
    return route._replace(metric=0) if weight(route) == DEFAULT_METRIC[route.prefix.family] else route


class Fib:
    """All tables of both families. Raises OSError with the errno of the kernel."""

    def __init__(self) -> None:
        self._routes: dict[tuple[int, Prefix], list[FibRoute]] = {}
        self._lengths: dict[tuple[int, int], set[int]] = {}

    def __iter__(self) -> Iterator[FibRoute]:
        for routes in self._routes.values():
            yield from routes

    def add(self, route: FibRoute) -> None:
        """EEXIST if prefix, table and metric are taken, whatever the next hop."""
        if any(weight(other) == weight(route) for other in self._same_prefix(route)):
            raise OSError(errno.EEXIST, "a route with this prefix, table and metric exists")
        self.append(route)

    def replace(self, route: FibRoute) -> None:
        """Overwrite the first route of equal prefix, table and metric, even somebody else's."""
        routes = self._same_prefix(route)
        for position, other in enumerate(routes):
            if weight(other) == weight(route):
                routes[position] = route
                return
        self.append(route)

    def append(self, route: FibRoute) -> None:
        """Behind all routes of equal prefix, table and metric: connected routes come in this way."""
        insort_right(self._same_prefix(route), route, key=weight)
        self._lengths.setdefault((route.table, route.prefix.family), set()).add(route.prefix.length)

    def remove(self, pattern: FibRoute) -> FibRoute | None:
        """Take out the first route that fits the pattern (see `_fits`), or return None."""
        routes = self._routes.get((pattern.table, pattern.prefix), [])
        for position, route in enumerate(routes):
            if _fits(route, pattern):
                del routes[position]
                return route
        return None

    def discard(self, condition: Accept) -> list[FibRoute]:
        """Take out every route that meets the condition."""
        gone = [route for route in self if condition(route)]
        for route in gone:
            self._routes[route.table, route.prefix].remove(route)
        return gone

    def lookup(self, table: int, address: Address, accept: Accept) -> FibRoute | None:
        """Longest prefix, then lowest metric, among the acceptable routes of one table."""
        family, bits = address.family, BITS[address.family]
        for length in sorted(self._lengths.get((table, family), ()), reverse=True):
            prefix = Prefix(family, address.value >> (bits - length) << (bits - length), length)
            for route in self._routes.get((table, prefix), ()):
                if accept(route):
                    return route
        return None

    def _same_prefix(self, route: FibRoute) -> list[FibRoute]:
        return self._routes.setdefault((route.table, route.prefix), [])


def _fits(route: FibRoute, pattern: FibRoute) -> bool:
    """What a removal compares. Empty fields match anything, and so does metric 0 in IPv4 (the lowest goes first);
    IPv6 ignores kind and src."""
    ipv4 = pattern.prefix.family == 4
    return (
        route.proto == pattern.proto
        and (weight(route) == weight(pattern) or (ipv4 and not pattern.metric))
        and (not pattern.link or route.link == pattern.link)
        and (pattern.via is None or route.via == pattern.via)
        and (not ipv4 or route.kind == pattern.kind)
        and (not ipv4 or pattern.src is None or route.src == pattern.src)
    )
