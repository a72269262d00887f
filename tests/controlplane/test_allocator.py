"""Which CIDR is free, and who gets it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.controlplane.allocator import BATCH, Allocator, Holder, Rules
from terway_edge.controlplane.ledger import NOTE, Claim, DamagedError, Ledger, ledger_text, read_ledger
from terway_edge.controlplane.ranges import first_free, merged, read_cidr
from terway_edge.core.addresses import Prefix
from terway_edge.core.planner.capacity import EdgeRange, edge_range

P = Prefix.parse
TEN = P("10.64.0.0/22")  # four /24


def rules(*ranges: str, reserved: Iterable[str] = (), pods: int = 200, rest: float = 600.0) -> Rules:
    found = tuple(edge_range(P(text), pods) for text in ranges or (str(TEN),))
    return Rules(found, tuple(P(text) for text in reserved), rest)


def want(*names: str) -> list[Holder]:
    return [Holder(name, f"uid-{name}", (), True) for name in names]


def have(name: str, *cidrs: str) -> Holder:
    return Holder(name, f"uid-{name}", tuple(P(text) for text in cidrs), True)


def given_in(ledger: Ledger) -> dict[str, list[str]]:
    return {name: [str(cidr) for cidr in claim.cidrs] for name, claim in ledger.claims.items()}


def test_nodes_without_a_pod_cidr_get_the_next_ones_in_order():
    plan = Allocator(rules(), 0.0).plan([have("n0", "10.64.0.0/24"), *want("n2", "n1")], Ledger(), 0.0)
    assert given_in(plan.ledger) == {"n1": ["10.64.1.0/24"], "n2": ["10.64.2.0/24"]}
    assert plan.ledger.marks == {TEN: 768}
    assert not plan.starving


def test_other_nodes_get_nothing_and_what_they_have_is_theirs():
    others = [Holder("cloud", "u", (), False), Holder("old", "v", (P("10.64.0.0/23"),), False)]
    plan = Allocator(rules(), 0.0).plan([*others, *want("n")], Ledger(), 0.0)
    assert given_in(plan.ledger) == {"n": ["10.64.2.0/24"]}


def test_services_and_reserved_ranges_are_never_touched():
    plan = Allocator(rules(reserved=["10.64.0.0/25", "10.64.2.128/32"]), 0.0).plan(want("a", "b", "c"), Ledger(), 0.0)
    assert given_in(plan.ledger) == {"a": ["10.64.1.0/24"], "b": ["10.64.3.0/24"]}
    assert "no pod CIDR is left in 10.64.0.0/22 (/24 a node)" in plan.starving["c"]


def test_a_node_gets_one_of_each_family_or_none():
    wanted = rules("10.64.0.0/24", "fd00:1::/62", pods=200)
    plan = Allocator(wanted, 0.0).plan(want("a", "b"), Ledger(), 0.0)
    assert given_in(plan.ledger) == {"a": ["10.64.0.0/24", "fd00:1::/64"]}
    assert set(plan.starving) == {"b"}
    assert plan.ledger.marks[P("fd00:1::/62")] == 1 << 64, "nothing was spent for the one that got nothing"


def test_the_second_range_comes_after_the_first():
    plan = Allocator(rules("10.64.0.0/24", "10.99.0.0/24"), 0.0).plan(want("a", "b"), Ledger(), 0.0)
    assert given_in(plan.ledger) == {"a": ["10.64.0.0/24"], "b": ["10.99.0.0/24"]}


def test_a_claim_stays_until_the_node_shows_it_and_blocks_its_cidr():
    allocator = Allocator(rules(), 0.0)
    ledger = Ledger({"n1": Claim("uid-n1", (P("10.64.0.0/24"),))}, {TEN: 256})
    plan = allocator.plan(want("n1", "n2"), ledger, 0.0)
    assert given_in(plan.ledger) == {"n1": ["10.64.0.0/24"], "n2": ["10.64.1.0/24"]}
    plan = allocator.plan([have("n1", "10.64.0.0/24"), *want("n2")], plan.ledger, 0.0)
    assert given_in(plan.ledger) == {"n2": ["10.64.1.0/24"]}


@pytest.mark.parametrize("holder", [Holder("n1", "another", (), False), have("n1", "10.9.0.0/24")])
def test_a_claim_that_cannot_come_true_is_dropped(holder: Holder):
    ledger = Ledger({"n1": Claim("uid-n1", (P("10.64.0.0/24"),))}, {TEN: 256})
    plan = Allocator(rules(), 0.0).plan([holder], ledger, 0.0)
    assert plan.ledger == Ledger({}, {TEN: 256})


def test_what_a_deleted_node_had_rests():
    allocator = Allocator(rules("10.64.0.0/24"), 0.0)
    assert not allocator.plan([have("old", "10.64.0.0/24")], Ledger(), 1000.0).ledger.claims
    mark = Ledger({}, {P("10.64.0.0/24"): 256})
    plan = allocator.plan(want("new"), mark, 1100.0)
    assert (set(plan.starving), plan.again) == ({"new"}, 600.0)
    assert allocator.plan(want("new"), mark, 1699.0).again == 1.0
    assert given_in(allocator.plan(want("new"), mark, 1700.0).ledger) == {"new": ["10.64.0.0/24"]}


def test_a_new_leader_does_not_know_for_how_long_anything_was_free():
    mark = Ledger({}, {P("10.64.0.0/24"): 256})
    allocator = Allocator(rules("10.64.0.0/24"), began=5000.0)
    assert allocator.plan(want("new"), mark, 5010.0).again == 590.0
    assert given_in(allocator.plan(want("new"), mark, 5600.0).ledger) == {"new": ["10.64.0.0/24"]}


def test_what_was_never_given_needs_no_rest():
    plan = Allocator(rules(), began=5000.0).plan(want("new"), Ledger({}, {TEN: 512}), 5000.0)
    assert given_in(plan.ledger) == {"new": ["10.64.2.0/24"]}


def test_claims_fit_into_a_note():
    wanted = rules("10.0.0.0/8")
    plan = Allocator(wanted, 0.0).plan(want(*(f"n{index:03}" for index in range(BATCH + 9))), Ledger(), 0.0)
    assert (len(plan.ledger.claims), plan.starving) == (BATCH, {})


def test_a_ledger_is_read_as_it_was_written():
    ledger = Ledger({"n": Claim("u", (P("10.0.0.0/24"), P("fd00::/64")))}, {P("fd00::/32"): 1 << 96})
    assert read_ledger({NOTE: ledger_text(ledger)}) == ledger
    assert read_ledger({"else": "x"}) == Ledger()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"claims":{"n":1},"marks":{}}', '{"claims":{},"marks":{"x":1}}'])
def test_a_damaged_ledger_is_none(text: str):
    with pytest.raises(DamagedError):
        read_ledger({NOTE: text})


def test_host_bits_are_let_be():
    assert read_cidr("10.0.0.5/24") == P("10.0.0.0/24")


# --- laws ---------------------------------------------------------------------------------------------------------

CIDRS = st.builds(
    lambda value, length: Prefix(4, P("10.64.0.0/16").value | (value >> 32 - length << 32 - length), length),
    st.integers(0, 0xFFFF),
    st.integers(18, 30),
)


@given(taken=st.lists(CIDRS, max_size=12), start=st.integers(0, 0xFFFF), length=st.integers(18, 26))
def test_the_first_free_one_is_free_and_the_first(taken: list[Prefix], start: int, length: int):
    within = P("10.64.0.0/16")
    found = first_free(EdgeRange(within, length, 1 << length - 16), merged(taken, 4), within.value + start)
    blocked = [ipaddress.ip_network(str(each)) for each in taken]
    candidates = (
        each
        for each in ipaddress.ip_network(str(within)).subnets(new_prefix=length)
        if int(each.network_address) >= within.value + start and not any(each.overlaps(one) for one in blocked)
    )
    first = next(candidates, None)
    assert (str(found) if found else None) == (str(first) if first else None)


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["join", "leave", "show", "tick"])), max_size=40)
)
def test_no_two_nodes_have_the_same_and_nothing_is_reused_too_soon(steps: list[tuple[str, str]]):
    allocator, ledger, now = Allocator(rules(rest=10.0), 0.0), Ledger(), 0.0
    nodes: dict[str, Holder] = {}
    left: dict[Prefix, float] = {}
    for serial, (name, what) in enumerate(steps):
        if what == "join" and name not in nodes:
            nodes[name] = Holder(name, f"{name}{serial}", (), True)
        elif what == "leave" and name in nodes:
            left |= dict.fromkeys(nodes.pop(name).cidrs, now)
        elif what == "show" and name in nodes and (claim := ledger.claims.get(name)) and claim.uid == nodes[name].uid:
            nodes[name] = nodes[name]._replace(cidrs=claim.cidrs)
        now += 3.0 if what == "tick" else 0.1
        before = ledger
        ledger = allocator.plan(nodes.values(), ledger, now).ledger
        owned = [cidr for each in nodes.values() for cidr in each.cidrs]
        owned += [cidr for key, claim in ledger.claims.items() if not nodes[key].cidrs for cidr in claim.cidrs]
        assert len(set(owned)) == len(owned)
        for key in ledger.claims.keys() - before.claims.keys():
            assert all(now >= left.get(cidr, -10.0) + 10.0 for cidr in ledger.claims[key].cidrs)
