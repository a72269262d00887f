"""What the kernel has now: a strict dump per kind of item (NETLINK_GET_STRICT_CHK: the kernel filters, not we)."""

from __future__ import annotations

from collections.abc import Callable
from errno import ENODEV, ENOENT
from typing import Any

from terway_edge.core.errors import KernelError
from terway_edge.core.plans import FibRoute, Link, LinkAddress, Neighbour, Rule, Where
from terway_edge.core.ports import Dumped
from terway_edge.kernel import decode, links
from terway_edge.kernel.netlink import NetlinkSocket
from terway_edge.kernel.packed import FAMILIES
from terway_edge.kernel.uapi import (
    IFLA_EXT_MASK,
    NDA_IFINDEX,
    RTA_OIF,
    RTA_TABLE,
    RTEXT_FILTER_SKIP_STATS,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    RTM_GETRULE,
)
from terway_edge.kernel.wire import IFADDR, NDMSG, RTMSG, number


def dump(endpoint: NetlinkSocket, kind: type[Dumped], where: Where) -> list[Dumped]:
    """Items of `kind`, those of IPv4 first; `where.netns` is the socket's business. Raises KernelError."""
    return _DUMPS[kind](endpoint, where)


def _families(where: Where) -> list[int]:
    return [where.family] if where.family else [4, 6]


def _routes(endpoint: NetlinkSocket, where: Where) -> list[FibRoute]:
    """Per family, because a strict dump of all families ignores the filters of some."""
    found: list[FibRoute] = []
    for family in _families(where):
        body = RTMSG.pack(FAMILIES[family], 0, 0, 0, 0, where.proto or 0, 0, 0, 0)
        if where.table:
            body += number(RTA_TABLE, where.table)
        if where.link:
            body += number(RTA_OIF, where.link)
        try:
            found += endpoint.dump(RTM_GETROUTE, body, decode.route)
        except KernelError as error:
            # A table without routes does not exist; a link that is gone has none.
            if error.errno not in (ENOENT, ENODEV):
                raise
    return found


def _links(endpoint: NetlinkSocket, where: Where) -> list[Link]:
    if where.link:
        _, found = endpoint.ask(links.get(where.link, endpoint.reserve(1)), decode.link)
        return found
    return endpoint.dump(RTM_GETLINK, links.ANY + number(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS), decode.link)


def _addresses(endpoint: NetlinkSocket, where: Where) -> list[LinkAddress]:
    found: list[LinkAddress] = []
    for family in _families(where):
        body = IFADDR.pack(FAMILIES[family], 0, 0, 0, where.link)
        found += _of_link(endpoint, RTM_GETADDR, body, decode.address)
    return found


def _neighbours(endpoint: NetlinkSocket, where: Where) -> list[Neighbour]:
    found: list[Neighbour] = []
    for family in _families(where):
        body = NDMSG.pack(FAMILIES[family], 0, 0, 0, 0)
        if where.link:
            body += number(NDA_IFINDEX, where.link)
        found += _of_link(endpoint, RTM_GETNEIGH, body, decode.neighbour)
    return found


def _of_link(endpoint: NetlinkSocket, kind: int, body: bytes, read: Callable[[bytes, int, int], Any]) -> list[Any]:
    try:
        return endpoint.dump(kind, body, read)
    except KernelError as error:
        if error.errno == ENODEV:
            return []
        raise


def _rules(endpoint: NetlinkSocket, where: Where) -> list[Rule]:
    """The kernel has no filters for rules."""
    found: list[Rule] = []
    for family in _families(where):
        found += endpoint.dump(RTM_GETRULE, RTMSG.pack(FAMILIES[family], 0, 0, 0, 0, 0, 0, 0, 0), decode.rule)
    return [
        rule
        for rule in found
        if (where.table is None or rule.table == where.table) and (where.proto is None or rule.proto == where.proto)
    ]


_DUMPS: dict[Any, Callable[[NetlinkSocket, Where], list[Any]]] = {
    FibRoute: _routes,
    Link: _links,
    LinkAddress: _addresses,
    Neighbour: _neighbours,
    Rule: _rules,
}
