"""Backends that keep routes wrongly, each in one way, and the law that finds it out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.core.errors import Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import RouteSet, StopReason
from terway_edge.core.plans import HOST, MAIN, PROTO, Change, FibRoute, Plan, Step, Verb, Where
from terway_edge.testing.contract_routes import ROUTE_LAWS


class WritesEverythingAgain(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(RouteSet(), view)
        super().terway_edge_advertise(routes, view)


class NeverPrunes(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(replace(routes, in_sync=False), view)


class PrunesTooEarly(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(replace(routes, in_sync=True), view)


class DeletesForeignRoutes(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        kernel = self._context.kernel
        wanted = {route.prefix for route in routes.routes}
        foreign = [r for r in kernel.dump(FibRoute, Where(table=MAIN)) if r.via and r.prefix not in wanted]
        kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, route) for route in foreign)),), atomic=False))
        super().terway_edge_advertise(routes, view)


class ReportsPeace(FlannelRoute):
    @hookimpl
    def terway_edge_report(self):
        return replace(super().terway_edge_report(), in_sync=True, conditions=())


class GivesUpAtTheFirstRefusal(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(routes, view)
        if conditions := self._fib.conditions():
            raise Retry(conditions[0].message)


class PrunesPods(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        super().terway_edge_advertise(routes, view)
        kernel = self._context.kernel
        pods = [
            route for route in kernel.dump(FibRoute, Where(table=MAIN, proto=PROTO)) if route.link and not route.via
        ]
        kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, route) for route in pods)),), atomic=False))


class UpgradeCleansUp(FlannelRoute):
    @hookimpl
    def terway_edge_stop(self, reason):
        super().terway_edge_stop(StopReason.UNINSTALL)


class UninstallLeavesRoutes(FlannelRoute):
    @hookimpl
    def terway_edge_stop(self, reason):
        super().terway_edge_stop(StopReason.UPGRADE)


class ForgetsIPv6(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        some = tuple(route for route in routes.routes if route.prefix.family == 4)
        super().terway_edge_advertise(replace(routes, routes=some), view)


class KeepsTheFirstNextHop(FlannelRoute):
    @hookimpl
    def terway_edge_advertise(self, routes, view):
        first = self.__dict__.setdefault("first", {})
        kept = tuple(first.setdefault(route.prefix, route) for route in routes.routes)
        super().terway_edge_advertise(replace(routes, routes=kept), view)


class TrustsItsMemory(FlannelRoute):
    @hookimpl
    def terway_edge_start(self, view):
        super().terway_edge_start(view)
        self._subscription.close()
        self._last = None

    @hookimpl
    def terway_edge_advertise(self, routes, view):
        if routes != self._last:
            super().terway_edge_advertise(routes, view)
        self._last = routes


BREAKS = {
    "advertise_puts_every_route_in_force": ForgetsIPv6,
    "advertise_twice_changes_nothing": WritesEverythingAgain,
    "advertise_withdraws_what_is_not_in_the_set": NeverPrunes,
    "advertise_changes_next_hops": KeepsTheFirstNextHop,
    "advertise_prunes_nothing_before_it_is_in_sync": PrunesTooEarly,
    "advertise_puts_back_what_a_stranger_removed": TrustsItsMemory,
    "advertise_leaves_foreign_routes_alone": DeletesForeignRoutes,
    "advertise_reports_a_foreign_route_in_its_way": ReportsPeace,
    "advertise_reports_a_refused_route_and_applies_the_rest": GivesUpAtTheFirstRefusal,
    "advertise_leaves_pods_alone": PrunesPods,
    "restart_knows_its_own_routes": UpgradeCleansUp,
    "uninstall_removes_its_routes_and_no_others": UninstallLeavesRoutes,
}


def test_every_law_has_a_backend_that_breaks_it():
    assert list(BREAKS) == [law.__name__ for law in ROUTE_LAWS]


@pytest.mark.parametrize(("law", "fault"), BREAKS.items(), ids=BREAKS)
def test_a_fault_breaks_its_law(law, fault, breaks):
    breaks(law, fault)
