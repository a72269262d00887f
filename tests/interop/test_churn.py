"""Nodes come and go, and the switch knows it soon and exactly."""

from __future__ import annotations

import random
import statistics
import time

import pytest

from terway_edge.backends.bgp.messages import Family
from terway_edge.backends.bgp.wish import Routes, Wish
from terway_edge.core.addresses import Address
from tests.interop import places
from tests.interop.rib import is_known
from tests.interop.stage import Stage, knows, many_routes, merged, pod_routes, spec_of, wait_for_routes
from tests.interop.switches import Kind
from tests.interop.waiting import until

pytestmark = pytest.mark.root

PEER = places.SWITCH[0]
ROUNDS = 20
SOON = 1.0  # seconds


def test_t50_a_node_is_known_or_forgotten_within_a_second(stage: Stage, kind: Kind) -> None:
    spec, rest, node = spec_of(), merged(pod_routes(1, 2), many_routes(1000)), places.pod_cidrs(3)
    switch = stage.switch(kind, spec)
    speaker = stage.announce(Wish(spec, rest))
    wait_for_routes(switch, rest)
    took = []
    for number in range(2 * ROUNDS):
        is_there = number % 2 == 0
        start = time.monotonic()
        speaker.want(Wish(spec, merged(rest, pod_routes(3)) if is_there else rest))
        for prefix in node:
            until(lambda: is_known(switch, prefix) == is_there, prefix)  # noqa: B023
        took.append(time.monotonic() - start)
    print(f"{kind}: median {statistics.median(took) * 1000:.0f} ms, longest {max(took) * 1000:.0f} ms")
    assert max(took) < SOON


def test_s23_five_hundred_nodes_at_once(stage: Stage, kind: Kind) -> None:
    spec, few, many = spec_of(), pod_routes(), merged(pod_routes(), many_routes(500))
    switch = stage.switch(kind, spec)
    speaker = stage.announce(Wish(spec, few))
    wait_for_routes(switch, few)
    for routes in (many, few):
        start = time.monotonic()
        speaker.want(Wish(spec, routes))
        wait_for_routes(switch, routes)
        assert time.monotonic() - start < SOON
    assert len(speaker.edges()) == 1


def test_s23_a_node_gets_another_address(stage: Stage, kind: Kind) -> None:
    spec = spec_of()
    switch = stage.switch(kind, spec)
    speaker = stage.announce(Wish(spec, pod_routes()))
    stage.wait_for_kernel(pod_routes())
    pings = stage.pings(places.pod(2)[0])
    moved: Routes = {
        family: dict.fromkeys(pod_routes()[family], Address.parse(places.node(2)[family is Family.IPV6]))
        for family in Family
    }
    speaker.want(Wish(spec, moved))
    wait_for_routes(switch, moved)
    stage.wait_for_kernel(moved)
    assert pings.end().lost == 0


def test_t44_the_switch_knows_what_was_wanted_last_and_nothing_else(stage: Stage, kind: Kind) -> None:
    spec, draw = spec_of(), random.Random(44)
    switch = stage.switch(kind, spec)
    speaker = stage.speaker()
    everything = {family: list(table.items()) for family, table in many_routes(2000).items()}
    for _ in range(8):
        for _ in range(5):  # in quick succession: not each of them is told whole
            routes = {family: dict(draw.sample(items, draw.randrange(1000))) for family, items in everything.items()}
            speaker.want(Wish(spec, routes))
        wait_for_routes(switch, routes)
    stage.wait_for_kernel(routes)
    assert knows(switch, routes)
    assert len(speaker.edges()) == 1
