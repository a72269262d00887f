"""What an uninstallation tells plugins and takes out of the kernel, and how it tells what stays."""

from importlib.metadata import EntryPoint

import pytest

from terway_edge.agent.leaving import Told, remove_routes, routes_of_ours, stop_plugins, unplug_pods
from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import StopReason
from terway_edge.core.plans import PROTO, FibRoute
from terway_edge.core.plugins import GROUP, find_plugins
from terway_edge.testing.faulty_kernel import FaultyKernel
from terway_edge.testing.harness import make_context
from tests.agent.rig import Rig, make_kernel

reasons = []


class Leaves:
    def __init__(self, context):
        reasons.clear()

    @hookimpl
    def terway_edge_stop(self, reason):
        reasons.append(reason)


class Stuck:
    def __init__(self, context):
        pass

    @hookimpl
    def terway_edge_stop(self, reason):
        raise Retry("the cloud is away")


class Silent:
    def __init__(self, context):
        pass


class Broken:
    def __init__(self, context):
        raise ValueError("no such luck")


def stop(*plugins):
    found = find_plugins(
        candidates=[EntryPoint(p.__name__.lower(), f"{__name__}:{p.__name__}", GROUP) for p in plugins]
    )
    return list(stop_plugins(found, make_context(make_kernel())))


def test_each_plugin_with_a_stop_hook_is_told_why_and_one_that_fails_harms_no_other():
    assert stop(Broken, Leaves, Silent, Stuck) == [
        Told("plugin broken cannot be used and was not told: ValueError: no such luck", is_done=False),
        Told("plugin leaves removed what is its own"),
        Told("plugin stuck could not remove what is its own: the cloud is away", is_done=False),
    ]
    assert reasons == [StopReason.UNINSTALL]


def test_pods_are_unplugged_and_counted():
    rig = Rig()
    rig.add("a")
    rig.add("b")
    assert unplug_pods(rig.kernel) == Told("removed 2 pod links")
    assert rig.link("a") is rig.link("b") is None
    assert unplug_pods(rig.kernel) == Told("removed 0 pod links")


def test_links_that_stay_are_named():
    rig = Rig(make_kernel(unplug_at_once=False))
    rig.add("a")
    assert unplug_pods(Deaf(rig.kernel)) == Told(
        f"removed 0 pod links, 1 stay: {rig.link('a').name}", is_done=False
    )  # fmt: skip


class Deaf(FaultyKernel):
    def unplug(self, keys):
        """Nothing can be deleted."""


@pytest.fixture
def routed():
    kernel = make_kernel()
    uplink = kernel.create_link("up1").ifindex
    for number in range(3):
        kernel.foreign_add(FibRoute(Prefix.parse(f"10.7.{number}.0/24"), link=uplink, proto=PROTO))
    kernel.foreign_add(FibRoute(Prefix.parse("10.8.0.0/24"), link=uplink, proto=4))
    return kernel


def test_routes_of_ours_are_removed_and_those_of_others_stay(routed):
    assert remove_routes(routed, 5) == Told("removed 5 routes and rules"), "two went with the plugins"
    assert routes_of_ours(routed) == []
    assert [str(route.prefix) for route in routed.dump(FibRoute) if route.proto == 4] == ["10.8.0.0/24"]


def test_routes_that_stay_are_counted_and_told(routed):
    kernel = FaultyKernel(routed)
    kernel.refuse_after(1)
    told = remove_routes(kernel, 3)
    assert not told.is_done
    assert told.text.startswith("removed 2 routes and rules, 1 stay: ")
    (left,) = routes_of_ours(routed)
    assert str(left.prefix) in told.text
