"""What a notification means: a `KernelEvent`, or nothing because it is our own doing.

Most of our own doing never comes here (`filter.py`). Notifications carry the port id of the socket that asked for the
change, so ours are known. Some have no sender: those of links, and of what goes with a link. There our own plugging
and unplugging is told from a stranger's doing by what the link is: a link of ours (name and alias prove it) matters
only once it is down, deleted or has another MAC, without being on its way out by our own hand.

The kernel drops IPv4 routes without a word when a link goes down or loses an address: LINK_CHANGED and
ADDRESS_CHANGED are the only notice there is of that.
"""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.core.names import has_link_name, is_own_link, key_of_alias, link_macs
from terway_edge.core.plans import Link
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.kernel import decode
from terway_edge.kernel.departing import Departing
from terway_edge.kernel.uapi import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNETCONF,
    RTM_NEWROUTE,
    RTPROT_KERNEL,
)


class Interpreter:
    """Remembers links, because a notification does not say what was before."""

    def __init__(self, departing: Departing) -> None:
        self._departing = departing
        self._links: dict[int, Link] = {}

    def see(self, links: Iterable[Link]) -> None:
        """Forget everything and start from a dump."""
        self._links = {link.ifindex: link for link in links}

    def event(self, kind: int, data: bytes, start: int, end: int, own: bool) -> KernelEvent | None:
        """Interpret one message whose payload is `data[start:end]`; `own` if its sender is one of our sockets."""
        if kind in (RTM_NEWROUTE, RTM_DELROUTE):
            return None if own else self._route(kind, data, start, end)
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            return self._link(kind, decode.link(data, start, end), own)
        if kind == RTM_DELNEIGH:
            return self._neighbour(data, start, end)
        if kind == RTM_NEWNETCONF:
            return self._setting(data, start, end)
        if own:
            return None
        if kind in (RTM_NEWADDR, RTM_DELADDR):
            return self._address(data, start, end)
        if kind == RTM_DELRULE and (rule := decode.rule(data, start, end)):
            return KernelEvent(Happening.RULE_REMOVED, rule)
        return None

    def _route(self, kind: int, data: bytes, start: int, end: int) -> KernelEvent | None:
        """Routes that the kernel makes itself come and go with addresses and links: those are told instead."""
        route = decode.route(data, start, end)
        if route is None or route.proto == RTPROT_KERNEL or route.link in self._departing:
            return None
        return KernelEvent(Happening.ROUTE_ADDED if kind == RTM_NEWROUTE else Happening.ROUTE_REMOVED, route)

    def _link(self, kind: int, link: Link, own: bool) -> KernelEvent | None:
        if _is_ours(link):
            is_hit = kind == RTM_DELLINK or not link.up or _has_another_mac(link)
            matters = bool(link.alias) and is_hit and link.ifindex not in self._departing
            return KernelEvent(Happening.LINK_CHANGED, link) if matters and not own else None
        before = self._links.get(link.ifindex)
        if kind == RTM_DELLINK:
            self._links.pop(link.ifindex, None)
        else:
            self._links[link.ifindex] = link
        happened = kind == RTM_DELLINK or before is None or _told(before) != _told(link)
        return KernelEvent(Happening.LINK_CHANGED, link) if happened and not own else None

    def _address(self, data: bytes, start: int, end: int) -> KernelEvent | None:
        address = decode.address(data, start, end)
        return KernelEvent(Happening.ADDRESS_CHANGED, address) if address else None

    def _setting(self, data: bytes, start: int, end: int) -> KernelEvent | None:
        """Who changed it the kernel does not say; what pods need is never told by the filter."""
        setting = decode.setting(data, start, end)
        return KernelEvent(Happening.SETTING_CHANGED, setting) if setting else None

    def _neighbour(self, data: bytes, start: int, end: int) -> KernelEvent | None:
        """The kernel names neither who removed an entry nor what MAC it had."""
        entry = decode.any_neighbour(data, start, end)
        if entry is None or entry.link in self._departing:
            return None
        return KernelEvent(Happening.NEIGHBOUR_REMOVED, entry._replace(mac=b""))


def _is_ours(link: Link) -> bool:
    """A veth with our kind of name and no alias yet is one that is just being made."""
    unnamed = link.kind == "veth" and not link.alias and has_link_name(link.name)
    return unnamed or is_own_link(link.name, link.alias)


def _has_another_mac(link: Link) -> bool:
    key = key_of_alias(link.alias)
    return key is not None and link.mac != link_macs(key)[0]


def _told(link: Link) -> tuple[str, bytes, int, bool, bool]:
    return link.name, link.mac, link.mtu, link.up, link.carrier
