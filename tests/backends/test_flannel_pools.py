"""flannel_route's pools: they follow the node's pod CIDRs, whatever view a call comes with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import Retry
from terway_edge.core.models import RouteSet
from terway_edge.testing.contract import at_work
from terway_edge.testing.harness import Harness
from tests.backends.flannel_node import NAME, deselected, working


def with_pod_cidrs(harness: Harness, *cidrs: str) -> None:
    """The node's pod CIDRs are others, and the backend has seen that."""
    node = harness.view.node._replace(pod_cidrs=tuple(map(Prefix.parse, cidrs)))
    harness.view = replace(harness.view, node=node)
    harness.advertise(RouteSet())


def drop_pools(harness: Harness) -> None:
    """What the agent does when another backend is selected."""
    for name in harness.context.ipam.pools():
        harness.context.ipam.remove_pool(name)


def test_addresses_come_from_the_pod_cidrs_of_the_node(harness):
    lease = harness.allocate()
    for address, prefix in zip(lease.addresses, harness.view.node.pod_cidrs, strict=True):
        assert prefix.contains(address)
    assert lease.pools == tuple(map(str, harness.view.node.pod_cidrs))


def test_a_node_without_pod_cidr_makes_the_runtime_try_again_and_tells_the_operator_why(harness):
    with_pod_cidrs(harness)
    with pytest.raises(Retry, match=r"node-a has no spec\.podCIDR yet.*allocate-node-cidrs") as caught:
        harness.allocate()
    assert caught.value.after == 5
    assert harness.context.ipam.leases() == ()


def test_reserved_addresses_are_never_given_out():
    with working(ipam={"reserved": ["10.244.1.1", "2001:db8:244:1::1", "203.0.113.1"]}) as harness:
        given = {str(address) for _ in range(10) for address in harness.allocate().addresses}
    assert not given & {"10.244.1.1", "2001:db8:244:1::1"}


def test_a_changed_pod_cidr_serves_new_pods_and_keeps_old_leases(harness):
    old = harness.allocate()
    with_pod_cidrs(harness, "10.99.0.0/28")
    new = harness.allocate()
    assert Prefix.parse("10.99.0.0/28").contains(new.addresses[0])
    assert harness.context.ipam.pools() == ("10.99.0.0/28",)
    assert harness.allocate(old.sandbox) == old
    harness.hooks.release(old)
    assert harness.context.ipam.leases() == (new,)


def test_a_pod_cidr_change_reaches_the_pools_with_the_next_routes_too(harness):
    with_pod_cidrs(harness, "10.99.0.0/28")
    assert harness.context.ipam.pools() == ("10.99.0.0/28",)


def test_a_wider_pod_cidr_takes_the_place_of_a_narrow_one(harness):
    with_pod_cidrs(harness, "10.244.0.0/16", "2001:db8:244::/48")
    assert harness.context.ipam.pools() == ("10.244.0.0/16", "2001:db8:244::/48")


def test_an_add_that_waited_with_an_old_view_gets_an_address_of_the_new_pod_cidr(harness):
    old_view = harness.view
    with_pod_cidrs(harness, "10.99.0.0/28")
    lease = harness.allocate(view=old_view)
    assert lease.pools == ("10.99.0.0/28",)
    assert harness.context.ipam.pools() == ("10.99.0.0/28",)


def test_between_two_backends_an_add_is_tried_again_and_brings_no_pool_back(harness):
    drop_pools(harness)
    with pytest.raises(Retry, match="pools of node node-a are changing"):
        harness.allocate()
    assert harness.context.ipam.pools() == ()
    old_view, harness.view = harness.view, deselected(harness.view)
    harness.advertise(RouteSet())
    with pytest.raises(Retry):
        harness.allocate(view=old_view)
    assert harness.context.ipam.pools() == ()


def test_a_node_that_comes_back_is_served_by_its_pod_cidrs_again(harness):
    here = harness.view
    harness.view = deselected(here)
    drop_pools(harness)
    harness.advertise(RouteSet())
    harness.view = here
    drop_pools(harness)
    harness.hooks.start(NAME, here)
    assert harness.allocate().pools == tuple(map(str, here.node.pod_cidrs))


def test_pools_of_another_backend_are_left_alone(harness):
    drop_pools(harness)
    theirs = str(harness.view.node.pod_cidrs[0])
    harness.context.ipam.add_pool(theirs, prefix=Prefix.parse("10.244.1.32/27"))
    harness.view = deselected(harness.view)
    harness.advertise(RouteSet())
    assert harness.context.ipam.pools() == (theirs,)


def test_a_pool_in_the_way_is_passing_trouble(harness):
    drop_pools(harness)
    harness.context.ipam.add_pool("theirs", prefix=Prefix.parse("10.244.0.0/16"))
    with pytest.raises(Retry, match="overlaps pool 'theirs'"):
        harness.hooks.start(NAME, harness.view)
    harness.context.ipam.remove_pool("theirs")
    harness.advertise(RouteSet())
    assert harness.allocate()


def test_pods_are_served_while_views_come_and_go(harness):
    """Starts, sets of routes and ADDs at once: an ADD gets an address of a pod CIDR, or is tried again."""
    views = [harness.view]
    with_pod_cidrs(harness, "10.99.0.0/24")
    views.append(harness.view)

    def act(number: int) -> None:
        view = views[number % 2]
        with suppress(Retry):
            if number % 3 == 0:
                harness.hooks.start(NAME, view)
            elif number % 3 == 1:
                harness.hooks.advertise(NAME, RouteSet(), view)
            else:
                harness.allocate(view=view)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(act, range(200)))
    harness.advertise(RouteSet())
    assert "10.99.0.0/24" in harness.allocate().pools


def test_as_a_mere_advertiser_it_leaves_the_pod_cidr_to_the_backend():
    with at_work(NAME, FlannelRoute, serves_pods=False) as harness:
        harness.advertise(harness.routes())
        assert harness.context.ipam.pools() == ()
