"""Which link carries pod traffic: the table of precedence, one row per rule and per way it can fail."""

from dataclasses import replace

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Refused
from terway_edge.core.models import Node, NodeView, Selection
from terway_edge.core.plans import FibRoute, Link, LinkAddress, Neighbour, RouteKind, Rule
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.core.uplink import Choice, Found, choose_uplink, may_move_uplink

A = Address.parse
LINKS = [
    Link(1, "lo", bytes(6), 65536, True, True, "", "", 0, loopback=True),
    Link(2, "eth0", bytes(6), 1500, True, True, "", "", 0),
    Link(3, "eth1", bytes(6), 9000, True, True, "", "", 0),
    Link(4, "wlan0", bytes(6), 1400, True, True, "", "", 0),
]
ADDRESSES = [
    LinkAddress(1, A("127.0.0.1"), 8),
    LinkAddress(2, A("192.0.2.10"), 24),
    LinkAddress(3, A("198.51.100.10"), 24),
    LinkAddress(3, A("2001:db8::10"), 64),
    LinkAddress(4, A("203.0.113.10"), 24),
]


def default(link, via, metric=0):
    gateway = A(via)
    return FibRoute(Prefix(gateway.family, 0, 0), gateway, link, metric=metric, proto=3)


ROUTES = [
    FibRoute(Prefix.parse("192.0.2.0/24"), link=2, proto=2),
    FibRoute(Prefix.parse("198.51.100.0/24"), link=3, proto=2),
    FibRoute(Prefix.parse("172.16.0.0/12"), A("198.51.100.1"), 3, proto=3),
    FibRoute(Prefix.parse("172.16.5.0/24"), kind=RouteKind.UNREACHABLE, proto=3),
    default(2, "192.0.2.1", 100),
    default(4, "203.0.113.1", 600),
]


def chosen(choice=None, internal_ips=(), routes=ROUTES):
    return choose_uplink(Found(LINKS, ADDRESSES, routes), choice or Choice(), internal_ips)


@pytest.mark.parametrize(
    ("choice", "internal", "link", "why"),
    [
        (Choice(names=("wlan0",)), "192.0.2.10", "wlan0", "interface.names wlan0"),
        (Choice(names=("none0", "eth1")), None, "eth1", "interface.names eth1"),
        (Choice(names=("203.0.113.10",)), None, "wlan0", "interface.names 203.0.113.10"),
        (Choice(names=("none0",), regexes=("^wlan",)), None, "wlan0", "interface.regex ^wlan"),
        (Choice(regexes=(r"^198\.51",)), None, "eth1", r"interface.regex ^198\.51"),
        (Choice(regexes=("^eth",)), None, "eth0", "interface.regex ^eth"),
        (Choice(can_reach=A("172.16.9.9")), None, "eth1", "interface.can_reach 172.16.9.9"),
        (Choice(can_reach=A("8.8.8.8")), None, "eth0", "interface.can_reach 8.8.8.8"),
        (Choice(public_ips=(A("203.0.113.10"),)), "192.0.2.10", "wlan0", "interface.public_ip"),
        (Choice(), "198.51.100.10", "eth0", "default route"),
    ],
)
def test_precedence(choice, internal, link, why):
    uplink = chosen(choice, (A(internal),) if internal else ())
    assert (uplink.name, uplink.why) == (link, why)


def test_without_a_default_route_the_internal_ip_decides():
    uplink = chosen(internal_ips=(A("198.51.100.10"),), routes=ROUTES[:4])
    assert (uplink.name, uplink.why, uplink.gateways) == ("eth1", "InternalIP", ())


def test_a_wish_that_nothing_fulfils_is_an_error_and_not_another_link():
    for choice in (Choice(names=("none0",)), Choice(regexes=("^none",)), Choice(public_ips=(A("10.9.9.9"),))):
        with pytest.raises(Refused, match=r"none; set interface\.names"):
            chosen(choice, (A("192.0.2.10"),))


def test_nothing_at_all_says_what_was_tried():
    with pytest.raises(Refused, match=r"^no link to use for pod traffic: default route: none, InternalIP: none; set"):
        chosen(internal_ips=(A("10.1.1.1"),), routes=[])


def test_loopback_is_never_the_uplink():
    with pytest.raises(Refused):
        chosen(Choice(names=("127.0.0.1",)))


def test_default_routes_of_two_families_over_two_links_are_refused():
    with pytest.raises(Refused, match="eth0, eth1"):
        chosen(routes=[default(2, "192.0.2.1"), default(3, "2001:db8::1")])
    both = chosen(routes=[default(3, "198.51.100.1"), default(3, "2001:db8::1")])
    assert both.gateways == (A("198.51.100.1"), A("2001:db8::1"))


def test_the_uplink_knows_its_addresses_mtu_and_best_gateway():
    uplink = chosen(routes=[default(3, "198.51.100.2", 50), default(3, "198.51.100.1", 20)])
    assert (uplink.ifindex, uplink.mtu, uplink.gateways) == (3, 9000, (A("198.51.100.1"),))
    assert [str(prefix) for prefix in uplink.on_link] == ["198.51.100.0/24", "2001:db8::/64"]


def test_a_target_that_no_route_leads_to_is_an_error():
    with pytest.raises(Refused, match=r"interface\.can_reach 8\.8\.8\.8: none; set interface\.names"):
        chosen(Choice(can_reach=A("8.8.8.8")), (A("192.0.2.10"),), routes=ROUTES[:4])


VIEW = NodeView(Node("n1", {}, (A("192.0.2.10"),), ()), Selection("b"), uplink=chosen())


@pytest.mark.parametrize(
    ("what", "item", "moves"),
    [
        (Happening.ROUTE_REMOVED, default(4, "203.0.113.1"), True),
        (Happening.ROUTE_REMOVED, ROUTES[0], False),
        (Happening.RULE_REMOVED, Rule(512, 254), False),
        (Happening.NEIGHBOUR_REMOVED, Neighbour(2, A("192.0.2.1"), b""), False),
        (Happening.OVERRUN, None, True),
        (Happening.LINK_CHANGED, LINKS[1], True),
        (Happening.LINK_CHANGED, LINKS[1]._replace(ifindex=99), True),
        (Happening.LINK_CHANGED, LINKS[1]._replace(name="renamed"), True),
        (Happening.LINK_CHANGED, LINKS[2], False),
        (Happening.ADDRESS_CHANGED, LinkAddress(2, A("192.0.2.99"), 24), True),
        (Happening.ADDRESS_CHANGED, LinkAddress(3, A("192.0.2.10"), 24), True),
        (Happening.ADDRESS_CHANGED, ADDRESSES[2], False),
    ],
)
def test_only_what_concerns_the_uplink_lets_it_be_looked_for_again(what, item, moves):
    assert may_move_uplink(KernelEvent(what, item), VIEW) is moves


def test_while_there_is_no_uplink_every_link_is_looked_at():
    event = KernelEvent(Happening.LINK_CHANGED, LINKS[2])
    assert may_move_uplink(event, None)
    assert may_move_uplink(event, replace(VIEW, uplink=None))
