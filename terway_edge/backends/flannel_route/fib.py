"""The kernel's forwarding table made equal to a RouteSet, and kept so."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from terway_edge.core.addresses import Prefix
from terway_edge.core.delta import Delta, delta
from terway_edge.core.drift import Fights
from terway_edge.core.models import Condition, RouteSet
from terway_edge.core.plans import (
    COVER_METRIC,
    HOST,
    MAIN,
    PROTO,
    Change,
    Failure,
    FibRoute,
    Plan,
    RouteKind,
    Step,
    Verb,
    Where,
)
from terway_edge.core.ports import Clock, Event, Events, Happening, Kernel, KernelEvent, Severity

FibKey = tuple[Prefix, int]
"""(prefix, metric): what tells routes of one table apart."""
HARMLESS = (Happening.NEIGHBOUR_REMOVED, Happening.RULE_REMOVED)
"""All else may have cost us routes: a link that goes down takes along some of which nobody tells."""
QUIET = 60.0  # seconds until a repair of the same route is an event again


class Fib:
    """Our routes in the main table, except those to pods of this node (they belong to the leases)."""

    def __init__(self, kernel: Kernel, clock: Clock, events: Events) -> None:
        self._kernel = kernel
        self._clock = clock
        self._events = events
        self._desired: dict[FibKey, FibRoute] = {}
        self._happenings = 0
        self._known: tuple[int, dict[FibKey, FibRoute]] = (0, {})
        """What the kernel has while so many happenings were told; nothing: it is not known."""
        self._refusals: dict[FibKey, Condition] = {}
        self._fights = Fights()
        self._told_at: dict[FibKey, float] = {}
        self.repairs = 0

    def set(self, wanted: Iterable[FibRoute], *, prune: bool, look: bool = True) -> None:
        """Make the kernel's table equal to `wanted`; without `prune` nothing is removed. Equal input changes
        nothing; what the kernel refuses is told by `conditions` and tried again with the next set.

        :param look: compare with what the kernel has, even if nothing happened there since the last time
        """
        desired = {(route.prefix, route.metric): route for route in wanted}  # `key_of`, without thousands of calls
        self._desired = desired  # before the kernel: the listener must not mend what is being removed
        now = self._happenings
        (at, known), self._known = self._known, (now, {})
        is_known = bool(known) and at == now and not look
        failures = self._change(delta(known, desired), prune=prune) if is_known else ()
        if failures or not is_known:
            failures = self._change(delta(self._look(), desired), prune=prune)
        self._known = (now, {} if failures or not prune else desired)
        self._refusals = dict(map(_refusal, failures))
        self._told_at = {key: at for key, at in list(self._told_at.items()) if key in desired}

    def _look(self) -> dict[FibKey, FibRoute]:
        found = self._kernel.dump(FibRoute, Where(table=MAIN, proto=PROTO))
        return {key_of(route): route for route in found if belongs_here(route)}

    def _change(self, change: Delta[FibRoute], *, prune: bool) -> tuple[Failure, ...]:
        return self._kernel.apply(fib_plan(change, prune=prune)) if change else ()

    def on_event(self, event: KernelEvent) -> None:
        """Keep a wanted route in force: put it back once it, or a foreign one in its place, was removed."""
        if event.what not in HARMLESS:
            self._happenings += 1
        route = event.item
        if not isinstance(route, FibRoute) or route.table != MAIN:
            return
        wanted = self._desired.get(key_of(route))
        if wanted is None:
            return
        if event.what is Happening.ROUTE_ADDED and route.proto != PROTO:
            # It may have replaced ours, of which the kernel says nothing.
            self._refusals[key_of(wanted)] = _foreign(wanted)
        elif event.what is Happening.ROUTE_REMOVED and self._fights.may_repair(wanted.prefix, self._clock.now()):
            self._repair(wanted)

    def _repair(self, wanted: FibRoute) -> None:
        failures = self._kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, wanted),)),), atomic=False))
        for failure in failures:
            if failure.errno != errno.EEXIST:  # another foreign route, or `set` was faster: the next set tells
                self._refusals.update([_refusal(failure)])
            return
        key, now = key_of(wanted), self._clock.now()
        self._refusals.pop(key, None)
        self._fights.mended(wanted.prefix, now)
        self.repairs += 1
        if key not in self._told_at or now - self._told_at[key] >= QUIET:
            self._told_at[key] = now
            message = "the route was removed by another process and is back: 'ip monitor route' shows who does it"
            self._events.emit(Event("RouteRepaired", str(wanted.prefix), message, Severity.WARNING))

    @property
    def size(self) -> int:
        return len(self._desired)

    def conditions(self) -> list[Condition]:
        """What the kernel refused, and who fights us over what."""
        fought = [
            Condition(
                "RouteFight",
                str(prefix),
                "another process keeps removing this route; the oftener it does, the later it is put back: find it "
                "with 'ip monitor route' and stop it",
            )
            for prefix in self._fights.fought_over(self._clock.now())
        ]
        return [*list(self._refusals.values()), *fought]  # a copy: the listener may be adding one


def key_of(route: FibRoute) -> FibKey:
    return (route.prefix, route.metric)


def belongs_here(route: FibRoute) -> bool:
    """True for routes to other nodes and cover routes; False for those straight to a pod's link."""
    return route.via is not None or route.kind is RouteKind.UNREACHABLE


def cover(prefix: Prefix) -> FibRoute:
    """Catches what is sent to addresses of our own pod CIDR that no pod has; any other route wins over it."""
    return FibRoute(prefix, kind=RouteKind.UNREACHABLE, metric=COVER_METRIC)


def fib_routes(routes: RouteSet, uplink: int, own: Iterable[Prefix]) -> list[FibRoute]:
    """The whole table of this backend: the set's routes over the uplink, and a cover for each own pod CIDR."""
    over = [FibRoute(route.prefix, via=route.next_hop, link=uplink) for route in routes.routes] if uplink else []
    return over + [cover(prefix) for prefix in own]


def fib_plan(change: Delta[FibRoute], *, prune: bool) -> Plan:
    """Additions first, so that no packet falls between an old and a new route."""
    changes = [Change(Verb.ADD, route) for route in change.add]
    changes += [Change(Verb.REPLACE, route) for route in change.replace]
    if prune:
        changes += [Change(Verb.REMOVE, route) for route in change.remove]
    return Plan((Step(HOST, tuple(changes)),), atomic=False)


def _refusal(failure: Failure) -> tuple[FibKey, Condition]:
    route = failure.change.item
    assert isinstance(route, FibRoute)
    if failure.errno == errno.EEXIST:
        return key_of(route), _foreign(route)
    message = f"the kernel refused the route via {route.via}: {failure.message}"
    return key_of(route), Condition("RouteRefused", str(route.prefix), message)


def _foreign(wanted: FibRoute) -> Condition:
    return Condition(
        "ForeignRoute",
        str(wanted.prefix),
        f"a route to it exists that is not ours and was left alone: see 'ip route show {wanted.prefix}'",
    )
