"""Whether a route's next hop is acceptable, and by which link it is reached.

The checks of `fib_check_nh` (IPv4, net/ipv4/fib_semantics.c) and `fib6_nh_init` (IPv6, net/ipv6/route.c), with the
errno that each family gives.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import MAIN, FibRoute, RouteKind

if TYPE_CHECKING:
    from terway_edge.testing.fake_netns import FakeNetns

LINK_LOCAL = Prefix.parse("fe80::/10")


def resolved(netns: FakeNetns, route: FibRoute) -> FibRoute:
    """The route with its link filled in. Raises OSError."""
    if route.kind is RouteKind.UNREACHABLE:
        return route
    if route.via is not None and not route.onlink:
        route = route._replace(link=_link_towards(netns, route, route.via))
    if not netns.link(route.link).up:
        raise OSError(errno.ENETDOWN, "the next hop's link is not up")
    if route.onlink and route.via is not None:
        _check_onlink(netns, route, route.via)
    if route.src is not None and not netns.is_local(route.src):
        raise OSError(errno.EINVAL, f"source {route.src} is not a local address")
    return route


def _check_onlink(netns: FakeNetns, route: FibRoute, via: Address) -> None:
    """The host's own addresses are no gateways, on whichever link; IPv6 also refuses one that the main table knows,
    by more than a default route, to be on another link."""
    if any(own.address == via for own in netns.addresses):
        raise OSError(errno.EINVAL, f"gateway {via} is a local address")
    if via.family == 6:
        known = netns.fib.lookup(MAIN, via, lambda _: True)
        if known and known.prefix.length and known.kind is RouteKind.UNICAST and known.link != route.link:
            raise OSError(errno.EINVAL, f"gateway {via} is on another link")


def _link_towards(netns: FakeNetns, route: FibRoute, via: Address) -> int:
    """The link on which a gateway is reached directly."""
    own = next((a.link for a in netns.addresses if a.address == via), 0)
    if via.family == 4:
        if own and route.link in (0, own):
            return own
        # Routes that need a gateway themselves are passed over: a shorter, direct one may still do.
        found = _lookup(netns, route, via, _direct)
        if found is None:
            raise OSError(errno.ENETUNREACH, f"gateway {via} is not on-link")
        return found.link
    if route.link:
        netns.link(route.link)
    if own:
        raise OSError(errno.EINVAL, f"gateway {via} is a local address")
    if LINK_LOCAL.contains(via):
        if not route.link:
            raise OSError(errno.EINVAL, f"gateway {via} is link-local and no link is given")
        return route.link
    found = _lookup(netns, route, via, lambda _: True)
    if found is None or not _direct(found):
        raise OSError(errno.EHOSTUNREACH, f"gateway {via} is not on-link")
    return found.link


def _direct(route: FibRoute) -> bool:
    return route.via is None and route.kind is RouteKind.UNICAST


def _lookup(netns: FakeNetns, route: FibRoute, via: Address, accept: Callable[[FibRoute], bool]) -> FibRoute | None:
    """Look a gateway up in the route's own table first, then in the main one; a link that is given must match."""

    def usable(candidate: FibRoute) -> bool:
        return accept(candidate) and route.link in (0, candidate.link)

    return netns.fib.lookup(route.table, via, usable) or netns.fib.lookup(MAIN, via, usable)
