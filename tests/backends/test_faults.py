"""Backends with one fault each, such as their authors really make, break the law that is about it; the sound one does
not: the laws have teeth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.core.errors import EdgeError, KernelError, Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import RouteSet, StopReason
from terway_edge.core.plans import COVER_METRIC, HOST, MAIN, PROTO, Change, FibRoute, Plan, RouteKind, Step, Verb, Where
from terway_edge.testing import MemoryStore
from terway_edge.testing.contract import at_work, laws
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.worlds import FakeWorld, World


class FreshLeaseEachTime(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        self.terway_edge_release(super().terway_edge_allocate(sandbox, view))
        return super().terway_edge_allocate(replace(sandbox, pod_uid=""), view)


class OneAddressForAll(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        held = self._context.ipam.leases()
        return replace(held[0], sandbox=sandbox) if held else super().terway_edge_allocate(sandbox, view)


class OnlyIPv4(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        only = tuple(prefix for prefix in view.node.pod_cidrs if prefix.family == 4)
        return super().terway_edge_allocate(sandbox, replace(view, node=view.node._replace(pod_cidrs=only)))


class ForgetsToRecord(FlannelRoute):
    def __init__(self, context):
        super().__init__(replace(context, ipam=Ipam(MemoryStore(), context.clock)))


class NoCoolDown(FlannelRoute):
    def __init__(self, context):
        super().__init__(replace(context, ipam=Ipam(MemoryStore(), context.clock, cooldown=0)))


class LeavesARouteOnFailure(FlannelRoute):
    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        cover = FibRoute(lease.addresses[0].host, kind=RouteKind.UNREACHABLE, metric=COVER_METRIC)
        self._apply(Change(Verb.REPLACE, cover))
        attachment = super().terway_edge_attach(sandbox, lease, view)
        self._apply(Change(Verb.REMOVE, cover))
        return attachment

    def _apply(self, change):
        self._context.kernel.apply(Plan((Step(HOST, (change,)),), atomic=False))


class AttachLies(FlannelRoute):
    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        return replace(super().terway_edge_attach(sandbox, lease, view), mtu=9000)


class AttachesHalf(FlannelRoute):
    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        half = replace(lease, addresses=lease.addresses[:1])
        return replace(super().terway_edge_attach(sandbox, half, view), addresses=lease.addresses)


class DoesNotForward(FlannelRoute):
    @hookimpl
    def terway_edge_start(self, view):
        self._sync_pools(view)


class DetachForgetsTheRoutes(FlannelRoute):
    @hookimpl
    def terway_edge_detach(self, lease):
        self._context.kernel.unplug([lease.key])


class DetachForgetsTheLink(FlannelRoute):
    @hookimpl
    def terway_edge_detach(self, lease):
        changes = tuple(Change(Verb.REMOVE, FibRoute(address.host)) for address in lease.addresses)
        self._context.kernel.apply(Plan((Step(HOST, changes),), atomic=False))


class DetachNeedsTheLink(FlannelRoute):
    @hookimpl
    def terway_edge_detach(self, sandbox, lease):
        if self.terway_edge_check(replace(sandbox, netns=""), lease, repair=False):
            raise KernelError("the link is gone", errno=19)
        super().terway_edge_detach(lease)


class CheckAlwaysFine(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return []


class CheckNeverRepairs(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return super().terway_edge_check(sandbox, lease, repair=False)


class CheckAlwaysRepairs(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return super().terway_edge_check(sandbox, lease, repair=True)


class DeletesForeignRoutes(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        kernel = self._context.kernel
        wanted = {route.prefix for route in routes.routes}
        foreign = [r for r in kernel.dump(FibRoute, Where(table=MAIN)) if r.via and r.prefix not in wanted]
        kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, route) for route in foreign)),), atomic=False))
        super().terway_edge_advertise(routes, view)


class PrunesTooEarly(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(replace(routes, in_sync=True), view)


class NeverPrunes(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(replace(routes, in_sync=False), view)


class PrunesPods(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(routes, view)
        kernel = self._context.kernel
        pods = [
            route for route in kernel.dump(FibRoute, Where(table=MAIN, proto=PROTO)) if route.link and not route.via
        ]
        kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, route) for route in pods)),), atomic=False))


class WritesEverythingAgain(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(RouteSet(), view)
        super().terway_edge_advertise(routes, view)


class GivesUpAtTheFirstRefusal(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(routes, view)
        if conditions := self._fib.conditions():
            raise Retry(conditions[0].message)


class ReportsPeace(FlannelRoute):
    @hookimpl
    def terway_edge_report(self):
        return replace(super().terway_edge_report(), in_sync=True, conditions=())


class UpgradeCleansUp(FlannelRoute):
    @hookimpl
    def terway_edge_stop(self, reason):
        super().terway_edge_stop(StopReason.UNINSTALL)


class UninstallLeavesRoutes(FlannelRoute):
    @hookimpl
    def terway_edge_stop(self, reason):
        super().terway_edge_stop(StopReason.UPGRADE)


BROKEN_BY = {
    FreshLeaseEachTime: "allocate_is_idempotent",
    OneAddressForAll: "allocate_never_shares_an_address",
    OnlyIPv4: "allocate_gives_one_address_of_each_family",
    ForgetsToRecord: "allocate_records_the_lease",
    NoCoolDown: "release_lets_addresses_cool_down",
    LeavesARouteOnFailure: "attach_leaves_nothing_on_failure",
    AttachLies: "attach_describes_what_it_made",
    AttachesHalf: "attach_makes_the_pod_reachable",
    DetachForgetsTheRoutes: "detach_makes_addresses_unreachable_at_once",
    DetachForgetsTheLink: "detach_leaves_nothing",
    DetachNeedsTheLink: "detach_twice_is_harmless",
    CheckAlwaysFine: "check_finds_each_damage",
    CheckNeverRepairs: "check_mends_the_host",
    CheckAlwaysRepairs: "check_changes_nothing",
    DeletesForeignRoutes: "advertise_leaves_foreign_routes_alone",
    PrunesTooEarly: "advertise_prunes_nothing_before_it_is_in_sync",
    NeverPrunes: "advertise_withdraws_what_is_not_in_the_set",
    PrunesPods: "advertise_leaves_pods_alone",
    WritesEverythingAgain: "advertise_twice_changes_nothing",
    GivesUpAtTheFirstRefusal: "advertise_reports_a_refused_route_and_applies_the_rest",
    ReportsPeace: "advertise_reports_a_foreign_route_in_its_way",
    UpgradeCleansUp: "restart_knows_its_own_routes",
    UninstallLeavesRoutes: "uninstall_removes_its_routes_and_no_others",
    DoesNotForward: "attach_makes_the_pod_reachable",
}
LAWS = {law.__name__: law for law in laws(programs_routes=True)}


def run(law: str, backend: type, world: Callable[[], World]) -> None:
    with at_work("flannel_route", backend, world=world) as harness:
        LAWS[law](harness)


@pytest.mark.parametrize("world", [FakeWorld, pytest.param(NetnsWorld, marks=pytest.mark.root)])
@pytest.mark.parametrize(("fault", "law"), BROKEN_BY.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_fault_breaks_its_law(fault, law, world):
    run(law, FlannelRoute, world)
    with pytest.raises((AssertionError, EdgeError)) as caught:
        run(law, fault, world)
    assert str(caught.value), "a broken law says what is wrong"
