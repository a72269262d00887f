"""Laws of advertise, report and stop for a plugin that keeps routes in the host's main table."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Lease, Report, Route, RouteSet, StopReason
from terway_edge.core.plans import HOST, MAIN, PROTO, Change, FibRoute, Verb, Where
from terway_edge.testing.expectations import expect_same, expect_unchanged, host_routes
from terway_edge.testing.harness import Harness
from terway_edge.testing.worlds import UPLINK

STATIC = 4  # RTPROT_STATIC: an administrator's route
FOREIGN_GATEWAYS = {4: Address.parse("192.0.2.200"), 6: Address.parse("2001:db8::200")}
UNREACHABLE_GATEWAYS = {4: Address.parse("198.51.100.9"), 6: Address.parse("2001:db8:dead::9")}
ELSEWHERE = (Prefix.parse("203.0.113.0/24"), Prefix.parse("2001:db8:5555::/48"))


def advertise_puts_every_route_in_force(harness: Harness) -> None:
    routes = harness.routes()
    harness.advertise(routes)
    _expect_in_force(harness, routes)
    report = _report(harness)
    assert report.plugin == harness.name, f"the report is about {report.plugin!r}, the plugin is {harness.name!r}"
    assert report.in_sync, f"every route is in force, but the report says {report}"


def advertise_twice_changes_nothing(harness: Harness) -> None:
    harness.advertise(harness.routes())
    before, changes = harness.world.picture(), harness.kernel.changes
    harness.advertise(harness.routes())
    sent = harness.kernel.changes - changes
    assert not sent, f"an equal set of routes made {sent} changes in the kernel"
    expect_same(before, harness.world.picture(), "an equal set of routes was advertised")


def advertise_withdraws_what_is_not_in_the_set(harness: Harness) -> None:
    harness.advertise(harness.routes((2, 3)))
    harness.advertise(harness.routes((2,)))
    _expect_in_force(harness, harness.routes((2,)))
    _expect_gone(harness, harness.routes((3,)))


def advertise_changes_next_hops(harness: Harness) -> None:
    routes = harness.routes()
    harness.advertise(routes)
    moved = tuple(route._replace(next_hop=FOREIGN_GATEWAYS[route.prefix.family]) for route in routes.routes)
    harness.advertise(replace(routes, routes=moved))
    _expect_in_force(harness, replace(routes, routes=moved))


def advertise_prunes_nothing_before_it_is_in_sync(harness: Harness) -> None:
    harness.advertise(harness.routes((3,)))
    harness.advertise(replace(harness.routes((2,)), in_sync=False))
    _expect_in_force(harness, harness.routes((2, 3)))


def advertise_puts_back_what_a_stranger_removed(harness: Harness) -> None:
    routes = harness.routes()
    harness.advertise(routes)
    for route in _routes_to(harness, routes):
        harness.world.interfere(Change(Verb.REMOVE, route))
    harness.advertise(routes)
    _expect_in_force(harness, routes)


def advertise_leaves_foreign_routes_alone(harness: Harness) -> None:
    theirs = {_foreign(prefix) for prefix in ELSEWHERE}
    harness.world.interfere(*(Change(Verb.ADD, route) for route in theirs))
    for routes in (harness.routes(), harness.routes((2,)), RouteSet()):
        harness.advertise(routes)
        _expect_untouched(harness, theirs)


def advertise_reports_a_foreign_route_in_its_way(harness: Harness) -> None:
    taken, free = harness.routes((2,)), harness.routes((3,))
    theirs = {_foreign(route.prefix) for route in taken.routes}
    harness.world.interfere(*(Change(Verb.ADD, route) for route in theirs))
    harness.advertise(harness.routes())
    _expect_untouched(harness, theirs)
    _expect_in_force(harness, free)
    _expect_reported(harness, taken.routes)
    harness.advertise(free)
    _expect_untouched(harness, theirs)


def advertise_reports_a_refused_route_and_applies_the_rest(harness: Harness) -> None:
    good = harness.routes((3,))
    bad = tuple(Route(prefix, UNREACHABLE_GATEWAYS[prefix.family], "node-x") for prefix in ELSEWHERE)
    harness.advertise(RouteSet((*bad, *good.routes)))
    _expect_in_force(harness, good)
    _expect_reported(harness, bad)
    harness.advertise(good)
    assert _report(harness).in_sync, "the refused routes are no longer wanted, but the report is not in sync"


def advertise_leaves_pods_alone(harness: Harness) -> None:
    sandbox = harness.sandbox()
    addresses = tuple(Address(prefix.family, prefix.first + 5) for prefix in harness.view.node.pod_cidrs)
    harness.context.plumbing.attach(sandbox, Lease(sandbox, addresses, "another", (), 0.0), 1400)
    for routes in (harness.routes(), RouteSet()):
        harness.advertise(routes)
        for address in addresses:
            assert harness.world.reaches(HOST, address), f"advertise has cut off a pod of this node, {address}"


def restart_knows_its_own_routes(harness: Harness) -> None:
    harness.advertise(harness.routes())
    expect_unchanged(harness.world, "an upgrade must leave the routes in force", harness.restart)
    harness.advertise(harness.routes((2,)))
    _expect_in_force(harness, harness.routes((2,)))
    _expect_gone(harness, harness.routes((3,)))


def uninstall_removes_its_routes_and_no_others(harness: Harness) -> None:
    theirs = {_foreign(prefix) for prefix in ELSEWHERE}
    harness.world.interfere(*(Change(Verb.ADD, route) for route in theirs))
    harness.advertise(harness.routes())
    harness.stop(StopReason.UNINSTALL)
    left = host_routes(harness.kernel, proto=PROTO)
    assert not left, f"after the removal of the plugin these stay: {', '.join(map(str, left))}"
    assert harness.firewall.masquerade is None, "after the removal of the plugin its masquerading stays"
    _expect_untouched(harness, theirs)


ROUTE_LAWS = (
    advertise_puts_every_route_in_force,
    advertise_twice_changes_nothing,
    advertise_withdraws_what_is_not_in_the_set,
    advertise_changes_next_hops,
    advertise_prunes_nothing_before_it_is_in_sync,
    advertise_puts_back_what_a_stranger_removed,
    advertise_leaves_foreign_routes_alone,
    advertise_reports_a_foreign_route_in_its_way,
    advertise_reports_a_refused_route_and_applies_the_rest,
    advertise_leaves_pods_alone,
    restart_knows_its_own_routes,
    uninstall_removes_its_routes_and_no_others,
)


def _foreign(prefix: Prefix) -> FibRoute:
    return FibRoute(prefix, via=FOREIGN_GATEWAYS[prefix.family], link=UPLINK.ifindex, proto=STATIC)


def _routes_to(harness: Harness, routes: RouteSet) -> list[FibRoute]:
    """Our routes in the main table to the prefixes of a set."""
    prefixes = {route.prefix for route in routes.routes}
    return [
        route for route in harness.kernel.dump(FibRoute, Where(table=MAIN, proto=PROTO)) if route.prefix in prefixes
    ]


def _expect_in_force(harness: Harness, routes: RouteSet) -> None:
    present = {(route.prefix, route.via) for route in _routes_to(harness, routes)}
    for route in routes.routes:
        assert (route.prefix, route.next_hop) in present, (
            f"the main table has no route of ours to {route.prefix} via {route.next_hop}"
        )


def _expect_gone(harness: Harness, routes: RouteSet) -> None:
    left = _routes_to(harness, routes)
    assert not left, f"no longer in the set, but in the kernel: {', '.join(map(str, left))}"


def _expect_untouched(harness: Harness, theirs: set[FibRoute]) -> None:
    missing = theirs - host_routes(harness.kernel, table=MAIN)
    assert not missing, f"routes of others were removed or changed: {', '.join(map(str, missing))}"


def _expect_reported(harness: Harness, routes: tuple[Route, ...]) -> None:
    report = _report(harness)
    assert not report.in_sync, f"{len(routes)} routes are not in force, but the report says in sync"
    subjects = {condition.subject for condition in report.conditions}
    for route in routes:
        assert str(route.prefix) in subjects, f"no condition of the report is about {route.prefix}: {report.conditions}"


def _report(harness: Harness) -> Report:
    report = harness.hooks.report(harness.name)
    assert report is not None, f"a plugin that advertises must implement report, {harness.name} does not"
    return report
