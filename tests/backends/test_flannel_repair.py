"""flannel_route against strangers: what they remove comes back, what is theirs is told and left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.backends.flannel_route.fib import QUIET
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.drift import BURST, PERSISTENT, TOLERATED, WINDOW
from terway_edge.core.models import RouteSet, StopReason
from terway_edge.core.plans import PROTO, Change, FibRoute, Verb, Where
from terway_edge.core.ports import Severity
from terway_edge.testing.contract import at_work
from terway_edge.testing.harness import Harness
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.worlds import UPLINK
from tests.agent.rig import eventually
from tests.backends.flannel_node import NAME, via_routes, working


@pytest.fixture
def steal(harness: Harness) -> Callable[[], None]:
    """A stranger removes one route of ours, always the same."""
    harness.advertise(harness.routes())
    victim = min(via_routes(harness))

    def remove() -> None:
        harness.world.interfere(Change(Verb.REMOVE, victim))

    return remove


def test_a_route_that_somebody_removes_is_put_back_at_once(harness, steal):
    before = via_routes(harness)
    steal()
    assert via_routes(harness) == before
    assert harness.hooks.report(NAME).in_sync


def test_a_cover_route_is_put_back_too(harness):
    harness.advertise(RouteSet())
    before = set(harness.kernel.dump(FibRoute, Where(proto=PROTO)))
    assert {route.prefix for route in before} == set(harness.view.node.pod_cidrs)
    for route in before:
        harness.world.interfere(Change(Verb.REMOVE, route))
    assert set(harness.kernel.dump(FibRoute, Where(proto=PROTO))) == before


def test_a_route_that_was_withdrawn_does_not_come_back(harness):
    harness.advertise(harness.routes((2, 3)))
    harness.advertise(harness.routes((2,)))
    assert {route.via for route in via_routes(harness)} == set(harness.view.members[0].node.addresses)


def test_a_repair_is_counted_and_an_event_once_a_minute(harness, steal):
    assert harness.hooks.report(NAME).details["repairs"] == 0
    steal()
    steal()
    assert harness.events.reasons() == ["RouteRepaired"]
    assert harness.hooks.report(NAME).details["repairs"] == 2
    harness.clock.advance(QUIET)
    steal()
    assert harness.events.reasons() == ["RouteRepaired"] * 2
    (event,) = set(harness.events.seen)
    assert Prefix.parse(event.subject) in {route.prefix for route in harness.routes().routes}
    assert event.severity is Severity.WARNING


def test_after_a_second_start_a_route_is_put_back_once(harness, steal):
    harness.hooks.start(NAME, harness.view)
    steal()
    report = harness.hooks.report(NAME)
    assert (report.in_sync, report.details["repairs"]) == (True, 1)


def foreign(route: FibRoute) -> FibRoute:
    gateway = Address.parse("192.0.2.200" if route.prefix.family == 4 else "2001:db8::200")
    return route._replace(via=gateway, proto=4)


def test_our_route_takes_the_place_of_a_foreign_one_that_goes(harness):
    whole = {FibRoute(r.prefix, r.next_hop, UPLINK.ifindex) for r in harness.routes().routes}
    theirs = foreign(min(whole))
    harness.world.interfere(Change(Verb.ADD, theirs))
    harness.advertise(harness.routes())
    assert via_routes(harness) < whole
    harness.world.interfere(Change(Verb.REMOVE, theirs))
    assert via_routes(harness) == whole
    assert harness.hooks.report(NAME).in_sync


def test_a_foreign_route_that_replaces_ours_is_reported_at_once_and_outlived(harness):
    harness.advertise(harness.routes())
    whole = via_routes(harness)
    theirs = foreign(min(whole))
    harness.world.interfere(Change(Verb.REPLACE, theirs))
    (condition,) = harness.hooks.report(NAME).conditions
    assert (condition.reason, condition.subject) == ("ForeignRoute", str(theirs.prefix))
    assert theirs in harness.kernel.dump(FibRoute)
    harness.world.interfere(Change(Verb.REMOVE, theirs))
    assert via_routes(harness) == whole
    assert harness.hooks.report(NAME).in_sync


def test_routes_of_other_tables_and_to_elsewhere_are_nobodys_business(harness):
    harness.advertise(harness.routes())
    ours = min(via_routes(harness))
    for theirs in (foreign(ours)._replace(table=77), foreign(ours)._replace(prefix=Prefix.parse("203.0.113.0/24"))):
        harness.world.interfere(Change(Verb.ADD, theirs))
        harness.world.interfere(Change(Verb.REMOVE, theirs))
    report = harness.hooks.report(NAME)
    assert (report.in_sync, report.details["repairs"]) == (True, 0)


def test_a_repair_that_the_kernel_refuses_is_reported(harness, steal):
    harness.world.kernel.fail_next(errno=101)
    steal()
    assert [condition.reason for condition in harness.hooks.report(NAME).conditions] == ["RouteRefused"]
    assert harness.events.reasons() == []


def test_a_fight_is_reported_and_backed_off_from_and_ends(harness, steal):
    whole = via_routes(harness)
    for _ in range(TOLERATED + 2):
        steal()
        harness.clock.advance(2 * BURST)
    assert via_routes(harness) < whole, "while backing off, the route is left to the other process"
    (condition,) = harness.hooks.report(NAME).conditions
    assert condition.reason == "RouteFight"
    harness.clock.advance(3 * WINDOW)
    harness.advertise(harness.routes())
    assert via_routes(harness) == whole
    assert harness.hooks.report(NAME).in_sync
    steal()
    assert via_routes(harness) == whole, "after a quiet time repairs are prompt again"


def test_who_does_it_once_a_minute_is_told_in_the_end(harness, steal):
    whole = via_routes(harness)
    for _ in range(PERSISTENT):
        assert harness.hooks.report(NAME).in_sync
        steal()
        assert via_routes(harness) == whole
        harness.clock.advance(WINDOW)
    (condition,) = harness.hooks.report(NAME).conditions
    assert condition.reason == "RouteFight"


def test_a_stopped_plugin_repairs_nothing(harness, steal):
    whole = via_routes(harness)
    harness.stop(StopReason.UPGRADE)
    steal()
    assert via_routes(harness) < whole


@pytest.mark.root
@pytest.mark.parametrize("family", [4, 6])
def test_on_linux_too_ours_comes_back_after_a_foreign_route(family):
    with at_work(NAME, FlannelRoute, world=NetnsWorld) as harness:
        harness.advertise(harness.routes())
        whole = via_routes(harness)
        theirs = foreign(min(route for route in whole if route.prefix.family == family))
        harness.world.interfere(Change(Verb.REPLACE, theirs))
        assert via_routes(harness) < whole
        eventually(lambda: [c.reason for c in harness.hooks.report(NAME).conditions] == ["ForeignRoute"])
        harness.world.interfere(Change(Verb.REMOVE, theirs))
        eventually(lambda: via_routes(harness) == whole)
        eventually(lambda: harness.hooks.report(NAME).in_sync)


def test_the_very_same_set_again_is_compared_with_the_kernel():
    """So the agent asks for it now and then, and when links change."""
    with working() as harness:
        routes = harness.routes()
        harness.advertise(routes)
        whole = via_routes(harness)
        harness.stop(StopReason.UPGRADE)  # nobody tells it of what strangers do from now on
        harness.world.interfere(Change(Verb.REMOVE, min(whole)))
        harness.advertise(replace(routes))
        assert via_routes(harness) != whole
        harness.advertise(routes)
        harness.advertise(routes)
        assert via_routes(harness) == whole
