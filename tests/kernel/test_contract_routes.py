"""The contract of every kernel port: routes. See test_contract.py."""

from __future__ import annotations

import errno

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.core.datapath import detach_plan
from terway_edge.core.plans import (
    HOST,
    PROTO,
    Change,
    FibRoute,
    LinkAddress,
    Neighbour,
    Plan,
    Rule,
    Step,
    Where,
)
from tests.kernel.contract import (
    ADD,
    ALSO_NEAR,
    FAR,
    HOST_LINK,
    MAC,
    NEAR,
    NOBODY,
    POD,
    POD_CIDR,
    REMOTE,
    REMOVE,
    REPLACE,
    SPARE,
    UPLINK,
    address,
    both_families,
    change,
    cover,
    own_routes,
    plug,
    refusal,
    route,
)

VARIANTS = {
    "gateway": lambda f: route(f),
    "link only": lambda f: route(f, None),
    "metric": lambda f: route(f, metric=77),
    "table": lambda f: route(f, table=1010),
    "low table": lambda f: route(f, table=100),
    "onlink": lambda f: route(f, FAR, onlink=True),
    "source": lambda f: route(f, src=address({4: "192.0.2.1", 6: "2001:db8::1"}[f])),
    "proto": lambda f: route(f, proto=99),
    "unreachable": lambda f: cover(Prefix.parse(REMOTE[f])),
    "unreachable, no metric": lambda f: cover(Prefix.parse(REMOTE[f]))._replace(metric=0),
    "host": lambda f: FibRoute(address(POD[f]).host, link=UPLINK),
    "default": lambda f: FibRoute(Prefix(f, 0, 0), address(NEAR[f]), UPLINK),
}


@both_families
@pytest.mark.parametrize("variant", VARIANTS)
def test_dump_gives_back_an_equal_route(kernel, family, variant):
    made = VARIANTS[variant](family)
    change(kernel, ADD, made)
    assert made in kernel.dump(FibRoute)
    change(kernel, REMOVE, made)
    assert made not in kernel.dump(FibRoute)


def test_link_of_a_gateway_is_found_by_the_kernel(kernel):
    change(kernel, ADD, route(4, link=0), route(6, link=0))
    assert own_routes(kernel) == {route(4), route(6)}


@both_families
def test_adding_a_route_is_eexist_whatever_the_next_hop(kernel, family):
    change(kernel, ADD, route(family))
    assert refusal(kernel, ADD, route(family)) == errno.EEXIST
    assert refusal(kernel, ADD, route(family, ALSO_NEAR)) == errno.EEXIST
    assert own_routes(kernel) == {route(family)}


@both_families
def test_equal_prefixes_live_side_by_side_in_other_metrics_and_tables(kernel, family):
    made = {route(family), route(family, metric=5), route(family, table=1000)}
    change(kernel, ADD, *made)
    assert own_routes(kernel) == made


@both_families
def test_replace_changes_the_next_hop_and_creates_what_is_missing(kernel, family):
    change(kernel, REPLACE, route(family))
    change(kernel, REPLACE, route(family, ALSO_NEAR))
    assert own_routes(kernel) == {route(family, ALSO_NEAR)}


@both_families
def test_replace_leaves_another_metric_alone(kernel, family):
    change(kernel, ADD, route(family, metric=5))
    change(kernel, REPLACE, route(family, ALSO_NEAR, metric=6))
    assert own_routes(kernel) == {route(family, metric=5), route(family, ALSO_NEAR, metric=6)}


@both_families
def test_replace_overwrites_a_foreign_route_of_equal_metric(kernel, world, family):
    world.foreign(ADD, route(family, proto=99))
    change(kernel, REPLACE, route(family, ALSO_NEAR))
    prefix = Prefix.parse(REMOTE[family])
    assert [r for r in kernel.dump(FibRoute) if r.prefix == prefix] == [route(family, ALSO_NEAR)]


@both_families
def test_removing_a_route_twice_is_success(kernel, family):
    change(kernel, ADD, route(family))
    change(kernel, REMOVE, route(family))
    change(kernel, REMOVE, route(family))
    assert own_routes(kernel) == set()


@both_families
def test_removal_without_link_and_gateway_matches_by_prefix_table_and_proto(kernel, family):
    other_table = route(family, table=1000)
    change(kernel, ADD, route(family), other_table)
    change(kernel, REMOVE, FibRoute(Prefix.parse(REMOTE[family])))
    assert own_routes(kernel) == {other_table}


@both_families
def test_removal_spares_a_foreign_route_to_the_same_prefix(kernel, world, family):
    world.foreign(ADD, route(family, proto=99))
    change(kernel, REMOVE, FibRoute(Prefix.parse(REMOTE[family])))
    assert route(family, proto=99) in kernel.dump(FibRoute)


@both_families
def test_removal_without_a_metric_takes_the_default_metric_first(kernel, family):
    change(kernel, ADD, route(family, metric=5), route(family))
    change(kernel, REMOVE, route(family))
    assert own_routes(kernel) == {route(family, metric=5)}


@both_families
def test_removal_with_another_gateway_or_link_removes_nothing(kernel, family):
    change(kernel, ADD, route(family))
    change(kernel, REMOVE, route(family, ALSO_NEAR), route(family, None, link=SPARE))
    assert own_routes(kernel) == {route(family)}


@pytest.mark.parametrize(("family", "reason"), [(4, errno.ENETUNREACH), (6, errno.EHOSTUNREACH)])
def test_gateway_that_is_not_on_link_is_refused_unless_onlink(kernel, family, reason):
    assert refusal(kernel, ADD, route(family, FAR)) == reason
    assert refusal(kernel, ADD, route(family, NEAR, link=SPARE)) == reason
    change(kernel, ADD, route(family, FAR, onlink=True))
    assert own_routes(kernel) == {route(family, FAR, onlink=True)}


@both_families
def test_gateway_behind_a_gateway_is_refused(kernel, family):
    change(kernel, ADD, route(family))
    behind = {4: "10.1.0.9", 6: "2001:db8:1::9"}
    beyond = FibRoute(Prefix.parse({4: "10.2.0.0/24", 6: "2001:db8:2::/64"}[family]), address(behind[family]))
    assert refusal(kernel, ADD, beyond) in (errno.ENETUNREACH, errno.EHOSTUNREACH)


@both_families
def test_host_route_makes_a_gateway_on_link(kernel, family):
    change(kernel, ADD, FibRoute(address(FAR[family]).host, link=SPARE), route(family, FAR, link=0))
    assert route(family, FAR, link=SPARE) in own_routes(kernel)


def test_link_local_gateway_needs_a_link_but_no_route(kernel):
    gateway = {6: "fe80::77"}
    change(kernel, ADD, route(6, gateway))
    assert own_routes(kernel) == {route(6, gateway)}
    assert refusal(kernel, ADD, route(6, gateway, link=0, metric=5)) == errno.EINVAL


def test_own_address_is_no_ipv6_gateway(kernel):
    own = {4: "192.0.2.1", 6: "2001:db8::1"}
    assert refusal(kernel, ADD, route(6, own)) == errno.EINVAL
    assert refusal(kernel, ADD, route(6, own, onlink=True)) == errno.EINVAL
    assert refusal(kernel, ADD, route(4, own, onlink=True)) == errno.EINVAL
    change(kernel, ADD, route(4, own))


@both_families
def test_route_by_a_missing_or_downed_link_is_refused(kernel, world, family):
    world.set_link("spare0", up=False)
    assert refusal(kernel, ADD, route(family, None, link=NOBODY)) == errno.ENODEV
    assert refusal(kernel, ADD, route(family, None, link=SPARE)) == errno.ENETDOWN
    assert refusal(kernel, ADD, route(family, FAR, link=SPARE, onlink=True)) == errno.ENETDOWN


@both_families
def test_source_must_be_an_own_address(kernel, family):
    assert refusal(kernel, ADD, route(family, src=address(FAR[family]))) == errno.EINVAL


@both_families
def test_cover_route_never_wins_over_a_pod_route(kernel, world, pod_netns, family):
    prefix = Prefix.parse(POD_CIDR[family])
    change(kernel, ADD, cover(prefix), cover(address(POD[family]).host))
    held = plug(kernel, pod_netns(), POD[family])
    assert own_routes(kernel, link=HOST_LINK) == {FibRoute(address(POD[family]).host, link=HOST_LINK)}
    assert world.reaches(HOST, address(POD[family]))
    kernel.apply(detach_plan(held))
    assert not world.reaches(HOST, address(POD[family]))
    assert cover(prefix) in own_routes(kernel)


@both_families
def test_cover_route_needs_no_link_and_survives_link_down(kernel, world, family):
    change(kernel, ADD, cover(Prefix.parse(POD_CIDR[family])))
    world.set_link("up0", up=False)
    assert own_routes(kernel) == {cover(Prefix.parse(POD_CIDR[family]))}


def test_plan_that_is_not_atomic_reports_each_failure_and_applies_the_rest(kernel):
    items = [route(4), route(4, ALSO_NEAR), route(6), route(4, FAR, metric=3), Neighbour(UPLINK, address(NEAR[4]), MAC)]
    failures = kernel.apply(Plan((Step(HOST, tuple(Change(ADD, item) for item in items)),), atomic=False))
    assert [(f.change.item, f.errno) for f in failures] == [(items[1], errno.EEXIST), (items[3], errno.ENETUNREACH)]
    assert own_routes(kernel) == {route(4), route(6)}
    assert items[4] in kernel.dump(Neighbour)


def test_removing_what_never_was_is_success(kernel):
    change(
        kernel,
        REMOVE,
        route(4),
        route(6, link=NOBODY),
        Neighbour(UPLINK, address(NEAR[4]), MAC),
        Neighbour(NOBODY, address(NEAR[6]), MAC),
        LinkAddress(UPLINK, address("192.0.2.77"), 32),
        LinkAddress(NOBODY, address("2001:db8::77"), 128),
        Rule(777, 254, dst=Prefix.parse("10.0.0.0/8")),
        Rule(777, 254, family=6),
    )


def test_thousands_of_routes_are_added_replaced_and_removed(kernel):
    prefixes = [Prefix(4, (10 << 24 | 64 << 16) + (number << 8), 24) for number in range(3000)]
    first = {FibRoute(prefix, address(NEAR[4]), UPLINK) for prefix in prefixes}
    second = {made._replace(via=address(ALSO_NEAR[4])) for made in first}
    change(kernel, ADD, *first)
    assert own_routes(kernel) == first
    change(kernel, REPLACE, *second)
    assert own_routes(kernel) == second
    change(kernel, REMOVE, *second)
    assert own_routes(kernel) == set()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Where(proto=99), {"foreign"}),
        (Where(table=1000), {"table"}),
        (Where(proto=PROTO, family=4), {"plain", "table", "cover"}),
        (Where(proto=PROTO, family=6), {"six"}),
        (Where(proto=PROTO, link=SPARE), {"six"}),
        (Where(proto=PROTO, link=UPLINK), {"plain", "table"}),
        (Where(proto=PROTO, table=254, family=4), {"plain", "cover"}),
        (Where(proto=77), set()),
    ],
)
def test_dump_filters_routes(kernel, where, expected):
    made = {
        "plain": route(4),
        "table": route(4, table=1000),
        "cover": cover(Prefix.parse(POD_CIDR[4])),
        "six": route(6, None, link=SPARE),
        "foreign": route(4, metric=9, proto=99),
    }
    change(kernel, ADD, *made.values())
    assert set(kernel.dump(FibRoute, where)) == {made[name] for name in expected}


def test_connected_prefix_is_dumped_as_a_route_of_the_kernel(kernel):
    connected = FibRoute(Prefix.parse("192.0.2.0/24"), link=UPLINK, proto=2, src=address("192.0.2.1"))
    assert kernel.dump(FibRoute, Where(family=4, table=254)) == [connected]
    assert refusal(kernel, ADD, FibRoute(connected.prefix, link=SPARE)) == errno.EEXIST
