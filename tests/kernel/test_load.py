"""Many threads at once, and many pods one after another: nothing is mixed up and nothing leaks."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from terway_edge.core.datapath import detach_plan, host_items
from terway_edge.core.names import link_alias, link_name
from terway_edge.core.plans import FibRoute, Link, LinkAddress, Neighbour, Where
from terway_edge.core.ports import KernelEvent
from terway_edge.kernel import LinuxKernel
from tests.kernel.pods import pod

pytestmark = [pytest.mark.root, pytest.mark.slow]
THREADS, PODS = 8, 20


def test_eight_threads_with_twenty_pods_each(real_world):
    kernel = real_world.kernel
    netns = [real_world.create_netns() for _ in range(THREADS * PODS)]

    def live(worker: int) -> list[object]:
        kept = []
        for number in range(worker * PODS, (worker + 1) * PODS):
            lease, plan = pod(number, netns[number], ipv6=True)
            kernel.apply(plan)
            if number % 2:
                kernel.apply(detach_plan(lease))
                kernel.unplug([lease.key])
            else:
                kept.append((lease, plan.steps[0].changes[0].item))
        return kept

    with ThreadPoolExecutor(THREADS) as pool:
        kept = [pair for pairs in pool.map(live, range(THREADS)) for pair in pairs]
    kernel.settle()
    items = {item for lease, veth in kept for item in host_items(lease, veth.link)}
    assert {item for item in kernel.dump(FibRoute) if item.proto == 158} | set(kernel.dump(Neighbour)) == items
    ours = {(link.ifindex, link.name, link.alias) for link in kernel.dump(Link) if link.kind == "veth"}
    expected = {(veth.link, link_name(lease.key), link_alias(lease.key)) for lease, veth in kept}
    assert {link for link in ours if link[1].startswith("tw")} == expected
    for lease, veth in kept:
        inside = kernel.dump(LinkAddress, Where(netns=lease.sandbox.netns, link=veth.peer_link))
        assert {address.address for address in inside} >= set(lease.addresses)


def resources() -> tuple[int, int]:
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def memory() -> int:
    """Resident kilobytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_five_hundred_pods_leave_no_trace(real_world):
    kernel = real_world.kernel
    netns = [real_world.create_netns() for _ in range(10)]
    events: list[KernelEvent] = []
    subscription = kernel.subscribe(events.append)

    def ten_pods(first: int) -> None:
        for number in range(first, first + 10):
            lease, plan = pod(number, netns[number % 10], ipv6=True)
            kernel.apply(plan)
            kernel.apply(detach_plan(lease))
            kernel.unplug([lease.key])
        kernel.settle()

    before = real_world.picture()
    for first in range(0, 100, 10):
        ten_pods(first)
    gc.collect()
    start, resident = resources(), memory()
    for first in range(100, 600, 10):
        ten_pods(first)
    gc.collect()
    files, threads = (now - then for now, then in zip(resources(), start, strict=True))
    assert threads == 0
    assert files <= 2  # a socket for each thread there ever was at once: the reaper may have met us for the first time
    assert memory() - resident < 1024
    assert real_world.picture() == before
    # The uplinks get link-local addresses meanwhile, by the kernel's own hand.
    assert [event for event in events if not isinstance(event.item, LinkAddress)] == []
    subscription.close()


def test_closed_kernel_keeps_nothing(real_world):
    before = resources()
    for number in range(5):
        kernel = LinuxKernel(f"/run/netns/{real_world._host}")
        kernel.subscribe(lambda event: None)
        lease, plan = pod(number, real_world.create_netns())
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _, kernel=kernel: kernel.dump(Link), range(30)))
        kernel.apply(plan)
        kernel.unplug([lease.key])
        kernel.close()
        kernel.close()
    assert resources() == before
