"""What every kernel port does, asserted alike on the fake and on Linux with both encoders.

Where the two differ, Linux is right and the fake is mended.
"""

from __future__ import annotations

import errno

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.core.datapath import GATEWAYS, attach_plan, detach_plan
from terway_edge.core.errors import INVALID_NETNS, KernelError, Refused
from terway_edge.core.models import Bandwidth, Sandbox
from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.core.plans import (
    HOST,
    PROTO,
    Change,
    FibRoute,
    Link,
    LinkAddress,
    Neighbour,
    Plan,
    RouteKind,
    Rule,
    Step,
    Sysctl,
    Where,
)
from tests.kernel.contract import (
    ADD,
    HOST_LINK,
    MAC,
    NEAR,
    NOBODY,
    POD,
    POD_LINK,
    REPLACE,
    UPLINK,
    address,
    both_families,
    change,
    lease,
    link_of,
    own_routes,
    plan_for,
    plug,
    route,
    sandbox,
)

# --- plugging a pod in ---------------------------------------------------------------------------------------------


def test_t21_only_a_namespace_that_a_pod_may_be_in_is_proven(world, kernel, pod_netns):
    netns = pod_netns()
    before = world.picture()
    kernel.prove(netns)
    for other in ("/dev/null", 12345):
        with pytest.raises(Refused) as refused:
            kernel.prove(other)
        assert refused.value.code == INVALID_NETNS
    assert world.picture() == before


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


def test_attach_leaves_loopback_to_the_runtime(kernel, pod_netns):
    netns = pod_netns()
    before = link_of(kernel, "lo", netns)
    plug(kernel, netns, POD[4])
    assert link_of(kernel, "lo", netns) == before


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
        pod_step = Step(netns, tuple(c for c in plan.steps[2].changes if not isinstance(c.item, FibRoute)))
        kernel.apply(Plan((plan.steps[0], pod_step)))
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
