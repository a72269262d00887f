"""What is encoded is decoded to the same item, and what no item can say is left out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import FibRoute, RouteKind, Rule, Verb
from terway_edge.kernel import decode, packed, uapi
from terway_edge.kernel.wire import RTMSG, attribute, number
from tests.kernel import strategies


def round_trip(read, item):
    data = packed.encode(Verb.ADD, item, 1)
    return read(data, 16, len(data))


@settings(deadline=None)
@given(strategies.routes())
def test_route(route):
    assert round_trip(decode.route, route) == route


@settings(deadline=None)
@given(strategies.rules())
def test_rule(rule):
    assert round_trip(decode.rule, rule) == rule


@settings(deadline=None)
@given(strategies.link_addresses)
def test_address(address):
    assert round_trip(decode.address, address) == address


@settings(deadline=None)
@given(strategies.neighbours)
def test_neighbour(neighbour):
    assert round_trip(decode.neighbour, neighbour) == neighbour


@settings(deadline=None)
@given(strategies.kernel_links)
def test_link_as_pyroute2_would_describe_it(link):
    message = ifinfmsg()
    message["index"] = link.ifindex
    flags = {uapi.IFF_UP: link.up, uapi.IFF_LOWER_UP: link.carrier, uapi.IFF_LOOPBACK: link.loopback}
    message["flags"] = sum(flag for flag, is_set in flags.items() if is_set)
    message["attrs"] = [
        ["IFLA_IFNAME", link.name],
        ["IFLA_ADDRESS", link.mac.hex(":")],
        ["IFLA_MTU", link.mtu],
        ["IFLA_IFALIAS", link.alias],
        ["IFLA_GROUP", link.group],
        ["IFLA_LINKINFO", {"attrs": [["IFLA_INFO_KIND", link.kind]]}],
    ]
    message.encode()
    assert decode.link(bytes(message.data), 16, len(message.data)) == link


def test_ipv6_default_metric_is_no_metric():
    route = FibRoute(Prefix.parse("2001:db8::/64"), link=3)
    assert round_trip(decode.route, route._replace(metric=1024)) == route


def test_ipv6_unreachable_route_is_on_no_link():
    route = FibRoute(Prefix.parse("2001:db8::/64"), kind=RouteKind.UNREACHABLE)
    assert round_trip(decode.route, route._replace(link=1)) == route


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 6, 8, 9])  # local, broadcast, ..., blackhole, prohibit, throw
def test_other_kinds_of_routes_are_left_out(kind):
    body = RTMSG.pack(2, 0, 0, 0, 254, 3, 0, kind, 0)
    assert decode.route(body, 0, len(body)) is None


def test_cached_route_is_left_out():
    body = RTMSG.pack(10, 0, 0, 0, 254, 3, 0, uapi.RTN_UNICAST, uapi.RTM_F_CLONED)
    assert decode.route(body, 0, len(body)) is None


def test_multipath_route_shows_its_first_hop():
    hops = b"".join(
        (8 + 8).to_bytes(2, "little") + bytes((uapi.RTNH_F_ONLINK, 0)) + link.to_bytes(4, "little")
        + attribute(uapi.RTA_GATEWAY, bytes((192, 0, 2, link)))
        for link in (5, 6)
    )  # fmt: skip
    body = RTMSG.pack(2, 24, 0, 0, 254, 3, 0, uapi.RTN_UNICAST, 0) + attribute(uapi.RTA_DST, bytes((10, 0, 0, 0)))
    body += attribute(uapi.RTA_MULTIPATH, hops)
    expected = FibRoute(Prefix.parse("10.0.0.0/24"), Address.parse("192.0.2.5"), 5, onlink=True, proto=3)
    assert decode.route(body, 0, len(body)) == expected


def rule_body(*attributes: bytes, tos: int = 0, action: int = uapi.FR_ACT_TO_TBL, flags: int = 0) -> bytes:
    head = RTMSG.pack(2, 0, 0, tos, 7, 0, 0, action, flags)
    return head + number(uapi.FRA_PRIORITY, 100) + number(uapi.FRA_TABLE, 7) + b"".join(attributes)


def test_rule_of_the_kernel_has_a_suppression_that_suppresses_nothing():
    body = rule_body(number(uapi.FRA_SUPPRESS_PREFIXLEN, 0xFFFFFFFF))
    assert decode.rule(body, 0, len(body)) == Rule(100, 7, proto=0)


@pytest.mark.parametrize(
    "body",
    [
        rule_body(number(10, 1)),  # fwmark
        rule_body(attribute(3, b"eth0\0")),  # iif
        rule_body(number(uapi.FRA_SUPPRESS_PREFIXLEN, 0)),
        rule_body(tos=8),
        rule_body(action=6),
        rule_body(flags=2),  # inverted
    ],
)
def test_rules_with_other_selectors_are_left_out(body):
    assert decode.rule(body, 0, len(body)) is None
