"""Plans that break the contract fail loudly in a test, whatever the kernel would make of them."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import (
    HOST,
    Change,
    FibRoute,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Plan,
    RouteKind,
    Rule,
    Shaping,
    Step,
    Sysctl,
    Verb,
    Veth,
)
from terway_edge.testing import FakeKernel

POD = "/run/netns/pod"
VETH = Veth("tw0", 50, b"\x02\0\0\0\0\1", "c1 eth0", 1500, POD, "eth0", 2, b"\x06\0\0\0\0\1")
PREFIX = Prefix.parse("10.1.0.0/24")
GATEWAY = Address.parse("192.0.2.2")
ADD, REPLACE, REMOVE = Verb


@pytest.fixture
def kernel() -> FakeKernel:
    made = FakeKernel()
    made.create_netns(POD)
    made.create_link("up0", ifindex=10)
    return made


def plan(*changes: tuple[Verb, object], netns=HOST, atomic: bool = True, before: tuple[Step, ...] = ()) -> Plan:
    return Plan((*before, Step(netns, tuple(Change(*change) for change in changes))), atomic)


PLUGGED = (Step(HOST, (Change(ADD, VETH),)),)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ((REMOVE, FibRoute(PREFIX, link=10)), "cannot undo a REMOVE"),
        ((REPLACE, FibRoute(PREFIX, link=10)), "only on links that it adds itself"),
        ((REPLACE, FibRoute(PREFIX, kind=RouteKind.UNREACHABLE)), "only on links that it adds itself"),
        ((REPLACE, LinkSetting(10, up=True)), "only on links that it adds itself"),
        ((REPLACE, LinkSetting(1, up=True)), "only on links that it adds itself"),
        ((REPLACE, Sysctl("ipv4/ip_forward", "1")), "only on links that it adds itself"),
        ((REPLACE, Sysctl("ipv4/conf/up0/rp_filter", "0")), "only on links that it adds itself"),
        ((REPLACE, Neighbour(10, GATEWAY, VETH.mac)), "only on links that it adds itself"),
        ((REPLACE, Rule(512, 254)), "only on links that it adds itself"),
        ((REPLACE, VETH), "Veth knows only ADD"),
        ((ADD, LinkSetting(10, up=True)), "LinkSetting knows only REPLACE"),
        ((ADD, Sysctl("ipv4/ip_forward", "1")), "Sysctl knows only REPLACE"),
        ((ADD, Shaping(10, 1, 1, 1)), "Shaping knows only REPLACE"),
        ((ADD, FibRoute(PREFIX)), "needs a gateway or a link"),
        ((ADD, FibRoute(PREFIX, link=10, kind=RouteKind.UNREACHABLE)), "neither gateway nor link"),
        ((ADD, FibRoute(PREFIX, link=10, onlink=True)), "onlink is about a gateway"),
        ((ADD, FibRoute(Prefix(4, 1, 24), link=10)), "host bits"),
        ((ADD, FibRoute(PREFIX, via=Address.parse("2001:db8::1"))), "of the prefix' family"),
        ((ADD, Rule(1, 254, src=PREFIX, family=6)), "of the rule's family"),
        ((ADD, Rule(1, 254, src=Prefix(4, 1, 24))), "host bits"),
        ((ADD, Neighbour(10, GATEWAY, b"")), "6 bytes of MAC"),
        ((ADD, LinkAddress(0, GATEWAY, 32)), "index is positive"),
        ((REPLACE, Sysctl("/proc/sys/net/ipv4/ip_forward", "1")), "relative to"),
        ((ADD, VETH._replace(link=0)), "chooses both link indexes"),
        ((ADD, VETH._replace(mac=b"\x01\0\0\0\0\1")), "unicast"),
        ((ADD, VETH._replace(peer_name="")), "need a name"),
    ],
)
def test_breach_is_named_and_changes_nothing(kernel, change, says):
    before = kernel.snapshot()
    with pytest.raises(AssertionError, match=says):
        kernel.apply(plan(change))
    assert kernel.snapshot() == before


@pytest.mark.parametrize(
    ("change", "netns"),
    [
        ((REPLACE, LinkSetting(2, up=True)), POD),
        ((REPLACE, LinkSetting(1, up=True)), POD),
        ((REPLACE, Sysctl("ipv6/conf/eth0/accept_ra", "0")), POD),
        ((REPLACE, Sysctl("ipv6/conf/lo/forwarding", "0")), POD),
        ((REPLACE, LinkSetting(50, up=True)), HOST),
        ((REPLACE, Neighbour(50, GATEWAY, bytes(6))), HOST),
        ((REPLACE, Sysctl("ipv4/conf/tw0/rp_filter", "0")), HOST),
        ((ADD, Rule(512, 254)), HOST),
        ((ADD, FibRoute(PREFIX, link=10)), HOST),
    ],
)
def test_changes_on_own_links_and_additions_anywhere_are_allowed(kernel, change, netns):
    assert kernel.apply(plan(change, netns=netns, before=PLUGGED)) == ()
    assert kernel.changes == 2


def test_link_in_another_namespace_is_not_own(kernel):
    with pytest.raises(AssertionError, match="only on links that it adds itself"):
        kernel.apply(plan((REPLACE, LinkSetting(2, up=True)), before=PLUGGED))


def test_plan_that_is_not_atomic_may_remove_and_replace_anywhere(kernel):
    changes = [
        (REPLACE, FibRoute(PREFIX, link=10)),
        (REMOVE, FibRoute(PREFIX)),
        (REPLACE, Sysctl("ipv4/ip_forward", "1")),
    ]
    assert kernel.apply(plan(*changes, atomic=False)) == ()
