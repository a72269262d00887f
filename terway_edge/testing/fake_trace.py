"""Following one packet through the namespaces of a FakeKernel."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from terway_edge.core.addresses import Address
from terway_edge.core.plans import FibRoute, RouteKind
from terway_edge.testing.fake_links import FakeLink
from terway_edge.testing.fake_netns import FakeNetns

MAX_HOPS = 8


class Fate(StrEnum):
    """What became of a packet. LEFT: it went out by a link that has no other end here, such as an uplink."""

    ARRIVED = "arrived"
    LEFT = "left"
    LOST = "lost"


class Trace(NamedTuple):
    """One line per hop; the last one tells why the packet was lost, if it was."""

    fate: Fate
    hops: tuple[str, ...]

    @property
    def arrived(self) -> bool:
        return self.fate is Fate.ARRIVED


def follow(netns: FakeNetns, to: Address) -> Trace:
    """From a namespace, with its first own address as source, by rules, routes and neighbour entries.

    Honours forwarding, link state and MACs. Knows no reverse path filter, no ARP towards an uplink and no nftables.
    """
    source = next((a.address for a in netns.addresses if a.address.family == to.family and a.link != 1), None)
    came_by: FakeLink | None = None
    hops: list[str] = []
    for _ in range(MAX_HOPS):
        where = netns.path or "host"
        if netns.is_local(to):
            return Trace(Fate.ARRIVED, (*hops, f"{where}: {to} is here"))
        if came_by is not None and not _forwards(netns, came_by, to.family):
            return Trace(Fate.LOST, (*hops, f"{where}: does not forward IPv{to.family} from {came_by.name}"))
        route = netns.lookup(to, source)
        trouble = _trouble(netns, route, to)
        if route is None or trouble:
            return Trace(Fate.LOST, (*hops, f"{where}: {trouble}"))
        link = netns.link(route.link)
        hops.append(f"{where}: {route.prefix} via {route.via or 'link'} dev {link.name}")
        if link.peer is None:
            return Trace(Fate.LEFT, tuple(hops))
        came_by, netns = link.peer, link.peer.netns
    return Trace(Fate.LOST, (*hops, "the packet goes round in circles"))


def _trouble(netns: FakeNetns, route: FibRoute | None, to: Address) -> str:
    """Why a packet cannot take this route, or an empty string."""
    if route is None or route.kind is RouteKind.UNREACHABLE:
        return f"no route to {to}" if route is None else f"{route.prefix} is unreachable"
    link = netns.link(route.link)
    if not link.carrier:
        return f"{link.name} has no carrier"
    if link.peer is None:
        return ""
    next_hop = route.via or to
    entry = netns.neighbours.get((link.ifindex, next_hop))
    if entry is None and not link.peer.netns.is_local(next_hop):
        return f"nobody answers for {next_hop} on {link.name}"
    if entry is not None and entry.mac != link.peer.mac:
        return f"the neighbour entry of {next_hop} names {entry.mac.hex(':')}, not {link.peer.mac.hex(':')}"
    return ""


def _forwards(netns: FakeNetns, link: FakeLink, family: int) -> bool:
    """IPv4 forwarding is decided by the link a packet comes in by, IPv6 forwarding by `all` (ip-sysctl.rst)."""
    name = link.name if family == 4 else "all"
    return netns.sysctl(f"ipv{family}/conf/{name}/forwarding") == "1"
