"""What the contract tests are written with: addresses, routes and pods by name, and changes in one line."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.datapath import attach_plan
from terway_edge.core.models import Bandwidth, Lease, Sandbox
from terway_edge.core.plans import (
    COVER_METRIC,
    HOST,
    PROTO,
    Change,
    FibRoute,
    Link,
    Plan,
    RouteKind,
    Step,
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
