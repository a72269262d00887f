"""Netlink messages of the kernel as plan items: the reverse of `packed`.

Each function reads one message's payload, `data[start:end]`, and returns None for what the core's tuple cannot say:
routes that are not unicast or unreachable (local, broadcast, multicast, blackhole, ...), cached routes, routes for a
type of service or from some sources only, rules with other selectors than prefixes or with bits beyond a prefix, which
the kernel keeps, neighbours that are not permanent. What is returned therefore encodes to the same thing.
Exceptions are routes of somebody else, which are shown so that they are not missed: a multipath route with its first
next hop, without what the kernel encapsulates packets in. With our mark it has its last, which is not ours: IPv6 adds
the next hop of others' equal route to our route.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from socket import AF_INET, AF_INET6
from struct import Struct

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import PROTO, FibRoute, Link, LinkAddress, Neighbour, RouteKind, Rule, Setting
from terway_edge.kernel.uapi import (
    FR_ACT_TO_TBL,
    FRA_DST,
    FRA_PAD,
    FRA_PRIORITY,
    FRA_PROTOCOL,
    FRA_SRC,
    FRA_SUPPRESS_PREFIXLEN,
    FRA_TABLE,
    IF_OPER_UP,
    IFA_ADDRESS,
    IFA_LOCAL,
    IFF_LOOPBACK,
    IFF_LOWER_UP,
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_GROUP,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_OPERSTATE,
    IP6_RT_PRIO_USER,
    NDA_DST,
    NDA_LLADDR,
    NETCONFA_FORWARDING,
    NETCONFA_IFINDEX,
    NETCONFA_IFINDEX_ALL,
    NETCONFA_RP_FILTER,
    NUD_PERMANENT,
    RTA_DST,
    RTA_GATEWAY,
    RTA_MULTIPATH,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTA_VIA,
    RTM_F_CLONED,
    RTN_LOCAL,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTNH_F_ONLINK,
)
from terway_edge.kernel.wire import IFADDR, IFINFO, NDMSG, RTMSG, U32, attributes, chosen, string

FAMILIES = {AF_INET.value: 4, AF_INET6.value: 6}
_KINDS = {RTN_UNICAST: RouteKind.UNICAST, RTN_UNREACHABLE: RouteKind.UNREACHABLE}
_RULE_ATTRIBUTES = {FRA_DST, FRA_SRC, FRA_PRIORITY, FRA_TABLE, FRA_PROTOCOL, FRA_PAD}
_SETTINGS = {NETCONFA_FORWARDING: "forwarding", NETCONFA_RP_FILTER: "rp_filter"}
_NO_SUPPRESSION = b"\xff" * 4
_ATTRIBUTE = Struct("=HHI")  # length, type, first word of the payload: no route attribute is shorter
_NEXT_HOP = Struct("=HBBI")  # rtnexthop: length, flags, hops, index; attributes follow

_tuple = tuple.__new__
_address = lru_cache(maxsize=4096)(Address.unpack)


def route(data: bytes, start: int, end: int) -> FibRoute | None:
    """Written for speed: a hundred thousand routes are dumped in half a second. Tuples are made without their
    constructors, next hops are shared, and no attribute is copied that need not be."""
    family, length, src_length, tos, table, proto, _, kind_number, flags = RTMSG.unpack_from(data, start)
    kind = _KINDS.get(kind_number)
    if kind is None or src_length or tos or flags & RTM_F_CLONED or family not in FAMILIES:
        return None
    value = link = metric = 0
    via = src = None
    at = start + 12
    while at < end:
        size, name, word = _ATTRIBUTE.unpack_from(data, at)
        if name == RTA_TABLE:
            table = word
        elif name == RTA_DST:
            value = int.from_bytes(data[at + 4 : at + size], "big")
        elif name == RTA_GATEWAY:
            via = _address(data[at + 4 : at + size])
        elif name == RTA_OIF:
            link = word
        elif name == RTA_PRIORITY:
            metric = word
        elif name == RTA_PREFSRC:
            src = _address(data[at + 4 : at + size])
        elif name == RTA_VIA:
            via = _address(data[at + 6 : at + size])
        elif name == RTA_MULTIPATH:
            hops = list(_hops(data[at + 4 : at + size]))
            via, link, flags = hops[-1 if proto == PROTO else 0]
        at += size + 3 & ~3
    family = FAMILIES[family]
    if family == 6:
        if metric == IP6_RT_PRIO_USER:
            metric = 0
        if kind is RouteKind.UNREACHABLE:
            link = 0  # the kernel names lo, which nobody asked for
    prefix = _tuple(Prefix, (family, value, length))
    return _tuple(FibRoute, (prefix, via, link, flags & RTNH_F_ONLINK != 0, kind, metric, table, proto, src))


def _hops(payload: bytes) -> Iterator[tuple[Address | None, int, int]]:
    """(gateway, link, flags) of each rtnexthop."""
    at = 0
    while at < len(payload):
        size, flags, _, link = _NEXT_HOP.unpack_from(payload, at)
        found = dict(attributes(payload, at + 8, at + size))
        via = found.get(RTA_GATEWAY) or found.get(RTA_VIA, b"")[2:]
        yield (Address.unpack(via) if via else None), link, flags
        at += size + 3 & ~3


_LINK = frozenset((IFLA_IFNAME, IFLA_ADDRESS, IFLA_MTU, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_GROUP))


def link(data: bytes, start: int, end: int) -> Link:
    _, _, index, flags, _ = IFINFO.unpack_from(data, start)
    found = chosen(data, start + IFINFO.size, end, _LINK)
    info = found.get(IFLA_LINKINFO, b"")
    kind = dict(attributes(info, 0, len(info))).get(IFLA_INFO_KIND, b"")
    return Link(
        index,
        string(found.get(IFLA_IFNAME, b"")),
        found.get(IFLA_ADDRESS, b""),
        _number(found.get(IFLA_MTU)),
        bool(flags & IFF_UP),
        bool(flags & IFF_LOWER_UP),  # IFF_RUNNING follows it with a delay
        string(kind),
        string(found.get(IFLA_IFALIAS, b"")),
        _number(found.get(IFLA_GROUP)),
        bool(flags & IFF_LOOPBACK),
    )


def is_late(data: bytes, start: int, end: int) -> bool:
    """Whether a link's operational state (RFC 2863) has not followed its carrier yet."""
    if not IFINFO.unpack_from(data, start)[3] & IFF_LOWER_UP:
        return False
    found = attributes(data, start + IFINFO.size, end)
    return next((payload[0] != IF_OPER_UP for kind, payload in found if kind == IFLA_OPERSTATE), False)


def leads_away(data: bytes, start: int, end: int) -> bool:
    """Whether the route to an address, as the kernel found it, is not a local one."""
    return bool(RTMSG.unpack_from(data, start)[7] != RTN_LOCAL)


def address(data: bytes, start: int, end: int) -> LinkAddress | None:
    family, length, _, _, index = IFADDR.unpack_from(data, start)
    if family not in FAMILIES:
        return None
    found = dict(attributes(data, start + 8, end))
    packed = found.get(IFA_LOCAL) or found[IFA_ADDRESS]  # IFA_ADDRESS is the other end of a point-to-point link
    return LinkAddress(index, Address.unpack(packed), length)


def neighbour(data: bytes, start: int, end: int) -> Neighbour | None:
    if NDMSG.unpack_from(data, start)[2] != NUD_PERMANENT:
        return None
    return any_neighbour(data, start, end)


def any_neighbour(data: bytes, start: int, end: int) -> Neighbour | None:
    """An entry of any state; its MAC is empty if it is not known."""
    family, index, *_ = NDMSG.unpack_from(data, start)
    found = dict(attributes(data, start + 12, end))
    if family not in FAMILIES or NDA_DST not in found:
        return None
    return Neighbour(index, Address.unpack(found[NDA_DST]), found.get(NDA_LLADDR, b""))


def setting(data: bytes, start: int, end: int) -> Setting | None:
    """A change of forwarding or rp_filter; None for what a new link has, which is told all at once, and for `default`,
    which concerns links that are yet to come."""
    found = dict(attributes(data, start + 4, end))
    link = int.from_bytes(found[NETCONFA_IFINDEX], sys.byteorder, signed=True)
    keys = [key for key in _SETTINGS if key in found]
    if data[start] not in FAMILIES or len(keys) != 1 or link < NETCONFA_IFINDEX_ALL:
        return None
    return Setting(max(link, 0), FAMILIES[data[start]], _SETTINGS[keys[0]], _number(found[keys[0]]))


def rule(data: bytes, start: int, end: int) -> Rule | None:
    family, dst_length, src_length, tos, table, _, _, action, flags = RTMSG.unpack_from(data, start)
    found = dict(attributes(data, start + 12, end))
    if found.get(FRA_SUPPRESS_PREFIXLEN) == _NO_SUPPRESSION:
        del found[FRA_SUPPRESS_PREFIXLEN]
    if family not in FAMILIES or action != FR_ACT_TO_TBL or tos or flags or found.keys() - _RULE_ATTRIBUTES:
        return None
    family = FAMILIES[family]
    src, dst = _prefix(family, found.get(FRA_SRC), src_length), _prefix(family, found.get(FRA_DST), dst_length)
    if any(prefix and prefix.value % prefix.size for prefix in (src, dst)):
        return None
    priority, table = _number(found.get(FRA_PRIORITY)), _number(found.get(FRA_TABLE)) or table
    return Rule(priority, table, src, dst, family, found.get(FRA_PROTOCOL, b"\0")[0])


def _prefix(family: int, packed: bytes | None, length: int) -> Prefix | None:
    return Prefix(family, int.from_bytes(packed, "big"), length) if packed else None


def _number(payload: bytes | None) -> int:
    return int(U32.unpack_from(payload)[0]) if payload else 0
