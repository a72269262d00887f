"""A plan that fails at any point leaves nothing behind; errors say what, why and which item."""

from __future__ import annotations

import errno
import os

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import KernelError, Refused
from terway_edge.core.plans import HOST, Change, FibRoute, Link, LinkSetting, Plan, Rule, Step, Sysctl, Verb, Veth
from tests.kernel.conftest import HOST_ADDRESSES, UPLINK
from tests.kernel.pods import pod

pytestmark = pytest.mark.root
NOWHERE = 999_999
IMPOSSIBLE = Change(Verb.ADD, FibRoute(Prefix.parse("198.51.100.0/24"), link=NOWHERE))


def with_change(plan: Plan, step: int, place: int, change: Change) -> Plan:
    changes = list(plan.steps[step].changes)
    changes.insert(place, change)
    steps = list(plan.steps)
    steps[step] = Step(plan.steps[step].netns, tuple(changes))
    return Plan(tuple(steps))


def test_failure_at_every_point_of_a_plan_leaves_nothing(real_world):
    lease, plan = pod(1, real_world.create_netns(), ipv6=True)
    before = real_world.picture()
    places = [(at, place) for at, step in enumerate(plan.steps) for place in range(len(step.changes) + 1)]
    assert len(places) > 15
    for at, place in places:
        with pytest.raises(KernelError) as failed:
            real_world.kernel.apply(with_change(plan, at, place, IMPOSSIBLE))
        assert (failed.value.errno, failed.value.item) == (errno.ENODEV, IMPOSSIBLE.item)
        assert real_world.picture() == before
    assert real_world.kernel.apply(plan) == ()
    assert real_world.reaches(lease.sandbox.netns, HOST_ADDRESSES[0].address)


def test_failing_sysctl_stops_its_step_before_anything_is_sent(real_world):
    _, plan = pod(1, real_world.create_netns())
    before = real_world.picture()
    missing = Change(Verb.REPLACE, Sysctl("ipv4/conf/nosuch/rp_filter", "0"))
    with pytest.raises(KernelError, match="cannot set sysctl net/ipv4/conf/nosuch/rp_filter: ENOENT") as failed:
        real_world.kernel.apply(with_change(plan, 1, 3, missing))
    assert failed.value.item == missing.item
    assert real_world.picture() == before


def test_sysctl_outside_its_directory_is_refused_and_undone(real_world):
    _, plan = pod(1, real_world.create_netns())
    before = real_world.picture()
    outside = Change(Verb.REPLACE, Sysctl("ipv4/../../kernel/hostname", "x"))
    with pytest.raises(Refused, match=r"not below /proc/sys/net"):
        real_world.kernel.apply(with_change(plan, 1, 0, outside))
    assert real_world.picture() == before


def test_nothing_is_done_when_a_namespace_is_none(real_world, tmp_path):
    _, plan = pod(1, str(tmp_path))
    before = real_world.picture()
    with pytest.raises(Refused, match=str(tmp_path)):
        real_world.kernel.apply(plan)
    assert real_world.picture() == before


def test_rules_and_routes_on_other_links_are_undone_too(real_world):
    before = real_world.picture()
    added = [
        Change(Verb.ADD, Rule(512, 254, dst=Prefix.parse("10.9.9.9/32"))),
        Change(Verb.ADD, FibRoute(Prefix.parse("10.9.0.0/16"), link=UPLINK)),
        Change(Verb.ADD, FibRoute(Prefix.parse("2001:db8:9::/48"), link=UPLINK, table=1007)),
    ]
    with pytest.raises(KernelError):
        real_world.kernel.apply(Plan((Step(HOST, (*added, IMPOSSIBLE)),)))
    assert real_world.picture() == before


def test_what_was_there_before_survives_the_undoing(real_world):
    """The second ADD of a route fails because the first is there: only that must stay."""
    route = FibRoute(Prefix.parse("10.9.0.0/16"), link=UPLINK)
    once = Plan((Step(HOST, (Change(Verb.ADD, route),)),))
    real_world.kernel.apply(once)
    with pytest.raises(KernelError, match=f"cannot add route 10.9.0.0/16 on link {UPLINK}: EEXIST"):
        real_world.kernel.apply(once)
    assert route in real_world.kernel.dump(FibRoute)


def veth_of(plan: Plan) -> Veth:
    veth = plan.steps[0].changes[0].item
    assert isinstance(veth, Veth)
    return veth


@pytest.mark.parametrize("end", ["host", "pod"])
def test_taken_index_is_busy(real_world, end):
    netns = real_world.create_netns()
    _, first = pod(1, netns)
    real_world.kernel.apply(first)
    _, plan = pod(2, netns)
    taken = {"link": veth_of(first).link} if end == "host" else {"peer_link": veth_of(first).peer_link}
    veth = veth_of(plan)._replace(peer_name="eth1", **taken)
    before = real_world.picture()
    with pytest.raises(KernelError) as failed:
        real_world.kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, veth),)),)))
    assert failed.value.errno == errno.EBUSY
    assert real_world.picture() == before


@pytest.mark.parametrize("end", ["host", "pod"])
def test_taken_name_exists_and_its_owner_keeps_its_alias(real_world, end):
    netns = real_world.create_netns()
    _, first = pod(1, netns)
    real_world.kernel.apply(first)
    _, plan = pod(2, netns)
    veth = veth_of(plan)
    if end == "host":
        veth = veth._replace(name=veth_of(first).name, peer_name="eth1")
    before = real_world.picture()
    with pytest.raises(KernelError) as failed:
        real_world.kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, veth),)),)))
    assert failed.value.errno == errno.EEXIST
    assert real_world.picture() == before


def test_alias_that_cannot_be_set_takes_the_link_with_it(real_world):
    _, plan = pod(1, real_world.create_netns())
    veth = veth_of(plan)._replace(alias="x" * 300)  # longer than IFALIASZ
    before = real_world.picture()
    with pytest.raises(KernelError, match=f"cannot add veth {veth.name}"):
        real_world.kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, veth),)),)))
    assert real_world.picture() == before


def test_every_failure_of_a_long_plan_is_reported(real_world):
    """More failures than fit in one batch or in a default receive buffer."""
    good = [Change(Verb.ADD, FibRoute(Prefix(4, (10 << 24) + (i << 8), 24), link=UPLINK)) for i in range(2500)]
    bad = [Change(Verb.ADD, FibRoute(Prefix(4, (11 << 24) + (i << 8), 24), link=NOWHERE)) for i in range(2500)]
    mixed = tuple(change for pair in zip(good, bad, strict=True) for change in pair)
    failures = real_world.kernel.apply(Plan((Step(HOST, mixed),), atomic=False))
    assert [failure.change for failure in failures] == bad
    assert {failure.errno for failure in failures} == {errno.ENODEV}
    assert {Change(Verb.ADD, route) for route in real_world.kernel.dump(FibRoute) if route.proto == 158} == set(good)


def test_descriptors_are_closed_after_failure_and_success(real_world):
    netns = real_world.create_netns()
    _, plan = pod(1, netns)
    with pytest.raises(KernelError):
        real_world.kernel.apply(with_change(plan, 1, 0, IMPOSSIBLE))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(KernelError):
        real_world.kernel.apply(with_change(plan, 1, 0, IMPOSSIBLE))
    real_world.kernel.apply(plan)
    assert os.listdir("/proc/self/fd") == before


def test_link_that_is_no_veth_of_the_plan_can_be_set(real_world):
    real_world.kernel.apply(Plan((Step(HOST, (Change(Verb.REPLACE, LinkSetting(UPLINK, mtu=1300)),)),)))
    assert [link.mtu for link in real_world.kernel.dump(Link) if link.ifindex == UPLINK] == [1300]
