"""Backends that hand out addresses wrongly, each in one way, and the law that finds it out."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.core.errors import Refused, Retry
from terway_edge.core.hookspecs import hookimpl
from terway_edge.core.ipam import Ipam
from terway_edge.core.plans import COVER_METRIC, HOST, Change, FibRoute, Plan, RouteKind, Step, Verb
from terway_edge.testing import MemoryStore
from terway_edge.testing.contract_addresses import ADDRESS_LAWS


class StartsOnce(FlannelRoute):
    @hookimpl
    def terway_edge_start(self, view):
        if self._subscription is None:
            super().terway_edge_start(view)


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
    def terway_edge_start(self, view):
        only = tuple(prefix for prefix in view.node.pod_cidrs if prefix.family == 4)
        super().terway_edge_start(replace(view, node=view.node._replace(pod_cidrs=only)))


class ForgetsToRecord(FlannelRoute):
    def __init__(self, context):
        super().__init__(replace(context, ipam=Ipam(MemoryStore(), context.clock)))


class NoCoolDown(FlannelRoute):
    def __init__(self, context):
        super().__init__(replace(context, ipam=Ipam(MemoryStore(), context.clock, cooldown=0)))


class MixesUpThreads(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        self._sandbox = sandbox
        time.sleep(0.001)
        return super().terway_edge_allocate(self._sandbox, view)


class CallsItselfOtherwise(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        return replace(super().terway_edge_allocate(sandbox, view), backend="flannel")


class TriesAgainByItself(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        try:
            return super().terway_edge_allocate(sandbox, view)
        except Retry:
            return super().terway_edge_allocate(sandbox, view)


class AllocateAddsARoute(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        lease = super().terway_edge_allocate(sandbox, view)
        cover = FibRoute(lease.addresses[0].host, kind=RouteKind.UNREACHABLE, metric=COVER_METRIC)
        self._context.kernel.apply(Plan((Step(HOST, (Change(Verb.REPLACE, cover),)),), atomic=False))
        return lease


class RefusesWhenFull(FlannelRoute):
    @hookimpl
    def terway_edge_allocate(self, sandbox, view):
        try:
            return super().terway_edge_allocate(sandbox, view)
        except Retry as error:
            raise Refused(str(error)) from error


class NeverReleases(FlannelRoute):
    @hookimpl
    def terway_edge_release(self, lease):
        pass


class ReleaseHidesTrouble(FlannelRoute):
    @hookimpl
    def terway_edge_release(self, lease):
        with suppress(Retry):
            super().terway_edge_release(lease)


class ReleaseWantsALease(FlannelRoute):
    @hookimpl
    def terway_edge_release(self, lease):
        if lease not in self._context.ipam.leases():
            raise Refused(f"{lease} is not held")
        super().terway_edge_release(lease)


class ReleasesByKey(FlannelRoute):
    @hookimpl
    def terway_edge_release(self, lease):
        self._context.ipam.release(lease.key)


BREAKS = {
    "allocate_is_idempotent": FreshLeaseEachTime,
    "allocate_never_shares_an_address": OneAddressForAll,
    "allocate_may_be_called_from_many_threads": MixesUpThreads,
    "allocate_gives_one_address_of_each_family": OnlyIPv4,
    "allocate_names_sandbox_and_backend": CallsItselfOtherwise,
    "allocate_records_the_lease": ForgetsToRecord,
    "allocate_holds_nothing_without_a_record": TriesAgainByItself,
    "allocate_changes_nothing_in_the_kernel": AllocateAddsARoute,
    "exhaustion_is_a_retry": RefusesWhenFull,
    "release_lets_addresses_cool_down": NoCoolDown,
    "release_is_recorded": NeverReleases,
    "release_keeps_the_lease_without_a_record": ReleaseHidesTrouble,
    "release_twice_is_harmless": ReleaseWantsALease,
    "release_of_an_old_lease_spares_the_new_one": ReleasesByKey,
    "restart_remembers_leases": ForgetsToRecord,
    "start_again_brings_dropped_pools_back": StartsOnce,
}


def test_every_law_has_a_backend_that_breaks_it():
    assert list(BREAKS) == [law.__name__ for law in ADDRESS_LAWS]


@pytest.mark.parametrize(("law", "fault"), BREAKS.items(), ids=BREAKS)
def test_a_fault_breaks_its_law(law, fault, breaks):
    breaks(law, fault)
