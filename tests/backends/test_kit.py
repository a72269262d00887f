"""The kit itself: both worlds behave alike, end without a trace, and the faulty kernel refuses where it is told to."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pluggy import PluginValidationError

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import KernelError, Refused
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.plans import (
    HOST,
    PROTO,
    Change,
    FibRoute,
    Link,
    LinkAddress,
    LinkSetting,
    Plan,
    Rule,
    Step,
    Verb,
    Where,
)
from terway_edge.testing import FakeKernel
from terway_edge.testing.contract import at_work, laws
from terway_edge.testing.faulty_kernel import FaultyKernel
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.worlds import UPLINK, FakeWorld, World

POD_LINK = 1
POD_ADDRESS = Address.parse("127.0.0.9")


@pytest.fixture(params=[FakeWorld, pytest.param(NetnsWorld, marks=pytest.mark.root)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = request.param()
    yield made
    made.close()


def up0_route(text: str) -> FibRoute:
    return FibRoute(Prefix.parse(text), via=Address.parse("192.0.2.2"), link=UPLINK.ifindex)


# --- worlds -------------------------------------------------------------------------------------------------------


def test_a_world_has_the_uplink_it_speaks_of(world):
    link = next(link for link in world.kernel.dump(Link) if link.ifindex == UPLINK.ifindex)
    assert (link.name, link.mtu, link.up, link.carrier) == (UPLINK.name, UPLINK.mtu, True, True)
    addresses = {(a.address, a.length) for a in world.kernel.dump(LinkAddress, Where(link=UPLINK.ifindex))}
    assert set(UPLINK.addresses) <= addresses


def test_a_picture_shows_what_came_and_what_went(world):
    before = world.picture()
    route = up0_route("10.1.0.0/24")
    world.interfere(Change(Verb.ADD, route))
    assert {thing for _, thing in world.picture() - before} == {route}
    world.interfere(Change(Verb.REMOVE, route))
    assert world.picture() == before


def test_what_the_kernel_refuses_a_stranger_fails_the_test(world):
    with pytest.raises(AssertionError, match="refuses"):
        world.interfere(Change(Verb.ADD, up0_route("10.1.0.0/24")._replace(link=4242)))


def test_paths_of_namespaces_are_never_used_twice(world):
    first = world.create_netns()
    world.delete_netns(first)
    assert world.create_netns() != first
    with pytest.raises(Refused):
        world.kernel.dump(Link, Where(netns=first))


def test_the_host_reaches_itself_and_nobody_unknown(world):
    assert world.reaches(HOST, UPLINK.addresses[0][0])
    assert not world.reaches(HOST, Address.parse("192.0.2.77"))


def test_namespaces_are_apart(world):
    pod = world.create_netns()
    world.interfere(Change(Verb.REPLACE, LinkSetting(POD_LINK, up=True)), netns=pod)
    world.interfere(Change(Verb.ADD, LinkAddress(POD_LINK, POD_ADDRESS, 32)), netns=pod)
    assert world.reaches(pod, POD_ADDRESS)
    assert not world.reaches(pod, UPLINK.addresses[0][0])


@pytest.mark.root
def test_a_world_of_namespaces_ends_without_a_trace():
    def traces() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    NetnsWorld().close()  # imports and first threads
    before = traces()
    world = NetnsWorld()
    world.create_netns()
    directory = Path(world.create_netns()).parent
    assert traces() != before
    world.close()
    assert not directory.exists()
    assert traces() == before


# --- the faulty kernel --------------------------------------------------------------------------------------------


def routes_of(kernel) -> set[Prefix]:
    return {route.prefix for route in kernel.dump(FibRoute, Where(proto=PROTO))}


ROUTES = [up0_route(f"10.{third}.0.0/24") for third in range(4)]


@pytest.mark.parametrize("position", range(4))
def test_an_atomic_plan_is_undone_at_the_refused_change(world, position):
    kernel = FaultyKernel(world.kernel)
    kernel.refuse_after(position)
    steps = (Step(HOST, tuple(Change(Verb.ADD, route) for route in ROUTES[:2])),)
    steps += (Step(HOST, tuple(Change(Verb.ADD, route) for route in ROUTES[2:])),)
    with pytest.raises(KernelError):
        kernel.apply(Plan(steps))
    assert routes_of(kernel) == set()
    assert kernel.changes == 0
    kernel.apply(Plan(steps))
    assert kernel.changes == 4


@pytest.mark.parametrize("position", range(4))
def test_a_plan_that_is_not_atomic_goes_on_without_the_refused_change(position):
    world = FakeWorld()
    kernel = FaultyKernel(world.kernel)
    kernel.refuse_after(position)
    plan = Plan((Step(HOST, tuple(Change(Verb.ADD, route) for route in ROUTES)),), atomic=False)
    (failure,) = kernel.apply(plan)
    assert (failure.change.item, failure.errno) == (ROUTES[position], errno.ENOBUFS)
    assert routes_of(kernel) == {route.prefix for route in ROUTES} - {ROUTES[position].prefix}
    assert kernel.changes == 3
    assert not kernel.trust()


def test_a_refusal_waits_through_several_plans():
    kernel = FaultyKernel(FakeKernel())
    kernel.refuse_after(2)
    rules = [Rule(priority, 100) for priority in (1, 2, 3)]
    plans = [Plan((Step(HOST, (Change(Verb.ADD, rule),)),), atomic=False) for rule in rules]
    assert [len(kernel.apply(plan)) for plan in plans] == [0, 0, 1]


def test_a_refusal_that_never_came_is_told():
    kernel = FaultyKernel(FakeKernel())
    kernel.refuse_after(2)
    assert kernel.trust()
    assert not kernel.trust()


# --- the contract -------------------------------------------------------------------------------------------------


def test_capabilities_choose_the_laws():
    pods, routes = laws(), laws(serves_pods=False, programs_routes=True)
    assert len(pods) > 20
    assert len(routes) > 10
    assert not set(pods) & set(routes)
    assert set(laws(programs_routes=True)) == {*pods, *routes}


def test_every_law_has_a_name_of_its_own():
    names = [law.__name__ for law in laws(programs_routes=True)]
    assert len(names) == len(set(names))


class Misspelt:
    def __init__(self, context: object) -> None: ...

    @hookimpl
    def terway_edge_alocate(self, sandbox: object) -> None: ...


def test_a_misspelt_hook_is_found_before_any_law():
    with pytest.raises(PluginValidationError, match="terway_edge_alocate"), at_work("misspelt", Misspelt):
        pass
