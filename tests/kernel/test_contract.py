"""What every kernel port does, asserted alike on the fake and on Linux with both encoders.

Where the two differ, Linux is right and the fake is mended.
"""

from __future__ import annotations

import errno

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.datapath import GATEWAYS, attach_plan, detach_plan
from terway_edge.core.errors import KernelError, Refused
from terway_edge.core.models import Bandwidth, Lease, Sandbox
from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.core.plans import (
    COVER_METRIC,
    HOST,
    PROTO,
    Change,
    FibRoute,
    Link,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Plan,
    RouteKind,
    Rule,
    Shaping,
    Step,
    Sysctl,
    Verb,
    Where,
)
from terway_edge.core.ports import Happening, KernelEvent

ADD, REPLACE, REMOVE = Verb
UPLINK, SPARE, HOST_LINK, POD_LINK, NOBODY = 10, 11, 5000, 7, 4242
MAC, OTHER_MAC = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
OURS = Where(proto=PROTO)

NEAR = {4: "192.0.2.2", 6: "2001:db8::2"}
ALSO_NEAR = {4: "192.0.2.3", 6: "2001:db8::3"}
FAR = {4: "198.51.100.1", 6: "2001:db8:ffff::1"}
POD = {4: "10.9.0.5", 6: "2001:db8:9::5"}
POD_CIDR = {4: "10.9.0.0/24", 6: "2001:db8:9::/64"}
REMOTE = {4: "10.1.0.0/24", 6: "2001:db8:1::/64"}

both_families = pytest.mark.parametrize("family", [4, 6])


def address(text: str) -> Address:
    return Address.parse(text)


def route(family: int, via: dict[int, str] | None = NEAR, **fields) -> FibRoute:
    """A route to REMOTE by the uplink."""
    gateway = address(via[family]) if via else None
    return FibRoute(Prefix.parse(REMOTE[family]), gateway, **{"link": UPLINK, **fields})


def cover(prefix: Prefix) -> FibRoute:
    return FibRoute(prefix, kind=RouteKind.UNREACHABLE, metric=COVER_METRIC)


def change(kernel, verb: Verb, *items, netns=HOST):
    """Make changes one by one, each of which must succeed."""
    plan = Plan((Step(netns, tuple(Change(verb, item) for item in items)),), atomic=False)
    assert kernel.apply(plan) == ()


def refusal(kernel, verb: Verb, item, netns=HOST) -> int:
    """The errno with which one change is refused."""
    (failure,) = kernel.apply(Plan((Step(netns, (Change(verb, item),)),), atomic=False))
    assert failure.change == Change(verb, item)
    return failure.errno


def sandbox(netns: str, name: str = "c1", bandwidth: Bandwidth | None = None) -> Sandbox:
    return Sandbox(name, "eth0", netns, bandwidth=bandwidth)


def lease(box: Sandbox, *addresses: str) -> Lease:
    held = tuple(map(address, addresses))
    return Lease(box, held, "test", ("pool",) * len(held), 0.0)


def plan_for(box: Sandbox, held: Lease, index: int = HOST_LINK) -> Plan:
    return attach_plan(box, held, host_link=index, pod_link=POD_LINK, mtu=1400)


def plug(kernel, netns: str, *addresses: str, name: str = "c1", index: int = HOST_LINK) -> Lease:
    box = sandbox(netns, name)
    held = lease(box, *addresses)
    kernel.apply(plan_for(box, held, index))
    return held


def link_of(kernel, name: str, netns=HOST) -> Link | None:
    return next((link for link in kernel.dump(Link, Where(netns=netns)) if link.name == name), None)


def own_routes(kernel, **where) -> set[FibRoute]:
    return set(kernel.dump(FibRoute, Where(proto=PROTO, **where)))


class Watcher:
    """Collects the events of a subscription."""

    def __init__(self, kernel) -> None:
        self.seen: list[KernelEvent] = []
        self.subscription = kernel.subscribe(self.seen.append)

    def saw(self, what: Happening, item: object = None) -> bool:
        return any(event.what is what and item in (None, event.item) for event in list(self.seen))


@pytest.fixture
def watcher(kernel):
    made = Watcher(kernel)
    yield made
    made.subscription.close()


# --- plugging a pod in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("families", [(4,), (6,), (4, 6)])
def test_attach_plan_makes_exactly_what_it_says(kernel, pod_netns, families):
    netns = pod_netns()
    held = plug(kernel, netns, *(POD[family] for family in families))
    host_mac, pod_mac = link_macs(held.key)
    inside = Where(netns=netns, proto=PROTO, link=POD_LINK)
    on_host = Where(proto=PROTO, link=HOST_LINK)
    assert set(kernel.dump(FibRoute, on_host)) == {FibRoute(a.host, link=HOST_LINK) for a in held.addresses}
    assert set(kernel.dump(Neighbour, on_host)) == {Neighbour(HOST_LINK, a, pod_mac) for a in held.addresses}
    assert set(kernel.dump(LinkAddress, inside)) == {LinkAddress(POD_LINK, a, a.bits) for a in held.addresses}
    assert set(kernel.dump(Neighbour, inside)) == {Neighbour(POD_LINK, GATEWAYS[f], host_mac) for f in families}
    assert set(kernel.dump(FibRoute, inside)) == {
        FibRoute(Prefix(f, 0, 0), via=GATEWAYS[f], link=POD_LINK, onlink=True) for f in families
    }


def test_attached_links_carry_the_names_macs_and_alias_of_the_sandbox(kernel, pod_netns):
    netns = pod_netns()
    held = plug(kernel, netns, POD[4])
    host_mac, pod_mac = link_macs(held.key)
    near, far = link_of(kernel, link_name(held.key)), link_of(kernel, "eth0", netns)
    assert near == Link(HOST_LINK, link_name(held.key), host_mac, 1400, True, True, "veth", link_alias(held.key), 0)
    assert far == Link(POD_LINK, "eth0", pod_mac, 1400, True, True, "veth", "", 0)


def test_attach_sets_up_loopback_in_the_pod(kernel, pod_netns):
    netns = pod_netns()
    plug(kernel, netns, POD[4])
    loopback = link_of(kernel, "lo", netns)
    assert loopback.up
    assert loopback.loopback


def test_attach_sets_sysctls_on_both_ends(world, kernel, pod_netns):
    netns = pod_netns()
    held = plug(kernel, netns, POD[4], POD[6])
    name = link_name(held.key)
    on_host = [world.sysctl(f"ipv4/conf/{name}/{key}") for key in ("forwarding", "rp_filter", "send_redirects")]
    assert on_host == ["1", "0", "0"]
    assert world.sysctl("ipv4/conf/eth0/arp_notify", netns) == "1"
    assert world.sysctl("ipv6/conf/eth0/accept_ra", netns) == "0"
    assert world.sysctl("ipv6/conf/eth0/addr_gen_mode", netns) == "1"


@both_families
def test_attached_pod_and_host_reach_each_other(world, kernel, pod_netns, family):
    netns = pod_netns()
    plug(kernel, netns, POD[family])
    assert world.reaches(netns, address({4: "192.0.2.1", 6: "2001:db8::1"}[family]))
    assert world.reaches(HOST, address(POD[family]))


@both_families
def test_two_pods_with_equal_index_inside_reach_each_other(world, kernel, pod_netns, family):
    change(kernel, REPLACE, Sysctl("ipv6/conf/all/forwarding", "1"))
    first, second = pod_netns(), pod_netns()
    other = {4: "10.9.0.6", 6: "2001:db8:9::6"}[family]
    plug(kernel, first, POD[family], name="c1", index=HOST_LINK)
    plug(kernel, second, other, name="c2", index=HOST_LINK + 1)
    assert world.reaches(first, address(other))
    assert world.reaches(second, address(POD[family]))


def test_attach_with_bandwidth_limits_succeeds_and_leaves_with_the_link(world, kernel, pod_netns):
    netns = pod_netns()
    before = world.picture()
    box = sandbox(netns, bandwidth=Bandwidth(8_000_000, 0, 16_000_000, 0))
    held = lease(box, POD[4])
    kernel.apply(plan_for(box, held))
    assert world.reaches(HOST, address(POD[4]))
    kernel.unplug([held.key])
    kernel.settle()
    kernel.apply(detach_plan(held))
    assert world.picture() == before


def test_failure_at_any_step_leaves_nothing_behind(world, kernel, pod_netns):
    netns = pod_netns()
    before = world.picture()
    whole = plan_for(sandbox(netns), lease(sandbox(netns), POD[4], POD[6]))
    flat = [(step.netns, made) for step in whole.steps for made in step.changes]
    impossible = Change(ADD, Neighbour(NOBODY, address(POD[4]), MAC))
    for length in range(len(flat) + 1):
        steps = [Step(where, (made,)) for where, made in flat[:length]] + [Step(HOST, (impossible,))]
        with pytest.raises(KernelError) as caught:
            kernel.apply(Plan(tuple(steps)))
        assert caught.value.errno in (errno.ENODEV, errno.EINVAL)
        assert caught.value.item == impossible.item
        assert world.picture() == before, f"after {length} changes"
    assert len(flat) >= 14


def test_undo_takes_away_what_was_added_on_links_of_others(world, kernel, pod_netns):
    netns = pod_netns()
    before = world.picture()
    plan = plan_for(sandbox(netns), lease(sandbox(netns), POD[4]))
    others = [
        route(4),
        route(6),
        FibRoute(Prefix.parse("10.77.0.0/24"), kind=RouteKind.UNREACHABLE, metric=5),
        Rule(512, 254, dst=Prefix.parse("10.9.0.5/32")),
        Rule(512, 254, dst=Prefix.parse("2001:db8:9::5/128"), family=6),
        LinkAddress(UPLINK, address("192.0.2.77"), 32),
        LinkAddress(UPLINK, address("2001:db8:7::7"), 128),
        Neighbour(UPLINK, address(NEAR[4]), MAC),
        Neighbour(NOBODY, address(NEAR[4]), MAC),
    ]
    with pytest.raises(KernelError):
        kernel.apply(Plan((*plan.steps, Step(HOST, tuple(Change(ADD, item) for item in others)))))
    assert world.picture() == before


def test_undo_spares_an_equal_route_of_another_metric(world, kernel):
    change(kernel, ADD, route(6, metric=5), route(4, metric=5))
    before = world.picture()
    added = [Change(ADD, item) for item in (route(6), route(4), route(4))]
    with pytest.raises(KernelError) as caught:
        kernel.apply(Plan((Step(HOST, tuple(added)),)))
    assert (caught.value.errno, caught.value.item) == (errno.EEXIST, route(4))
    assert world.picture() == before


def test_namespace_that_does_not_exist_is_refused_before_anything_is_changed(world, kernel):
    before = world.picture()
    with pytest.raises(Refused, match="/run/netns/twt-nobody"):
        plug(kernel, "/run/netns/twt-nobody", POD[4])
    assert world.picture() == before


def test_link_in_the_pod_that_has_the_name_already_is_eexist(world, kernel, pod_netns):
    netns = pod_netns()
    plug(kernel, netns, POD[4])
    before = world.picture()
    with pytest.raises(KernelError) as caught:
        plug(kernel, netns, "10.9.0.6", name="c2", index=HOST_LINK + 1)
    assert caught.value.errno == errno.EEXIST
    assert world.picture() == before


def test_taken_indexes_are_ebusy_on_the_host_and_in_the_pod(world, kernel, pod_netns):
    netns, other = pod_netns(), pod_netns()
    plug(kernel, netns, POD[4])
    before = world.picture()
    with pytest.raises(KernelError) as on_host:
        plug(kernel, other, "10.9.0.6", name="c2", index=HOST_LINK)
    box = Sandbox("c2", "eth1", netns)
    with pytest.raises(KernelError) as in_pod:
        kernel.apply(plan_for(box, lease(box, "10.9.0.6"), HOST_LINK + 1))
    assert (on_host.value.errno, in_pod.value.errno) == (errno.EBUSY, errno.EBUSY)
    assert world.picture() == before


def test_foreign_link_with_our_name_is_eexist_and_stays(world, kernel, pod_netns):
    netns = pod_netns()
    world.foreign_link(link_name(("c1", "eth0")), 4000)
    before = world.picture()
    with pytest.raises(KernelError) as caught:
        plug(kernel, netns, POD[4])
    assert caught.value.errno == errno.EEXIST
    assert world.picture() == before


def test_detach_plan_makes_the_address_unreachable_and_may_be_repeated(world, kernel, pod_netns):
    netns = pod_netns()
    held = plug(kernel, netns, POD[4], POD[6])
    assert kernel.apply(detach_plan(held)) == ()
    assert own_routes(kernel) == set()
    assert not world.reaches(HOST, address(POD[4]))
    assert kernel.apply(detach_plan(held)) == ()


def test_namespace_that_is_deleted_takes_the_host_end_and_its_routes_along(world, kernel, pod_netns, eventually):
    before = world.picture()
    netns = pod_netns()
    held = plug(kernel, netns, POD[4], POD[6])
    world.delete_netns(netns)
    eventually(lambda: link_of(kernel, link_name(held.key)) is None)
    assert world.picture() == before


# --- routes ---------------------------------------------------------------------------------------------------------

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


# --- addresses, neighbours, rules, links, sysctls -------------------------------------------------------------------


@both_families
def test_address_is_added_once_and_removed(kernel, family):
    made = LinkAddress(UPLINK, address({4: "203.0.113.9", 6: "2001:db8:7::9"}[family]), {4: 32, 6: 128}[family])
    change(kernel, ADD, made)
    assert refusal(kernel, ADD, made) == errno.EEXIST
    assert made in kernel.dump(LinkAddress, Where(family=family, link=UPLINK))
    change(kernel, REPLACE, made)
    change(kernel, REMOVE, made)
    assert made not in kernel.dump(LinkAddress)


def test_address_on_a_missing_link_is_enodev(kernel):
    assert refusal(kernel, ADD, LinkAddress(NOBODY, address("203.0.113.9"), 32)) == errno.ENODEV
    assert refusal(kernel, ADD, LinkAddress(NOBODY, address("2001:db8:7::9"), 128)) == errno.ENODEV


def test_routes_with_a_removed_source_go_in_ipv4_and_lose_it_in_ipv6(kernel):
    sources = {
        4: LinkAddress(UPLINK, address("203.0.113.9"), 32),
        6: LinkAddress(UPLINK, address("2001:db8:7::9"), 128),
    }
    change(kernel, ADD, *sources.values())
    change(kernel, ADD, *(route(family, src=source.address) for family, source in sources.items()))
    change(kernel, REMOVE, *sources.values())
    assert own_routes(kernel) == {route(6)}


def test_last_ipv4_address_of_a_link_takes_its_ipv4_routes_and_neighbours_along(kernel):
    entries = {family: Neighbour(UPLINK, address(NEAR[family]), MAC) for family in (4, 6)}
    change(kernel, ADD, route(4), route(6), *entries.values())
    change(
        kernel, REMOVE, LinkAddress(UPLINK, address("192.0.2.1"), 24), LinkAddress(UPLINK, address("2001:db8::1"), 64)
    )
    assert own_routes(kernel) == {route(6)}
    assert kernel.dump(Neighbour) == [entries[6]]


@both_families
def test_neighbour_is_added_replaced_and_removed(kernel, family):
    made = Neighbour(UPLINK, address(NEAR[family]), MAC)
    change(kernel, ADD, made)
    assert refusal(kernel, ADD, made._replace(mac=OTHER_MAC)) == errno.EEXIST
    change(kernel, REPLACE, made._replace(mac=OTHER_MAC))
    assert kernel.dump(Neighbour, Where(family=family)) == [made._replace(mac=OTHER_MAC)]
    assert kernel.dump(Neighbour, Where(link=SPARE)) == []
    change(kernel, REMOVE, made)
    change(kernel, REMOVE, made)
    assert kernel.dump(Neighbour) == []


@both_families
def test_rule_is_added_once_and_removed(kernel, family):
    made = Rule(512, 1000, src=Prefix.parse(POD_CIDR[family]), dst=Prefix.parse(REMOTE[family]), family=family)
    change(kernel, ADD, made)
    assert refusal(kernel, ADD, made) == errno.EEXIST
    change(kernel, REPLACE, made)
    assert kernel.dump(Rule, OURS) == [made]
    assert kernel.dump(Rule, Where(proto=PROTO, family=10 - family)) == []
    change(kernel, REMOVE, made)
    change(kernel, REMOVE, made)
    assert kernel.dump(Rule, OURS) == []


def test_rules_of_one_priority_are_told_apart(kernel):
    rules = {Rule(512, 254, dst=address(text).host) for text in ("10.9.0.5", "10.9.0.6")}
    rules |= {Rule(512, 254, dst=address(POD[6]).host, family=6), Rule(2048, 1001, src=address(POD[4]).host)}
    change(kernel, ADD, *rules)
    assert set(kernel.dump(Rule, OURS)) == rules
    gone = Rule(512, 254, dst=address("10.9.0.5").host)
    change(kernel, REMOVE, gone)
    assert set(kernel.dump(Rule, OURS)) == rules - {gone}


def test_built_in_and_foreign_rules_are_not_ours(kernel, world):
    foreign = Rule(600, 254, dst=Prefix.parse("10.0.0.0/8"), proto=99)
    world.foreign(ADD, foreign)
    change(kernel, REMOVE, foreign._replace(proto=PROTO))
    assert kernel.dump(Rule, OURS) == []
    assert {r.priority for r in kernel.dump(Rule)} == {0, 600, 32766, 32767}


def test_rule_sends_a_packet_to_its_table(kernel, world, pod_netns):
    plug(kernel, pod_netns(), POD[4])
    change(kernel, ADD, cover(Prefix.parse(POD_CIDR[4]))._replace(table=1000, metric=0))
    assert world.reaches(HOST, address(POD[4]))
    rule = Rule(512, 1000, dst=Prefix.parse(POD_CIDR[4]))
    change(kernel, ADD, rule)
    assert not world.reaches(HOST, address(POD[4]))
    change(kernel, REMOVE, rule)
    assert world.reaches(HOST, address(POD[4]))


def test_link_setting_changes_only_what_it_names(kernel):
    before = link_of(kernel, "spare0")
    change(kernel, REPLACE, LinkSetting(SPARE, mtu=1300))
    assert link_of(kernel, "spare0") == before._replace(mtu=1300)
    change(kernel, REPLACE, LinkSetting(SPARE, up=False))
    assert (link_of(kernel, "spare0").up, link_of(kernel, "spare0").mtu) == (False, 1300)


def test_link_setting_of_a_missing_link_or_an_impossible_mtu_is_refused(kernel):
    assert refusal(kernel, REPLACE, LinkSetting(NOBODY, up=True)) == errno.ENODEV
    assert refusal(kernel, REPLACE, LinkSetting(SPARE, mtu=9)) == errno.EINVAL


def test_sysctl_is_written_unless_its_condition_fails(kernel, world):
    change(kernel, REPLACE, Sysctl("ipv6/conf/up0/accept_ra", "2", when="0"))
    assert world.sysctl("ipv6/conf/up0/accept_ra") == "1"
    change(kernel, REPLACE, Sysctl("ipv6/conf/up0/accept_ra", "2", when="1"))
    assert world.sysctl("ipv6/conf/up0/accept_ra") == "2"


def test_sysctl_of_a_missing_link_or_name_is_enoent(kernel):
    assert refusal(kernel, REPLACE, Sysctl("ipv4/conf/nobody/rp_filter", "0")) == errno.ENOENT
    assert refusal(kernel, REPLACE, Sysctl("ipv4/conf/up0/nonsense", "0")) == errno.ENOENT


def test_forwarding_for_all_reaches_every_link(kernel, world):
    change(kernel, REPLACE, Sysctl("ipv4/ip_forward", "1"), Sysctl("ipv6/conf/all/forwarding", "1"))
    paths = ["ipv4/conf/up0/forwarding", "ipv4/conf/all/forwarding", "ipv6/conf/up0/forwarding"]
    assert [world.sysctl(path) for path in paths] == ["1", "1", "1"]


def test_shaping_is_replaced_and_needs_a_link(kernel):
    made = Shaping(SPARE, rate=1_000_000, burst=20_000, limit=50_000)
    change(kernel, REPLACE, made, made._replace(rate=2_000_000))
    assert refusal(kernel, REPLACE, made._replace(link=NOBODY)) == errno.ENODEV


# --- links that go down ---------------------------------------------------------------------------------------------


def test_link_down_takes_routes_neighbours_and_ipv6_addresses_and_up_brings_back_the_connected_prefix(kernel, world):
    entries = [Neighbour(UPLINK, address(NEAR[family]), MAC) for family in (4, 6)]
    change(kernel, ADD, route(4), route(6), route(4, None, metric=8), route(4, FAR, onlink=True, metric=9), *entries)
    world.set_link("up0", up=False)
    assert own_routes(kernel) == set()
    assert kernel.dump(Neighbour) == []
    addresses = [a.address for a in kernel.dump(LinkAddress, Where(link=UPLINK))]
    assert addresses == [address("192.0.2.1")]
    world.set_link("up0", up=True)
    assert own_routes(kernel) == set()
    change(kernel, ADD, route(4))
    assert refusal(kernel, ADD, route(6)) == errno.EHOSTUNREACH


def test_link_without_carrier_keeps_its_routes(kernel, pod_netns):
    netns = pod_netns()
    held = plug(kernel, netns, POD[4], POD[6])
    change(kernel, REPLACE, LinkSetting(POD_LINK, up=False), netns=netns)
    near = link_of(kernel, link_name(held.key))
    assert (near.up, near.carrier) == (True, False)
    assert len(kernel.dump(FibRoute, Where(proto=PROTO, link=HOST_LINK))) == 2
    assert len(kernel.dump(Neighbour, Where(link=HOST_LINK))) == 2


# --- events ---------------------------------------------------------------------------------------------------------


@both_families
def test_foreign_removal_of_a_route_is_told(kernel, world, watcher, eventually, family):
    change(kernel, ADD, route(family))
    world.foreign(REMOVE, route(family))
    eventually(lambda: watcher.saw(Happening.ROUTE_REMOVED, route(family)))


@both_families
def test_foreign_route_is_told(world, watcher, eventually, family):
    world.foreign(ADD, route(family, proto=99))
    eventually(lambda: watcher.saw(Happening.ROUTE_ADDED, route(family, proto=99)))


@both_families
def test_foreign_removal_of_rule_and_neighbour_is_told(kernel, world, watcher, eventually, family):
    rule = Rule(512, 254, dst=Prefix.parse(POD_CIDR[family]), family=family)
    entry = Neighbour(UPLINK, address(NEAR[family]), MAC)
    change(kernel, ADD, rule, entry)
    world.foreign(REMOVE, rule)
    world.foreign(REMOVE, entry)
    eventually(lambda: watcher.saw(Happening.RULE_REMOVED, rule))
    eventually(lambda: watcher.saw(Happening.NEIGHBOUR_REMOVED, entry))


@both_families
def test_foreign_addresses_are_told(world, watcher, eventually, family):
    made = LinkAddress(UPLINK, address({4: "203.0.113.9", 6: "2001:db8:7::9"}[family]), {4: 32, 6: 128}[family])
    world.foreign(ADD, made)
    eventually(lambda: watcher.saw(Happening.ADDRESS_CHANGED, made))


def test_own_changes_of_routes_rules_and_neighbours_are_not_told(kernel, world, watcher, eventually):
    items = [route(4), route(6), Rule(512, 254), Neighbour(UPLINK, address(NEAR[4]), MAC)]
    change(kernel, ADD, *items)
    change(kernel, REMOVE, *items)
    marker = route(4, proto=99)
    world.foreign(ADD, marker)
    eventually(lambda: watcher.saw(Happening.ROUTE_ADDED, marker))
    about_items = {Happening.ROUTE_ADDED, Happening.ROUTE_REMOVED, Happening.RULE_REMOVED, Happening.NEIGHBOUR_REMOVED}
    assert [event.item for event in watcher.seen if event.what in about_items] == [marker]


def test_link_down_is_told_with_ipv6_routes_but_ipv4_routes_go_in_silence(kernel, world, watcher, eventually):
    change(kernel, ADD, route(4), route(6))
    world.set_link("up0", up=False)
    eventually(lambda: watcher.saw(Happening.ROUTE_REMOVED, route(6)))
    eventually(lambda: any(e.what is Happening.LINK_CHANGED and e.item.name == "up0" for e in list(watcher.seen)))
    assert not watcher.saw(Happening.ROUTE_REMOVED, route(4))


def test_link_that_disappears_is_told(kernel, world, watcher, eventually):
    world.delete_link("spare0")
    eventually(lambda: any(e.what is Happening.LINK_CHANGED and e.item.name == "spare0" for e in list(watcher.seen)))
    assert link_of(kernel, "spare0") is None


def test_closed_subscription_is_told_nothing_more(kernel, world, watcher, eventually):
    other = Watcher(kernel)
    other.subscription.close()
    world.foreign(ADD, route(4, proto=99))
    eventually(lambda: watcher.saw(Happening.ROUTE_ADDED))
    assert other.seen == []


# --- unplugging -----------------------------------------------------------------------------------------------------


def test_unplug_removes_the_link_with_all_that_is_on_it_but_no_rules(kernel, world, pod_netns):
    netns = pod_netns()
    before = world.picture()
    rule = Rule(512, 254, dst=address(POD[4]).host)
    held = plug(kernel, netns, POD[4], POD[6])
    change(kernel, ADD, rule)
    kernel.unplug([held.key])
    kernel.settle()
    assert link_of(kernel, "eth0", netns) is None
    assert {thing for _, thing in world.picture() - before} == {rule}


def test_unplug_of_many_and_of_missing_links_is_success(kernel, pod_netns):
    netns = pod_netns()
    keys = [("c1", f"eth{number}") for number in range(40)]
    for number, (container, ifname) in enumerate(keys):
        box = Sandbox(container, ifname, netns)
        held = lease(box, f"10.9.0.{number + 1}")
        plan = attach_plan(box, held, host_link=HOST_LINK + number, pod_link=POD_LINK + number, mtu=1400)
        # One default route is enough for a pod with many links.
        pod_step = Step(netns, tuple(c for c in plan.steps[1].changes if not isinstance(c.item, FibRoute)))
        kernel.apply(Plan((plan.steps[0], pod_step, plan.steps[2])))
    kernel.unplug([*keys, ("nobody", "eth0")])
    kernel.unplug(keys[:3])
    kernel.settle()
    assert {link.name for link in kernel.dump(Link)} == {"lo", "up0", "spare0"}


@pytest.mark.parametrize("alias", ["", "somebody else"])
def test_unplug_spares_a_link_with_our_name_but_not_our_alias(kernel, world, alias):
    name = link_name(("c1", "eth0"))
    world.foreign_link(name, 4000, alias)
    kernel.unplug([("c1", "eth0")])
    kernel.settle()
    assert link_of(kernel, name) is not None


def test_pod_can_be_plugged_in_again_while_its_unplug_is_pending(kernel, world, pod_netns):
    netns = pod_netns()
    held = plug(kernel, netns, POD[4])
    kernel.apply(detach_plan(held))
    kernel.unplug([held.key])
    plug(kernel, pod_netns(), POD[4], index=HOST_LINK + 1)
    kernel.settle()
    link = link_of(kernel, link_name(held.key))
    assert (link.ifindex, link.up) == (HOST_LINK + 1, True)
    assert world.reaches(HOST, address(POD[4]))


def test_settle_without_unplug_returns_at_once(kernel):
    kernel.settle()
    assert link_of(kernel, "up0") is not None
