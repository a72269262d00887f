"""Which link carries pod traffic off this node. Pure; precedence as flannel's options, plus one for edge sites.

1. configured names in order (an address or a link name); 2. configured regular expressions (tried on addresses, then
on names); 3. the link the kernel would use to reach a configured address; 4. the link that owns the configured public
IP; 5. the link of the default route; 6. the link that owns the node's InternalIP, for sites without any default route.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from terway_edge.core.addresses import Address
from terway_edge.core.errors import Refused
from terway_edge.core.models import NodeView, Uplink
from terway_edge.core.plans import FibRoute, Link, LinkAddress, RouteKind
from terway_edge.core.ports import Happening, KernelEvent


@dataclass(frozen=True, slots=True)
class Choice:
    """The operator's wishes; all empty means: take the default."""

    names: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()
    can_reach: Address | None = None
    public_ips: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What the kernel has, as dumped."""

    links: Sequence[Link]
    addresses: Sequence[LinkAddress]
    routes: Sequence[FibRoute]


def choose_uplink(found: Found, choice: Choice, internal_ips: Iterable[Address]) -> Uplink:
    """The link for pod traffic. Raises Refused, saying what was looked for, if there is none."""
    tried: list[str] = []
    for why, candidates in _rules(found, choice, tuple(internal_ips)):
        ifindexes = set(candidates())
        if len(ifindexes) > 1 and why == "default route":
            names = ", ".join(sorted(link.name for link in found.links if link.ifindex in ifindexes))
            raise Refused(f"the IPv4 and IPv6 default routes use different links ({names}); set interface.names")
        for link in found.links:
            if link.ifindex in ifindexes and not link.loopback:
                return _uplink(found, link, why)
        tried.append(why)
    raise Refused(
        "no link to use for pod traffic: " + ", ".join(f"{why}: none" for why in tried) + "; set interface.names"
    )


def may_move_uplink(event: KernelEvent, view: NodeView | None) -> bool:
    """True if the uplink should be looked for again. Nodes have many links that are none of our concern."""
    item = event.item
    if isinstance(item, FibRoute):
        return item.prefix.length == 0
    if event.what in (Happening.RULE_REMOVED, Happening.NEIGHBOUR_REMOVED):
        return False
    if event.what is Happening.OVERRUN or view is None or view.uplink is None:
        return True
    if isinstance(item, Link):
        return item.ifindex == view.uplink.ifindex or item.name == view.uplink.name
    return isinstance(item, LinkAddress) and (item.link == view.uplink.ifindex or item.address in view.node.addresses)


def _rules(
    found: Found, choice: Choice, internal_ips: tuple[Address, ...]
) -> Iterable[tuple[str, Callable[[], Iterable[int]]]]:
    for name in choice.names:
        yield f"interface.names {name}", partial(_by_name, found, name)
    for regex in choice.regexes:
        yield f"interface.regex {regex}", partial(_by_regex, found, regex)
    if choice.names or choice.regexes:
        return  # a wish that nothing fulfils is an error, not a reason to take another link
    if choice.can_reach is not None:
        yield f"interface.can_reach {choice.can_reach}", partial(_towards, found, choice.can_reach)
        return
    if choice.public_ips:
        yield "interface.public_ip", partial(_owning, found, choice.public_ips)
        return
    yield "default route", partial(_defaults, found)
    yield "InternalIP", partial(_owning, found, internal_ips)


def _by_name(found: Found, name: str) -> Iterable[int]:
    owners = [a.link for a in found.addresses if str(a.address) == name]
    return owners or [link.ifindex for link in found.links if link.name == name]


def _by_regex(found: Found, regex: str) -> Iterable[int]:
    pattern = re.compile(regex)
    owners = [a.link for a in found.addresses if pattern.search(str(a.address))]
    return (owners or [link.ifindex for link in found.links if pattern.search(link.name)])[:1]


def _towards(found: Found, target: Address) -> Iterable[int]:
    matches = [r for r in found.routes if r.prefix.contains(target) and r.link and r.kind is RouteKind.UNICAST]
    best = max(matches, key=lambda r: (r.prefix.length, -r.metric), default=None)
    return [best.link] if best is not None else []


def _owning(found: Found, wanted: Iterable[Address]) -> Iterable[int]:
    wanted = set(wanted)
    return [a.link for a in found.addresses if a.address in wanted][:1]


def _defaults(found: Found) -> Iterable[int]:
    best: dict[int, FibRoute] = {}
    for route in found.routes:
        if route.prefix.length == 0 and route.link and route.kind is RouteKind.UNICAST:
            known = best.get(route.prefix.family)
            if known is None or route.metric < known.metric:
                best[route.prefix.family] = route
    return [route.link for route in best.values()]


def _uplink(found: Found, link: Link, why: str) -> Uplink:
    gateways = {
        r.prefix.family: r.via
        for r in sorted(found.routes, key=lambda r: -r.metric)
        if r.prefix.length == 0 and r.link == link.ifindex and r.via is not None
    }
    addresses = tuple((a.address, a.length) for a in found.addresses if a.link == link.ifindex)
    return Uplink(
        link.ifindex, link.name, link.mtu, addresses, tuple(gateways[family] for family in sorted(gateways)), why
    )
