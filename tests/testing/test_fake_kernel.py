"""What a FakeKernel can do that a real one cannot: fail on purpose, act as a stranger, show everything."""

from __future__ import annotations

import errno
import threading

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.datapath import GATEWAYS, attach_plan, detach_plan
from terway_edge.core.errors import KernelError, Refused
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import link_macs, link_name
from terway_edge.core.plans import (
    HOST,
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
    Verb,
    Where,
)
from terway_edge.core.ports import Happening, KernelEvent
from terway_edge.testing import FakeKernel, Fate

NETNS = "/run/netns/pod"
ADDRESS = Address.parse("10.9.0.5")
HOST_ADDRESS = LinkAddress(10, Address.parse("192.0.2.1"), 24)
ROUTE = FibRoute(Prefix.parse("10.1.0.0/24"), Address.parse("192.0.2.2"), 10)


@pytest.fixture
def kernel() -> FakeKernel:
    made = FakeKernel()
    made.create_link("up0", ifindex=10)
    made.foreign_add(HOST_ADDRESS)
    made.create_netns(NETNS)
    return made


def plug(
    kernel: FakeKernel, netns: str | int = NETNS, name: str = "c1", index: int = 50, address: Address = ADDRESS
) -> Lease:
    box = Sandbox(name, "eth0", netns) if isinstance(netns, str) else Sandbox(name, "eth0", netns_fd=netns)
    lease = Lease(box, (address,), "test", ("pool",), 0.0)
    kernel.apply(attach_plan(box, lease, host_link=index, pod_link=2, mtu=1500))
    return lease


def add(kernel: FakeKernel, *items) -> None:
    assert kernel.apply(Plan((Step(HOST, tuple(Change(Verb.ADD, item) for item in items)),), atomic=False)) == ()


# --- failing on purpose --------------------------------------------------------------------------------------------


def test_fail_next_refuses_the_change_that_matches_once(kernel):
    before = kernel.snapshot()
    kernel.fail_next(lambda change: isinstance(change.item, Neighbour), errno=errno.ENOMEM)
    with pytest.raises(KernelError, match="ENOMEM") as caught:
        plug(kernel)
    assert caught.value.errno == errno.ENOMEM
    assert isinstance(caught.value.item, Neighbour)
    assert kernel.snapshot() == before
    plug(kernel)


def test_fail_after_leaves_nothing_behind_wherever_it_strikes(kernel):
    before = kernel.snapshot()
    for changes in range(9):
        kernel.fail_after(changes, errno.ENOBUFS)
        with pytest.raises(KernelError, match="ENOBUFS"):
            plug(kernel)
        assert kernel.snapshot() == before, f"after {changes} changes"
    plug(kernel)
    assert kernel.snapshot() > before


def test_failure_of_a_plan_that_is_not_atomic_is_returned(kernel):
    kernel.fail_next(errno=errno.EPERM)
    change = Change(Verb.ADD, ROUTE)
    (failure,) = kernel.apply(Plan((Step(HOST, (change,)),), atomic=False))
    assert (failure.change, failure.errno) == (change, errno.EPERM)


def test_changes_counts_what_was_accepted(kernel):
    add(kernel, ROUTE)
    kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, ROUTE),)),), atomic=False))
    assert kernel.changes == 1


# --- strangers -----------------------------------------------------------------------------------------------------


def test_strangers_are_told_to_subscribers_before_their_act_returns(kernel):
    seen: list[KernelEvent] = []
    kernel.subscribe(seen.append)
    add(kernel, ROUTE)
    assert seen == []
    kernel.foreign_remove(ROUTE)
    assert seen == [KernelEvent(Happening.ROUTE_REMOVED, ROUTE)]
    kernel.foreign_remove(ROUTE)
    kernel.overrun()
    assert seen[1:] == [KernelEvent(Happening.OVERRUN)]


def test_listener_may_repair_from_within_the_event(kernel):
    def repair(event: KernelEvent) -> None:
        if event.what is Happening.ROUTE_REMOVED:
            add(kernel, event.item)

    kernel.subscribe(repair)
    add(kernel, ROUTE)
    kernel.foreign_remove(ROUTE)
    assert ROUTE in kernel.dump(FibRoute)


def test_flush_routes_takes_connected_ones_too(kernel):
    add(kernel, ROUTE, ROUTE._replace(table=1000))
    kernel.flush_routes()
    assert kernel.dump(FibRoute, Where(table=254)) == []
    assert kernel.dump(FibRoute, Where(table=1000)) == [ROUTE._replace(table=1000)]


def test_events_inside_a_pod_are_not_the_hosts(kernel):
    seen: list[KernelEvent] = []
    plug(kernel)
    kernel.subscribe(seen.append)
    kernel.foreign_remove(LinkAddress(2, ADDRESS, 32), NETNS)
    assert seen == []


def test_hot_plugged_link_is_told_and_can_go_again(kernel):
    seen: list[KernelEvent] = []
    kernel.subscribe(seen.append)
    link = kernel.create_link("eni7", mtu=8500, up=False)
    assert kernel.dump(Link, Where(link=0))[-1] == link
    kernel.delete_link("eni7")
    assert [event.item.name for event in seen] == ["eni7", "eni7"]


# --- namespaces ----------------------------------------------------------------------------------------------------


def test_descriptor_stands_for_its_namespace_until_that_is_gone(kernel):
    descriptor = kernel.netns_fd(NETNS)
    plug(kernel, descriptor)
    assert [a.address for a in kernel.dump(LinkAddress, Where(netns=NETNS, link=2))] == [ADDRESS]
    kernel.delete_netns(NETNS)
    with pytest.raises(Refused, match="no network namespace"):
        kernel.dump(Link, Where(netns=descriptor))


def test_deleted_namespace_takes_host_ends_along(kernel):
    before = kernel.snapshot()
    kernel.create_netns("/run/netns/other")
    plug(kernel, "/run/netns/other")
    kernel.delete_netns("/run/netns/other")
    assert kernel.snapshot() == before


# --- unplugging ----------------------------------------------------------------------------------------------------


def test_unplug_is_pending_until_settle(kernel):
    before = kernel.snapshot()
    lease = plug(kernel)
    kernel.apply(detach_plan(lease))
    kernel.unplug([lease.key])
    assert list(kernel.pending) == [lease.key]
    assert any(link.name == link_name(lease.key) for link in kernel.dump(Link))
    kernel.settle()
    assert not kernel.pending
    assert kernel.snapshot() == before


def test_connections_stay_until_settle(kernel):
    mine, other = (HOST_ADDRESS.address, Address.parse("192.0.2.7")), (Address.parse("192.0.2.8"),) * 2
    kernel.foreign_flow(*mine)
    kernel.foreign_flow(*other)
    kernel.forget([mine[1]])
    assert kernel.conntrack == {mine, other}
    kernel.settle()
    assert kernel.conntrack == {other}
    assert not kernel.released


def test_unplug_at_once_needs_no_settle():
    kernel = FakeKernel(unplug_at_once=True)
    kernel.create_netns(NETNS)
    lease = plug(kernel)
    kernel.unplug([lease.key])
    assert [link.name for link in kernel.dump(Link)] == ["lo"]


# --- tracing -------------------------------------------------------------------------------------------------------


def test_trace_tells_each_hop_of_a_packet_that_arrives(kernel):
    plug(kernel)
    trace = kernel.trace(NETNS, HOST_ADDRESS.address)
    assert trace.arrived
    assert trace.hops == (
        f"{NETNS}: 0.0.0.0/0 via 169.254.1.1 dev eth0",
        "host: 192.0.2.1 is here",
    )


def test_trace_knows_a_packet_that_leaves_by_the_uplink(kernel):
    plug(kernel)
    assert kernel.trace(NETNS, Address.parse("192.0.2.9")).fate is Fate.LEFT


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda k, name: k.foreign_remove(FibRoute(ADDRESS.host)), "no route to 10.9.0.5"),
        (lambda k, name: k.set_link(name, up=False), "no route to 10.9.0.5"),
        (lambda k, name: k.foreign_replace(Neighbour(50, ADDRESS, bytes(6))), "names 00:00:00:00:00:00, not"),
        (
            lambda k, name: k.foreign_replace(FibRoute(ADDRESS.host, kind=RouteKind.UNREACHABLE)),
            "10.9.0.5/32 is unreachable",
        ),
    ],
)
def test_trace_tells_why_a_packet_is_lost(kernel, spoil, reason):
    lease = plug(kernel)
    spoil(kernel, link_name(lease.key))
    trace = kernel.trace(HOST, ADDRESS)
    assert trace.fate is Fate.LOST
    assert reason in trace.hops[-1]


def test_trace_needs_forwarding_between_pods(kernel):
    other = Address.parse("10.9.0.6")
    lease = plug(kernel)
    kernel.create_netns("/run/netns/other")
    plug(kernel, "/run/netns/other", "c2", 51, other)
    assert kernel.trace(NETNS, other).arrived
    kernel.foreign_replace(Sysctl(f"ipv4/conf/{link_name(lease.key)}/forwarding", "0"))
    assert "does not forward IPv4" in kernel.trace(NETNS, other).hops[-1]


def test_trace_follows_rules(kernel):
    plug(kernel)
    add(kernel, Rule(512, 1000, dst=ADDRESS.host), FibRoute(ADDRESS.host, kind=RouteKind.UNREACHABLE, table=1000))
    assert kernel.trace(HOST, ADDRESS).fate is Fate.LOST


def test_trace_ends_when_a_packet_goes_in_circles(kernel):
    lease = plug(kernel)
    host_mac, _ = link_macs(lease.key)
    gateway = GATEWAYS[4]
    # Without its address the pod has no IPv4 left on eth0; given a default route again, it sends everything back.
    kernel.foreign_remove(LinkAddress(2, ADDRESS, 32), NETNS)
    kernel.foreign_add(Neighbour(2, gateway, host_mac), NETNS)
    kernel.foreign_add(FibRoute(Prefix(4, 0, 0), gateway, 2, onlink=True), NETNS)
    kernel.foreign_replace(Sysctl("ipv4/conf/eth0/forwarding", "1"), NETNS)
    assert kernel.trace(HOST, ADDRESS).hops[-1] == "the packet goes round in circles"


# --- threads -------------------------------------------------------------------------------------------------------


def test_many_threads_may_plug_at_once(kernel):
    before = kernel.snapshot()
    leases: list[Lease] = []

    def work(worker: int) -> None:
        for number in range(10):
            index = 100 + worker * 10 + number
            netns = f"/run/netns/{index}"
            kernel.create_netns(netns)
            leases.append(plug(kernel, netns, f"c{index}", index, Address(4, 10 << 24 | index)))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(leases) == 80
    for lease in leases:
        kernel.delete_netns(lease.sandbox.netns)
    assert kernel.snapshot() == before
