"""Backends that plug pods wrongly, each in one way, and the law that finds it out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.core.datapath import attachment
from terway_edge.core.errors import KernelError, Refused
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.models import Discrepancy
from terway_edge.core.plans import COVER_METRIC, HOST, Change, FibRoute, Link, Plan, RouteKind, Step, Verb, Where
from terway_edge.testing.contract_pods import POD_LAWS


class AttachLies(FlannelRoute):
    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        return replace(super().terway_edge_attach(sandbox, lease, view), mtu=9000)


class AttachesHalf(FlannelRoute):
    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        half = replace(lease, addresses=lease.addresses[:1])
        return replace(super().terway_edge_attach(sandbox, half, view), addresses=lease.addresses)


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


class DoesNotForward(FlannelRoute):
    @hookimpl
    def terway_edge_start(self, view):
        self._sync_pools(view)


class CheckAlwaysFine(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return []


class CheckAlwaysRepairs(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return super().terway_edge_check(sandbox, lease, repair=True)


class CheckNeverRepairs(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return super().terway_edge_check(sandbox, lease, repair=False)


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


class AttachHidesTrouble(FlannelRoute):
    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        try:
            return super().terway_edge_attach(sandbox, lease, view)
        except Refused:
            return attachment(lease, 1500)


class AttachesOnlyOnce(FlannelRoute):
    @hookimpl
    def terway_edge_attach(self, sandbox, lease, view):
        if sandbox.key in self.__dict__.setdefault("seen", set()):
            raise Refused(f"{sandbox} was attached before")
        self.seen.add(sandbox.key)
        return super().terway_edge_attach(sandbox, lease, view)


class CheckAlwaysComplains(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return [*super().terway_edge_check(sandbox, lease, repair), Discrepancy("all is not as it was")]


class CheckNeedsTheNamespace(FlannelRoute):
    @hookimpl
    def terway_edge_check(self, sandbox, lease, repair):
        return super().terway_edge_check(sandbox, lease, repair) if sandbox.netns else []


class DetachNeedsTheNamespace(FlannelRoute):
    @hookimpl
    def terway_edge_detach(self, sandbox, lease):
        if sandbox.netns:
            self._context.kernel.dump(Link, Where(netns=sandbox.netns))
        super().terway_edge_detach(lease)


class UpgradeUnplugsPods(FlannelRoute):
    @hookimpl
    def terway_edge_stop(self, reason):
        for lease in self._context.ipam.leases():
            self.terway_edge_detach(lease)
        super().terway_edge_stop(reason)


BREAKS = {
    "attach_describes_what_it_made": AttachLies,
    "attach_makes_the_pod_reachable": AttachesHalf,
    "attach_leaves_nothing_on_failure": LeavesARouteOnFailure,
    "attach_without_a_namespace_leaves_nothing": AttachHidesTrouble,
    "attach_works_after_detach": AttachesOnlyOnce,
    "check_finds_nothing_after_attach": CheckAlwaysComplains,
    "check_finds_each_damage": CheckAlwaysFine,
    "check_finds_damage_of_the_host_without_a_namespace": CheckNeedsTheNamespace,
    "check_changes_nothing": CheckAlwaysRepairs,
    "check_mends_the_host": CheckNeverRepairs,
    "detach_makes_addresses_unreachable_at_once": DetachForgetsTheRoutes,
    "detach_leaves_nothing": DetachForgetsTheLink,
    "detach_twice_is_harmless": DetachNeedsTheLink,
    "detach_works_without_the_namespace": DetachNeedsTheNamespace,
    "restart_leaves_pods_alone": UpgradeUnplugsPods,
}


def test_every_law_has_a_backend_that_breaks_it():
    assert list(BREAKS) == [law.__name__ for law in POD_LAWS]


@pytest.mark.parametrize(("law", "fault"), BREAKS.items(), ids=BREAKS)
def test_a_fault_breaks_its_law(law, fault, breaks):
    breaks(law, fault)


def test_a_node_that_does_not_forward_is_found_out(breaks):
    breaks("attach_makes_the_pod_reachable", DoesNotForward)
