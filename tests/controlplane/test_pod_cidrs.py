"""No two nodes have the same pod CIDR, whatever happens to the processes that give them."""

from __future__ import annotations

import ipaddress
import json
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.controlplane.allocator import Rules
from terway_edge.controlplane.lease import NAME
from terway_edge.controlplane.ledger import NOTE
from terway_edge.core.addresses import Prefix
from terway_edge.core.planner.capacity import edge_range
from tests.controlplane.replicas import Cluster

P = Prefix.parse
RESERVED = P("10.64.2.0/24")
RULES = Rules((edge_range(P("10.64.0.0/20"), 256),), (RESERVED,), 30.0)
FEW = Rules((edge_range(P("10.64.0.0/21"), 256),), (RESERVED,), 2.0)  # seven for six nodes


def cluster(replicas: int = 1, *names: str, rules: Rules = RULES) -> Cluster:
    found = Cluster(rules, replicas)
    for name in names:
        found.join(name)
    return found


def settle(found: Cluster, replica: int = 0) -> None:
    for _ in range(300):
        found.step(replica)
        found.clock.advance(0.1)


def check(found: Cluster) -> None:
    networks = [ipaddress.ip_network(text) for cidrs in found.cidrs().values() for text in cidrs]
    for one, two in combinations([*networks, ipaddress.ip_network(str(RESERVED))], 2):
        assert not one.overlaps(two), found.cidrs()


def test_each_node_gets_one_and_the_lease_forgets_the_claims():
    found = cluster(1, "a", "b", "c")
    settle(found)
    assert found.cidrs() == {"a": ["10.64.0.0/24"], "b": ["10.64.1.0/24"], "c": ["10.64.3.0/24"]}
    lease = found.server.objects.get("Lease", NAME, "kube-system")
    assert json.loads(lease["metadata"]["annotations"][NOTE]) == {"claims": {}, "marks": {"10.64.0.0/20": 1024}}


def test_a_node_that_has_one_keeps_it():
    found = cluster()
    found.server.objects.put(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "spec": {"podCIDR": "10.64.0.0/24"}}
    )
    found.join("b")
    settle(found)
    assert found.cidrs() == {"a": ["10.64.0.0/24"], "b": ["10.64.1.0/24"]}


def test_nothing_is_given_while_a_pod_cidr_cannot_be_read_or_the_note_is_damaged():
    found = cluster()
    found.server.objects.put(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}, "spec": {"podCIDR": "010.1.0.0/24"}}
    )
    found.join("b")
    settle(found)
    assert found.cidrs()["b"] == []
    found.leave("a")
    found.server.objects.patch("Lease", NAME, {"metadata": {"annotations": {NOTE: "?"}}}, "kube-system")
    settle(found)
    assert found.cidrs() == {"b": []}
    found.server.objects.patch("Lease", NAME, {"metadata": {"annotations": {NOTE: None}}}, "kube-system")
    settle(found)
    assert found.cidrs() == {"b": ["10.64.0.0/24"]}


@pytest.mark.parametrize("steps", range(1, 24))
def test_a_leader_that_stops_anywhere_and_goes_on_after_another_took_over_does_no_harm(steps: int):
    """Also what is on its way when it stops: it arrives after the other one gave pod CIDRs to all nodes."""
    found = cluster(2, "a", "b")
    for _ in range(steps):
        found.step(0)
    found.join("c")
    for _ in range(200):
        found.step(1)
        found.clock.advance(0.5)
    assert all(found.cidrs().values())
    before = found.cidrs()
    for _ in range(10):
        found.arrive(0)
    for _ in range(40):
        found.step(0)
    assert found.cidrs() == before
    check(found)


def test_what_is_still_on_its_way_to_a_node_is_given_to_no_other_however_late_it_arrives():
    found = cluster(2, "a", rules=FEW)
    while not any(flight.call.method == "PATCH" for flight in found.network.late):
        found.step(0)
    found.ignored[1] = {"a"}
    for name in "bcdefghi":
        found.join(name)
    for _ in range(400):
        found.step(1)
        found.clock.advance(0.5)
    assert sum(map(bool, found.cidrs().values())) == 6, "the seventh is claimed"
    found.arrive(0)
    assert found.cidrs()["a"] == ["10.64.0.0/24"]
    check(found)


def test_a_late_pod_cidr_is_not_for_a_later_node_of_the_same_name():
    found = cluster(2, "a", rules=FEW)
    while not any(flight.call.method == "PATCH" for flight in found.network.late):
        found.step(0)
    found.leave("a")
    found.join("a")
    found.arrive(0)
    assert found.cidrs() == {"a": []}


ACTIONS = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 1)),
    st.tuples(st.just("run"), st.integers(0, 1)),
    st.tuples(st.sampled_from(["lose", "kill"]), st.integers(0, 1)),
    st.tuples(st.just("arrive"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["join", "leave"]), st.sampled_from("abcdef")),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 6.0, 16.0])),
)


@given(st.lists(ACTIONS, min_size=10, max_size=60))
@settings(max_examples=100)
def test_crashes_races_and_late_requests_leave_no_duplicate(actions: list[tuple[str, object]]):
    found = cluster(2, "a", "b", rules=FEW)
    for what, value in actions:
        if what == "wait":
            found.clock.advance(value)
        elif what == "run":
            for _ in range(8):
                found.step(value)
        else:
            getattr(found, what)(value)
        check(found)
    for _ in range(400):
        found.step(0)
        found.clock.advance(0.5)
        check(found)
    for flight in list(found.network.late):
        found.network.deliver(flight)
    check(found)
    assert all(found.cidrs().values()), "everybody has one in the end"
