"""The packed encoder: plan items as netlink messages, each packed by hand.

An encoder is a function (verb, item, sequence number) -> bytes. A pod's ADD and a hundred thousand routes go through
here: packing takes microseconds where building the same message from pyroute2's classes takes a hundred
(docs/explanation/decisions.md). `tests/kernel` proves every message equal to the one that `pyroute` builds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from socket import AF_INET, AF_INET6, AF_UNSPEC
from struct import Struct
from typing import Any

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Bug
from terway_edge.core.plans import (
    FibRoute,
    Item,
    LinkAddress,
    LinkSetting,
    Neighbour,
    RouteKind,
    Rule,
    Shaping,
    Verb,
    Veth,
)
from terway_edge.kernel.uapi import (
    FR_ACT_TO_TBL,
    FRA_DST,
    FRA_PRIORITY,
    FRA_PROTOCOL,
    FRA_SRC,
    FRA_TABLE,
    IFA_ADDRESS,
    IFA_F_NODAD,
    IFA_LOCAL,
    IFF_UP,
    IFLA_ADDRESS,
    IFLA_AF_SPEC,
    IFLA_IFNAME,
    IFLA_INET6_ADDR_GEN_MODE,
    IFLA_INET_CONF,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    IFLA_NUM_RX_QUEUES,
    IFLA_NUM_TX_QUEUES,
    IN6_ADDR_GEN_MODE_NONE,
    IP6_RT_PRIO_USER,
    NDA_DST,
    NDA_LLADDR,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    NUD_PERMANENT,
    RT_SCOPE_LINK,
    RT_SCOPE_NOWHERE,
    RT_SCOPE_UNIVERSE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTM_DELADDR,
    RTM_DELNEIGH,
    RTM_DELROUTE,
    RTM_DELRULE,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    RTM_NEWRULE,
    RTM_SETLINK,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    RTNH_F_ONLINK,
    VETH_INFO_PEER,
)
from terway_edge.kernel.wire import ATTRIBUTE, IFINFO, NDMSG, RTMSG, attribute, message, nest, number, text

Encode = Callable[[Verb, Item, int], bytes]

FAMILIES = {4: AF_INET.value, 6: AF_INET6.value}
FLAGS = (
    0,
    NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL,
    NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE,
    NLM_F_REQUEST,
)
"""Message flags by verb. A tuple, because looking up an enumeration member in a dict runs Python code."""
_ROUTE = Struct("=IHHIIBBBBBBBBI")  # nlmsghdr and rtmsg at once
_NUMBER = Struct("=HHI")
_ONE_QUEUE = number(IFLA_NUM_TX_QUEUES, 1) + number(IFLA_NUM_RX_QUEUES, 1)


def encode(verb: Verb, item: Item, seq: int) -> bytes:
    """The message that makes the change. `Veth.netns` must be an open descriptor."""
    return _ENCODERS[type(item)](verb, item, seq)


def only(allowed: Verb, verb: Verb, item: Item) -> None:
    """Raises Bug if `verb` has no meaning for this kind of item (see core.plans)."""
    if verb is not allowed:
        raise Bug(f"{type(item).__name__} can only be used with {allowed.name}, not {verb.name}: {item}")


def route_type(route: FibRoute) -> int:
    return RTN_UNICAST if route.kind is RouteKind.UNICAST else RTN_UNREACHABLE


def route_scope(verb: Verb, route: FibRoute) -> int:
    """As ip-route(8) chooses it: a removal matches any scope, a route without a gateway is on the link."""
    if verb is Verb.REMOVE:
        return RT_SCOPE_NOWHERE
    return RT_SCOPE_LINK if route.via is None and route.kind is RouteKind.UNICAST else RT_SCOPE_UNIVERSE


def route_metric(verb: Verb, route: FibRoute) -> int:
    """The metric to send; a removal without one would otherwise match IPv6 routes of every metric."""
    if verb is Verb.REMOVE and not route.metric and route.prefix.family == 6:
        return IP6_RT_PRIO_USER
    return route.metric


def rule_flags(verb: Verb) -> int:
    """Rules cannot be replaced, only be there: a REPLACE is an ADD whose EEXIST the caller takes for success."""
    return FLAGS[Verb.ADD if verb is Verb.REPLACE else verb]


def _veth(verb: Verb, veth: Veth, seq: int) -> bytes:
    """One message makes both ends: the peer is born in the pod's namespace with name, index, MAC and MTU.

    The alias is ignored by the kernel at creation; `links.set_alias` follows when the link is known to be ours. One
    queue each way: the default is one per CPU, each with directories of its own in sysfs, and a veth uses none of them.
    """
    only(Verb.ADD, verb, veth)
    peer = (
        IFINFO.pack(AF_UNSPEC, 0, veth.peer_link, 0, 0),
        text(IFLA_IFNAME, veth.peer_name),
        number(IFLA_NET_NS_FD, int(veth.netns)),
        attribute(IFLA_ADDRESS, veth.peer_mac),
        number(IFLA_MTU, veth.mtu),
        _ONE_QUEUE,
    )
    body = (
        IFINFO.pack(AF_UNSPEC, 0, veth.link, 0, 0),
        text(IFLA_IFNAME, veth.name),
        attribute(IFLA_ADDRESS, veth.mac),
        number(IFLA_MTU, veth.mtu),
        _ONE_QUEUE,
        nest(IFLA_LINKINFO, text(IFLA_INFO_KIND, "veth"), nest(IFLA_INFO_DATA, nest(VETH_INFO_PEER, *peer))),
    )
    return message(RTM_NEWLINK, FLAGS[verb], seq, b"".join(body))


def _link_setting(verb: Verb, setting: LinkSetting, seq: int) -> bytes:
    only(Verb.REPLACE, verb, setting)
    flags, change = (IFF_UP if setting.up else 0, IFF_UP) if setting.up is not None else (0, 0)
    body = IFINFO.pack(AF_UNSPEC, 0, setting.link, flags, change)
    if setting.mtu is not None:
        body += number(IFLA_MTU, setting.mtu)
    if setting.mac is not None:
        body += attribute(IFLA_ADDRESS, setting.mac)
    if setting.conf4 or setting.addr_gen_none:
        body += _families(setting.conf4, setting.addr_gen_none)
    return message(RTM_SETLINK, NLM_F_REQUEST, seq, body)


@lru_cache(maxsize=64)  # the shared datapath knows two
def _families(conf4: tuple[tuple[int, int], ...], addr_gen_none: bool) -> bytes:
    """IFLA_AF_SPEC with the settings of IPv4 and of IPv6."""
    families = b""
    if conf4:
        families += nest(AF_INET, nest(IFLA_INET_CONF, *(number(option, value) for option, value in conf4)))
    if addr_gen_none:
        families += nest(AF_INET6, attribute(IFLA_INET6_ADDR_GEN_MODE, bytes((IN6_ADDR_GEN_MODE_NONE,))))
    return nest(IFLA_AF_SPEC, families)


_BYTES = {4: 4, 6: 16}
_LINK_ADDRESS = {family: Struct(f"=IHHIIBBBBIHH{size}sHH{size}s") for family, size in _BYTES.items()}
"""By family: nlmsghdr and ifaddrmsg, then IFA_LOCAL and IFA_ADDRESS."""
_NEIGHBOUR = {family: Struct(f"=IHHIIBxxxiHBBHH{size}sHH6sxx") for family, size in _BYTES.items()}
"""By family: nlmsghdr and ndmsg, then NDA_DST and NDA_LLADDR."""


def _link_address(verb: Verb, item: LinkAddress, seq: int) -> bytes:
    family, packed = item.address.family, item.address.packed
    layout, size = _LINK_ADDRESS[family], 4 + len(packed)
    return layout.pack(
        layout.size, RTM_DELADDR if verb is Verb.REMOVE else RTM_NEWADDR, FLAGS[verb], seq, 0,
        FAMILIES[family], item.length, IFA_F_NODAD if family == 6 else 0, RT_SCOPE_UNIVERSE, item.link,
        size, IFA_LOCAL, packed, size, IFA_ADDRESS, packed,
    )  # fmt: skip


def _neighbour(verb: Verb, item: Neighbour, seq: int) -> bytes:
    family, packed = item.address.family, item.address.packed
    if verb is Verb.REMOVE:
        body = NDMSG.pack(FAMILIES[family], item.link, 0, 0, 0) + attribute(NDA_DST, packed)
        return message(RTM_DELNEIGH, FLAGS[verb], seq, body)
    layout = _NEIGHBOUR[family]
    return layout.pack(
        layout.size, RTM_NEWNEIGH, FLAGS[verb], seq, 0,
        FAMILIES[family], item.link, NUD_PERMANENT, 0, 0,
        4 + len(packed), NDA_DST, packed, 10, NDA_LLADDR, item.mac,
    )  # fmt: skip


def _address_headers(kind: int) -> dict[int, bytes]:
    return {4: ATTRIBUTE.pack(8, kind), 6: ATTRIBUTE.pack(20, kind)}


_DST, _GATEWAY, _SRC = (_address_headers(kind) for kind in (RTA_DST, RTA_GATEWAY, RTA_PREFSRC))


def _route(verb: Verb, route: FibRoute, seq: int) -> bytes:
    """Written for speed: two microseconds each, of which a hundred thousand routes feel every one."""
    (family, value, length), via, link, onlink, _, _, table, proto, src = route
    attributes = _DST[family] + value.to_bytes(_BYTES[family], "big") if length else b""
    if via is not None:
        attributes += _address(_GATEWAY, family, via)
    if link:
        attributes += _NUMBER.pack(8, RTA_OIF, link)
    if metric := route_metric(verb, route):
        attributes += _NUMBER.pack(8, RTA_PRIORITY, metric)
    if table > 255:
        attributes += _NUMBER.pack(8, RTA_TABLE, table)
    if src is not None:
        attributes += _address(_SRC, family, src)
    return (
        _ROUTE.pack(
            28 + len(attributes), RTM_DELROUTE if verb is Verb.REMOVE else RTM_NEWROUTE, FLAGS[verb], seq, 0,
            FAMILIES[family], length, 0, 0, table if table < 256 else 0, proto, route_scope(verb, route),
            route_type(route), RTNH_F_ONLINK if onlink else 0,
        )
        + attributes
    )  # fmt: skip


def find_route(address: Address, seq: int) -> bytes:
    """The question which route a packet to an address would take."""
    family = address.family
    body = RTMSG.pack(FAMILIES[family], address.bits, 0, 0, 0, 0, 0, 0, 0) + _address(_DST, family, address)
    return message(RTM_GETROUTE, NLM_F_REQUEST, seq, body)


def _address(headers: dict[int, bytes], family: int, address: Address) -> bytes:
    own_family, value = address
    if own_family != family:
        raise Bug(f"address {address} does not belong to the family of its IPv{family} route")
    return headers[family] + value.to_bytes(_BYTES[family], "big")


def _rule(verb: Verb, rule: Rule, seq: int) -> bytes:
    lengths = [prefix.length if prefix else 0 for prefix in (rule.dst, rule.src)]
    table = rule.table if rule.table < 256 else 0
    body = RTMSG.pack(FAMILIES[rule.family], *lengths, 0, table, 0, 0, FR_ACT_TO_TBL, 0)
    body += number(FRA_PRIORITY, rule.priority) + number(FRA_TABLE, rule.table)
    body += attribute(FRA_PROTOCOL, bytes((rule.proto,)))
    body += _selector(FRA_DST, rule.family, rule.dst) + _selector(FRA_SRC, rule.family, rule.src)
    return message(RTM_DELRULE if verb is Verb.REMOVE else RTM_NEWRULE, rule_flags(verb), seq, body)


def _selector(kind: int, family: int, prefix: Prefix | None) -> bytes:
    if prefix is None:
        return b""
    if prefix.family != family:
        raise Bug(f"prefix {prefix} does not belong to the family of its IPv{family} rule")
    return attribute(kind, prefix.address.packed) if prefix.length else b""


def _shaping(verb: Verb, item: Shaping, seq: int) -> bytes:
    """Left to pyroute2: few pods are shaped, and pyroute2's 20 MB are paid by the node that has one."""
    from terway_edge.kernel import pyroute

    return pyroute.encode(verb, item, seq)


_ENCODERS: dict[type, Callable[[Verb, Any, int], bytes]] = {
    Veth: _veth,
    LinkSetting: _link_setting,
    LinkAddress: _link_address,
    Neighbour: _neighbour,
    FibRoute: _route,
    Rule: _rule,
    Shaping: _shaping,
}
