"""What others break is mended: at once from events, else by the audit; and nobody is fought for ever."""

from dataclasses import replace

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.core.drift import BURST, TOLERATED
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.names import link_macs
from terway_edge.core.plans import (
    COVER_METRIC,
    PROTO,
    FibRoute,
    LinkAddress,
    LinkSetting,
    Neighbour,
    RouteKind,
    Rule,
    Where,
)
from terway_edge.core.ports import Happening, KernelEvent
from tests.agent.rig import HOST_ADDRESS


def host_route(rig, name):
    return FibRoute(rig.lease(name).addresses[0].host, link=rig.link(name).ifindex)


def host_neighbour(rig, name):
    return Neighbour(rig.link(name).ifindex, rig.lease(name).addresses[0], link_macs((name, "eth0"))[1])


@pytest.mark.parametrize("item", [host_route, host_neighbour])
def test_what_belongs_to_a_pod_comes_back_at_once(rig, item):
    rig.add("c1")
    whole = rig.kernel.snapshot()
    rig.kernel.foreign_remove(item(rig, "c1"))
    assert rig.kernel.snapshot() == whole
    assert rig.telemetry.repairs == {"event": 1}


def test_a_flush_of_the_table_harms_no_pod(rig):
    for name in ("c1", "c2"):
        rig.add(name)
    for family in (4, 6):
        rig.kernel.flush_routes(family=family)
    assert rig.reaches("c1")
    assert rig.reaches("c2")


def test_a_pods_link_set_down_comes_up_with_its_routes(rig):
    rig.add("c1")
    whole = rig.kernel.snapshot()
    rig.kernel.set_link(rig.link("c1").name, up=False)
    assert rig.kernel.snapshot() == whole


def test_t37_a_pods_host_link_keeps_its_mac(rig):
    rig.add("c1")
    whole, stray = rig.kernel.snapshot(), LinkSetting(rig.link("c1").ifindex, mac=b"\2\0\0\0\0\7")
    rig.kernel.foreign_replace(stray)
    assert rig.kernel.snapshot() == whole
    rig.die()
    rig.kernel.foreign_replace(stray)
    assert rig.kernel.snapshot() != whole
    assert rig.repair.audit() == 1
    assert rig.kernel.snapshot() == whole


def test_what_happened_while_nobody_listened_is_found_by_the_audit(rig):
    rig.add("c1")
    rig.die()
    rig.kernel.flush_routes()
    assert not rig.reaches("c1")
    assert rig.repair.audit() == 1
    assert rig.reaches("c1")
    assert rig.telemetry.repairs == {"audit": 1}
    assert rig.repair.audit() == 0


def test_lost_events_mean_looking_at_pods_and_surroundings(rig):
    rig.add("c1")
    rig.die()
    rig.kernel.flush_routes()
    rig.kernel.subscribe(rig.repair.on_event)
    rig.kernel.overrun()
    assert rig.reaches("c1")
    assert rig.pokes == 1


def test_what_we_remove_ourselves_stays_away(rig):
    rig.add("c1")
    address = rig.lease("c1").addresses[0]
    rig.delete("c1")
    rig.kernel.foreign_add(FibRoute(address.host, link=rig.view.uplink.ifindex))
    rig.kernel.foreign_remove(FibRoute(address.host, link=rig.view.uplink.ifindex))
    assert rig.kernel.dump(FibRoute, Where(proto=158, family=4)) == []
    assert rig.telemetry.repairs == {}


def test_a_strangers_route_is_none_of_our_business(rig):
    rig.add("c1")
    foreign = host_route(rig, "c1")._replace(proto=3, metric=5)
    rig.kernel.foreign_add(foreign)
    rig.kernel.foreign_remove(foreign)
    assert foreign not in rig.kernel.dump(FibRoute)


ODD = [{"metric": 7}, {"table": 300}, {"kind": RouteKind.UNREACHABLE, "link": 0, "metric": 9}]


@pytest.mark.parametrize("odd", ODD)
def test_a_route_that_no_pod_has_is_not_put_back(rig, odd):
    rig.add("c1")
    whole = rig.kernel.snapshot()
    wrong = host_route(rig, "c1")._replace(**odd)
    rig.kernel.foreign_add(wrong)
    rig.kernel.foreign_remove(wrong)
    assert rig.kernel.snapshot() == whole
    assert rig.telemetry.repairs == {}


OVER = FibRoute(Prefix.parse("10.2.0.0/24"), via=HOST_ADDRESS, link=1)
COVER = FibRoute(Prefix.parse("10.0.0.0/28"), kind=RouteKind.UNREACHABLE, metric=COVER_METRIC)


@pytest.mark.parametrize("route", [OVER._replace(proto=3), OVER._replace(table=300)])
def test_what_becomes_of_routes_that_no_plugin_advertises_is_nobodys_concern(rig, route):
    for _ in range(TOLERATED + 2):
        rig.repair.on_event(KernelEvent(Happening.ROUTE_REMOVED, route))
        rig.clock.advance(2 * BURST)
    rig.clock.advance(2)
    rig.repair.catch_up()
    assert rig.pokes == 0


@pytest.mark.parametrize("route", [OVER, COVER])
def test_a_route_that_its_plugin_left_broken_is_compared_when_the_pause_is_over(rig, route):
    """What advertises it has no clock that would wake it."""
    for _ in range(TOLERATED + 2):
        rig.repair.on_event(KernelEvent(Happening.ROUTE_REMOVED, route))
        rig.clock.advance(2 * BURST)
        rig.repair.catch_up()
    assert rig.pokes == 0
    rig.clock.advance(2)
    for _ in range(3):
        rig.repair.catch_up()
    assert rig.pokes == 1
    rig.repair.audit()
    assert rig.conditions.all() == (), "its plugin tells of it"


def test_a_fight_is_given_up_until_the_audit_and_told(rig):
    rig.add("c1")
    route = host_route(rig, "c1")
    for _ in range(TOLERATED + 3):
        rig.kernel.foreign_remove(route)
        rig.clock.advance(2 * BURST)
    rig.repair.catch_up()
    assert route not in rig.kernel.dump(FibRoute)
    rig.clock.advance(2)
    rig.repair.catch_up()
    assert route in rig.kernel.dump(FibRoute)
    rig.repair.audit()
    (told,) = rig.conditions.all()
    assert (told.reason, told.subject) == ("DatapathFight", "route to 10.0.0.1/32")
    assert "another process keeps undoing it" in told.message
    rig.clock.advance(300)
    rig.repair.audit()
    assert rig.conditions.all() == ()


def test_a_pod_without_its_link_is_left_to_garbage_collection(rig):
    rig.add("c1")
    rig.kernel.delete_netns("/run/netns/c1")
    assert rig.repair.audit() == 0
    assert rig.lease("c1") is not None


SURROUNDINGS = {
    "the uplink down": lambda rig: rig.kernel.set_link("up0", up=False),
    "another address": lambda rig: rig.kernel.foreign_add(
        LinkAddress(rig.view.uplink.ifindex, HOST_ADDRESS._replace(value=HOST_ADDRESS.value + 1), 24)
    ),
}


@pytest.mark.parametrize("change", SURROUNDINGS)
def test_what_concerns_the_uplink_is_passed_on(rig, change):
    SURROUNDINGS[change](rig)
    assert rig.pokes > 0


def test_links_that_are_not_the_uplink_are_no_news(rig):
    rig.kernel.create_link("eth9", up=True)
    rig.kernel.set_link("eth9", up=False)
    rig.kernel.delete_link("eth9")
    assert rig.pokes == 0


def test_any_link_may_be_the_uplink_while_there_is_none(rig):
    rig.view = replace(rig.view, uplink=None)
    rig.kernel.create_link("eth9")
    assert rig.pokes > 0


def test_pods_coming_and_going_are_no_news(rig):
    rig.add("c1")
    rig.delete("c1")
    assert rig.pokes == 0
    assert rig.telemetry.repairs == {}


def test_rules_of_others_are_no_news(rig):
    rule = Rule(100, 254)
    rig.kernel.foreign_add(rule)
    rig.kernel.foreign_remove(rule)
    assert rig.pokes == 0


class Mistaken:
    """A backend whose check has a mistake."""

    @hookimpl
    def terway_edge_check(self):
        raise TypeError("a plugin's mistake")


def test_a_backend_that_fails_keeps_no_other_pod_from_being_mended(rig, caplog):
    """Nor the agent from starting, which begins with an audit."""
    rig.add("c1")
    rig.add("c2")
    lease = rig.lease("c1")
    rig.ipam.release(lease)
    rig.ipam.adopt(replace(lease, backend="mistaken"))
    rig.manager.register(Mistaken(), name="mistaken")
    rig.die()
    for route in rig.kernel.dump(FibRoute, Where(proto=PROTO)):
        rig.kernel.foreign_remove(route)
    assert rig.repair.audit() == 2
    assert rig.reaches("c2")
    assert "container c1 cannot be mended: TypeError: a plugin's mistake" in caplog.text
