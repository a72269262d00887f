"""Whatever the kernel has and whatever is wanted: afterwards both are equal, and nothing of others has changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.backends.flannel_route.fib import Fib, belongs_here, cover, fib_plan, fib_routes, key_of
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.delta import delta
from terway_edge.core.models import Route, RouteSet
from terway_edge.core.plans import PROTO, Change, FibRoute, Verb, Where
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.testing import FakeClock
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.worlds import UPLINK, FakeWorld

PREFIXES = [Prefix.parse(text) for text in ("10.1.0.0/24", "10.2.0.0/24", "10.2.0.0/16", "2001:db8:a::/64")]
GATEWAYS = {4: ("192.0.2.2", "192.0.2.3"), 6: ("2001:db8::2", "2001:db8::3")}


def wanted_route(prefix: Prefix, gateway: int) -> FibRoute:
    return FibRoute(prefix, via=Address.parse(GATEWAYS[prefix.family][gateway]), link=UPLINK.ifindex)


tables = st.dictionaries(st.sampled_from(PREFIXES), st.integers(0, 1)).map(
    lambda chosen: [wanted_route(prefix, gateway) for prefix, gateway in chosen.items()]
)


def via(kernel) -> set[FibRoute]:
    return {route for route in kernel.dump(FibRoute, Where(proto=PROTO)) if belongs_here(route)}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(tables, st.booleans()), min_size=1, max_size=5))
def test_the_table_becomes_what_is_wanted_and_keeps_more_only_without_pruning(sets):
    world = FakeWorld()
    fib = Fib(world.kernel, FakeClock(), RecordedEvents())
    have: dict = {}
    for wanted, prune in sets:
        fib.set(wanted, prune=prune)
        desired = {key_of(route): route for route in wanted}
        have = desired if prune else {**have, **desired}
        assert via(world.kernel) == set(have.values())
        assert fib.conditions() == []
        changes = world.kernel.changes
        fib.set(wanted, prune=prune)
        assert world.kernel.changes == changes


@given(tables, tables)
def test_additions_come_before_removals(before, after):
    plan = fib_plan(delta({key_of(r): r for r in before}, {key_of(r): r for r in after}), prune=True)
    verbs = [change.verb for step in plan.steps for change in step.changes]
    assert verbs == sorted(verbs, key=[Verb.ADD, Verb.REPLACE, Verb.REMOVE].index)
    assert not plan.atomic


def test_routes_go_over_the_uplink_and_each_own_pod_cidr_has_a_cover():
    own = (Prefix.parse("10.9.0.0/24"),)
    route = Route(PREFIXES[0], Address.parse("192.0.2.2"), "node-b")
    assert fib_routes(RouteSet((route,)), 10, own) == [
        FibRoute(route.prefix, via=route.next_hop, link=10),
        cover(own[0]),
    ]
    assert fib_routes(RouteSet((route,)), 0, own) == [cover(own[0])]


def test_any_other_route_wins_over_a_cover():
    world = FakeWorld()
    prefix = Prefix.parse("192.0.2.0/24")  # the uplink's own subnet: the worst that a pod CIDR can be
    Fib(world.kernel, FakeClock(), RecordedEvents()).set([cover(prefix)], prune=True)
    trace = world.kernel.trace("", Address.parse("192.0.2.77"))
    assert trace.hops == ("host: 192.0.2.0/24 via link dev up0",)


def test_routes_to_pods_belong_to_their_leases():
    assert not belongs_here(FibRoute(Prefix.parse("10.9.0.1/32"), link=7))


@pytest.mark.parametrize("what", [Happening.ROUTE_ADDED, Happening.ROUTE_REMOVED])
def test_news_of_a_route_that_is_in_force_is_no_trouble(what):
    world, events = FakeWorld(), RecordedEvents()
    fib, ours = Fib(world.kernel, FakeClock(), events), wanted_route(PREFIXES[0], 0)
    fib.set([ours], prune=True)
    fib.on_event(KernelEvent(what, ours))
    assert (fib.conditions(), fib.repairs, events.seen) == ([], 0, [])
    assert via(world.kernel) == {ours}


def test_between_looks_a_new_set_is_compared_with_the_last_one():
    """A dump of thousands of routes takes longer than all the rest."""
    world = FakeWorld()
    fib = Fib(world.kernel, FakeClock(), RecordedEvents())  # nobody tells it of what others do
    first, second, _, third = (wanted_route(prefix, 0) for prefix in PREFIXES)
    fib.set([first, second], prune=True)
    world.interfere(Change(Verb.REMOVE, first))
    fib.set([first, third], prune=True, look=False)
    assert via(world.kernel) == {third}
    fib.set([first, third], prune=True)
    assert via(world.kernel) == {first, third}


@pytest.mark.parametrize("what", [Happening.LINK_CHANGED, Happening.OVERRUN, Happening.NEIGHBOUR_REMOVED])
def test_what_may_have_taken_routes_along_makes_the_next_set_a_look(what):
    world = FakeWorld()
    fib = Fib(world.kernel, FakeClock(), RecordedEvents())
    first, second = wanted_route(PREFIXES[0], 0), wanted_route(PREFIXES[1], 0)
    fib.set([first], prune=True)
    world.interfere(Change(Verb.REMOVE, first))
    fib.on_event(KernelEvent(what))
    fib.set([first, second], prune=True, look=False)
    harmless = what is Happening.NEIGHBOUR_REMOVED
    assert via(world.kernel) == ({second} if harmless else {first, second})


def test_after_a_refusal_the_next_set_is_a_look():
    world = FakeWorld()
    fib = Fib(world.kernel, FakeClock(), RecordedEvents())
    first, second, _, third = (wanted_route(prefix, 0) for prefix in PREFIXES)
    foreign = second._replace(proto=4)
    fib.set([first], prune=True)
    world.interfere(Change(Verb.ADD, foreign))
    fib.set([first, second], prune=True, look=False)
    assert [condition.reason for condition in fib.conditions()] == ["ForeignRoute"]
    world.interfere(Change(Verb.REMOVE, foreign), Change(Verb.REMOVE, first))
    fib.set([first, second, third], prune=True, look=False)
    assert via(world.kernel) == {first, second, third}
    assert fib.conditions() == []
