"""The packed encoder says what pyroute2 says, and pyroute2's decoder reads it as it was meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Bug
from terway_edge.core.plans import FibRoute, LinkSetting, Neighbour, RouteKind, Rule, Shaping, Sysctl, Verb, Veth
from terway_edge.kernel import packed, pyroute, uapi
from terway_edge.kernel.wire import HEADER
from tests.kernel import strategies

MESSAGES = {
    uapi.RTM_NEWLINK: ifinfmsg,
    uapi.RTM_SETLINK: pyroute.LinkMessage,
    uapi.RTM_NEWADDR: ifaddrmsg,
    uapi.RTM_DELADDR: ifaddrmsg,
    uapi.RTM_NEWNEIGH: ndmsg,
    uapi.RTM_DELNEIGH: ndmsg,
    uapi.RTM_NEWROUTE: rtmsg,
    uapi.RTM_DELROUTE: rtmsg,
    uapi.RTM_NEWRULE: fibmsg,
    uapi.RTM_DELRULE: fibmsg,
    uapi.RTM_NEWQDISC: pyroute.ShapingMessage,
}


def parsed(data: bytes):
    """The message as pyroute2 reads it; it must be exactly one."""
    size, kind, *_ = HEADER.unpack_from(data)
    assert size == len(data)
    assert size % 4 == 0
    message = MESSAGES[kind](data)
    message.decode()
    return message


def address(text: str | None) -> Address | None:
    return Address.parse(text) if text else None


def tree(message):
    """A decoded message as plain values, attributes by name, nested ones too."""
    if not hasattr(message, "get_attr"):
        return message
    plain = {name: value for name, value in message.items() if name not in ("attrs", "header", "event")}
    if "header" in message:
        plain["header"] = {name: message["header"][name] for name in ("type", "flags", "sequence_number", "length")}
    return plain, sorted(((attr[0], tree(attr[1])) for attr in message["attrs"]), key=repr)


@settings(deadline=None, max_examples=150)
@given(strategies.changes())
def test_both_encoders_say_the_same(change):
    verb, item = change
    assert tree(parsed(packed.encode(verb, item, 7))) == tree(parsed(pyroute.encode(verb, item, 7)))


@settings(deadline=None)
@given(strategies.veths)
def test_veth_message_makes_both_ends(veth):
    message = parsed(packed.encode(Verb.ADD, veth, 1))
    info = message.get_attr("IFLA_LINKINFO")
    peer = info.get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert (message["index"], message["flags"]) == (veth.link, 0)
    assert message.get_attr("IFLA_IFNAME") == veth.name
    assert message.get_attr("IFLA_ADDRESS") == veth.mac.hex(":")
    assert info.get_attr("IFLA_INFO_KIND") == "veth"
    assert (peer["index"], peer["flags"]) == (veth.peer_link, 0)
    assert peer.get_attr("IFLA_IFNAME") == veth.peer_name
    assert peer.get_attr("IFLA_ADDRESS") == veth.peer_mac.hex(":")
    assert peer.get_attr("IFLA_NET_NS_FD") == veth.netns
    assert peer.get_attr("IFLA_MTU") == message.get_attr("IFLA_MTU") == veth.mtu


@settings(deadline=None)
@given(strategies.some_verbs, strategies.routes())
def test_route_message_names_every_property(verb, route):
    message = parsed(packed.encode(verb, route, 1))
    attr = message.get_attr
    assert address(attr("RTA_DST")) == (route.prefix.address if route.prefix.length else None)
    assert address(attr("RTA_GATEWAY")) == route.via
    assert address(attr("RTA_PREFSRC")) == route.src
    assert (attr("RTA_OIF") or 0) == route.link
    assert (attr("RTA_TABLE") or message["table"]) == route.table
    assert (message["dst_len"], message["proto"]) == (route.prefix.length, route.proto)
    assert bool(message["flags"] & uapi.RTNH_F_ONLINK) == route.onlink
    if verb is not Verb.REMOVE:
        assert (attr("RTA_PRIORITY") or 0) == route.metric


def test_removal_without_metric_spares_ipv6_routes_of_other_metrics():
    message = parsed(packed.encode(Verb.REMOVE, FibRoute(Prefix.parse("2001:db8::/64")), 1))
    assert message.get_attr("RTA_PRIORITY") == uapi.IP6_RT_PRIO_USER


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        (Verb.ADD, uapi.NLM_F_REQUEST | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL),
        (Verb.REPLACE, uapi.NLM_F_REQUEST | uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE),
        (Verb.REMOVE, uapi.NLM_F_REQUEST),
    ],
)
def test_verb_decides_the_flags(verb, flags):
    message = parsed(packed.encode(verb, FibRoute(Prefix.parse("192.0.2.0/24"), link=3), 9))
    assert (message["header"]["flags"], message["header"]["sequence_number"]) == (flags, 9)


@pytest.mark.parametrize("encode", [packed.encode, pyroute.encode])
@pytest.mark.parametrize(
    ("verb", "item"),
    [
        (Verb.REMOVE, Veth("a", 1, b"\2" * 6, "", 1500, 3, "b", 2, b"\6" * 6)),
        (Verb.ADD, LinkSetting(1, up=True)),
        (Verb.ADD, Shaping(1, 1000, 2000, 3000)),
    ],
)
def test_verb_without_a_meaning_is_a_bug(encode, verb, item):
    with pytest.raises(Bug, match=f"{type(item).__name__} can only be used with .*, not {verb.name}"):
        encode(verb, item, 1)


@pytest.mark.parametrize(
    "item",
    [
        FibRoute(Prefix.parse("192.0.2.0/24"), via=Address.parse("fe80::1"), link=3),
        FibRoute(Prefix.parse("2001:db8::/64"), src=Address.parse("192.0.2.1"), link=3),
        Rule(5, 7, src=Prefix.parse("2001:db8::/64"), family=4),
    ],
)
def test_mixed_families_are_a_bug(item):
    with pytest.raises(Bug, match="does not belong to the family"):
        packed.encode(Verb.ADD, item, 1)


@settings(deadline=None, max_examples=30)
@given(strategies.shapings)
def test_shaping_is_left_to_pyroute2(shaping):
    data = packed.encode(Verb.REPLACE, shaping, 4)
    assert data == pyroute.encode(Verb.REPLACE, shaping, 4)
    message = parsed(data)
    options = message.get_attr("TCA_OPTIONS")
    parms = options.get_attr("TCA_TBF_PARMS")
    assert (message["index"], message.get_attr("TCA_KIND")) == (shaping.link, "tbf")
    assert (options.get_attr("TCA_TBF_RATE64") or parms["rate"]) == shaping.rate
    assert (parms["limit"], options.get_attr("TCA_TBF_BURST")) == (shaping.limit, shaping.burst)


def test_sysctls_are_no_netlink_messages():
    with pytest.raises(KeyError):
        packed.encode(Verb.REPLACE, Sysctl("ipv4/ip_forward", "1"), 1)


def test_neighbour_is_permanent():
    message = parsed(packed.encode(Verb.ADD, Neighbour(3, Address.parse("192.0.2.9"), bytes(range(6))), 1))
    assert (message["state"], message["ifindex"]) == (uapi.NUD_PERMANENT, 3)
    assert message.get_attr("NDA_LLADDR") == "00:01:02:03:04:05"


def test_unreachable_route_has_no_scope_of_a_link():
    message = parsed(packed.encode(Verb.ADD, FibRoute(Prefix.parse("10.0.0.0/8"), kind=RouteKind.UNREACHABLE), 1))
    assert (message["type"], message["scope"]) == (uapi.RTN_UNREACHABLE, uapi.RT_SCOPE_UNIVERSE)
