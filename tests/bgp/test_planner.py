"""The rules of graceful restart that are policy (R1, R3, R4, R5), and the guard against a set that shrank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp.announcements import Announced, Announcement
from terway_edge.backends.bgp.memory import Remembered, Remembrance
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.planner import Plan, Planner, Target, farewell
from terway_edge.backends.bgp.wish import Attributes
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Condition
from tests.bgp.sessions import SPEAKER

NOW = 5000.0
SECOND = replace(SPEAKER, name="lan-b", address=Address.parse("192.0.2.2"))
NOTHING = Remembrance()
COMMUNITIES = Attributes(communities=(7,))


def announcement(number: int, hop: int = 0) -> Announcement:
    """Node n's pod CIDR."""
    return Announcement(
        Prefix.parse(f"10.1.{number}.0/24"), Address.parse(f"192.0.2.{hop or 10 + number}"), f"n{number}"
    )


def announcements(numbers: Iterable[int]) -> tuple[Announcement, ...]:
    return tuple(map(announcement, numbers))


def target(*numbers: int, spec: PeerSpec = SPEAKER) -> Target:
    return Target(spec, Announced(announcements(numbers)), COMMUNITIES)


def before(*numbers: int, spec: PeerSpec = SPEAKER, boot: str = "boot-1") -> Remembrance:
    return Remembrance(boot, {spec.address: Remembered(spec, announcements(numbers), COMMUNITIES)})


def planner(remembered: Remembrance, *, boot: str = "boot-1", percent: int = 30, hold_back: float = 300) -> Planner:
    return Planner(remembered, boot, shrink_percent=percent, hold_back=hold_back)


def prefixes(plan: Plan, spec: PeerSpec = SPEAKER) -> list[int]:
    """The numbers of the nodes whose routes a peer is to know."""
    (wish,) = (wish for wish in plan.wishes if wish.spec.address == spec.address)
    return sorted(prefix.value >> 8 & 255 for family in wish.routes.values() for prefix in family)


def reasons(conditions: Sequence[Condition]) -> list[str]:
    return [condition.reason for condition in conditions]


# --- R1, R3: when to connect ------------------------------------------------------------------------------------------


def test_r1_nothing_known_and_nothing_remembered_means_no_session() -> None:
    plan = planner(NOTHING).plan([target(1, 2)], NOW, in_sync=False)
    assert (plan.wishes, plan.memory) == ((), {})
    (condition,) = plan.conditions
    assert (condition.reason, condition.subject) == ("RoutesHeld", "BGPPeer/lan-a")
    assert condition.message.startswith("not connecting to 192.0.2.1")


def test_r1_the_first_whole_listing_opens_the_session() -> None:
    made = planner(NOTHING)
    made.plan([target(1)], NOW, in_sync=False)
    plan = made.plan([target(1, 2)], NOW + 60, in_sync=True)
    (wish,) = plan.wishes
    assert prefixes(plan) == [1, 2]
    assert (wish.rebirth, wish.attributes) == (Rebirth(), COMMUNITIES)
    assert plan.conditions == ()


def test_r3_what_is_remembered_counts_as_a_listing() -> None:
    plan = planner(before(1, 2)).plan([target(2, 3)], NOW, in_sync=False)
    (wish,) = plan.wishes
    assert prefixes(plan) == [1, 2, 3]
    assert wish.attributes == replace(COMMUNITIES, med=100)
    (condition,) = plan.conditions
    assert condition.message.startswith("what was announced to 192.0.2.1 before the restart stays announced")


def test_r3_of_old_and_new_next_hops_the_new_is_right() -> None:
    moved = Target(SPEAKER, Announced((announcement(1, hop=99),)))
    (wish,) = planner(before(1)).plan([moved], NOW, in_sync=False).wishes
    (routes,) = (routes for routes in wish.routes.values() if routes)
    assert routes == {Prefix.parse("10.1.1.0/24"): Address.parse("192.0.2.99")}


def test_r3_a_peer_that_the_listing_has_not_yet_stays_as_it_was() -> None:
    plan = planner(before(1, 2)).plan([], NOW, in_sync=False)
    (wish,) = plan.wishes
    assert (wish.spec, prefixes(plan)) == (SPEAKER, [1, 2])
    assert wish.attributes == replace(COMMUNITIES, med=100)
    assert not wish.rebirth.is_farewell


def test_a_whole_listing_takes_back_what_is_gone_and_says_that_it_knows() -> None:
    made = planner(before(1, 2))
    made.plan([target(2)], NOW, in_sync=False)
    plan = made.plan([target(2)], NOW + 5, in_sync=True)
    assert prefixes(plan) == [2]
    assert plan.wishes[0].attributes.med == 0
    assert (plan.conditions, plan.again_at) == ((), None)


def test_a_listing_that_is_incomplete_later_takes_nothing_back_either() -> None:
    made = planner(NOTHING)
    made.plan([target(1, 2)], NOW, in_sync=True)
    assert prefixes(made.plan([target(1)], NOW, in_sync=False)) == [1, 2]
    assert prefixes(made.plan([], NOW, in_sync=False)) == [1, 2]
    assert prefixes(made.plan([target(1)], NOW, in_sync=True)) == [1]


def test_conditions_of_the_announcements_are_passed_on() -> None:
    odd = Condition("NotAnnounced", "BGPPeer/lan-a", "n9 is odd")
    found = Target(SPEAKER, Announced((), (odd,)))
    assert planner(NOTHING).plan([found], NOW, in_sync=True).conditions == (odd,)


# --- R4, R5: what the OPEN says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remembered", "boot", "expected"),
    [
        (NOTHING, "boot-1", Rebirth(restarting=False, forwarding=True)),
        (NOTHING, "boot-2", Rebirth(restarting=False, forwarding=True)),
        (before(1), "boot-1", Rebirth(restarting=True, forwarding=True)),
        (before(1), "boot-2", Rebirth(restarting=True, forwarding=False)),
        (before(1, spec=SECOND), "boot-2", Rebirth(restarting=False, forwarding=True)),
    ],
)
def test_r4_r5_the_bits_follow_from_process_and_boot(remembered: Remembrance, boot: str, expected: Rebirth) -> None:
    plan = planner(remembered, boot=boot).plan([target(1)], NOW, in_sync=True)
    (wish,) = (wish for wish in plan.wishes if wish.spec == SPEAKER)
    assert wish.rebirth == expected


def test_r4_a_peer_that_was_left_is_met_for_the_first_time_again() -> None:
    made = planner(before(1))
    made.plan([], NOW, in_sync=True)
    made.left(SPEAKER.address)
    assert made.plan([target(1)], NOW, in_sync=True).wishes[0].rebirth == Rebirth()


# --- peers that went --------------------------------------------------------------------------------------------------


def test_a_peer_that_went_while_we_were_away_is_taken_leave_of_once_that_is_sure() -> None:
    made = planner(before(1))
    assert not made.plan([], NOW, in_sync=False).wishes[0].rebirth.is_farewell
    fresh = planner(before(1))
    expected = farewell(before(1).peers[SPEAKER.address])
    for _ in range(2):  # until it is said
        assert fresh.plan([], NOW, in_sync=True).wishes == (expected,)
    assert expected.rebirth.is_farewell
    assert expected.spec == SPEAKER
    assert not any(expected.routes.values())
    fresh.left(SPEAKER.address)
    plan = fresh.plan([], NOW, in_sync=True)
    assert (plan.wishes, plan.memory) == ((), {})


def test_a_peer_that_goes_while_we_are_here_is_simply_not_wished_for() -> None:
    """The speaker knows what that means; until it has said so the peer is remembered."""
    made = planner(NOTHING)
    made.plan([target(1)], NOW, in_sync=True)
    plan = made.plan([], NOW, in_sync=True)
    assert plan.wishes == ()
    assert plan.memory.keys() == {SPEAKER.address}
    made.left(SPEAKER.address)
    assert made.memory == {}


def test_a_remembered_peer_that_was_spoken_to_before_the_listing_was_whole_needs_no_farewell() -> None:
    made = planner(before(1))
    made.plan([], NOW, in_sync=False)
    assert made.plan([], NOW, in_sync=True).wishes == ()


def test_a_peer_whose_session_cannot_be_described_stays_as_it_is() -> None:
    """Its Secret is missing, or this node's address: no reason to take its routes away."""
    made = planner(before(1, 2))
    for _ in range(2):
        plan = made.plan([], NOW, in_sync=True, unclear={SPEAKER.address})
        assert prefixes(plan) == [1, 2]
        assert plan.conditions == ()  # whoever found it unclear has told
    assert planner(NOTHING).plan([], NOW, in_sync=True, unclear={SPEAKER.address}).wishes == ()


# --- the shrink guard -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("had", "has", "percent", "is_held"),
    [
        (10, 10, 30, False),
        (10, 8, 30, False),
        (10, 7, 30, False),  # 30 % is not more than 30 %
        (10, 6, 30, True),
        (3, 1, 30, False),  # two nodes may always go
        (5, 2, 30, True),
        (1000, 701, 30, False),
        (1000, 699, 30, True),
        (100, 97, 0, True),
        (100, 98, 0, False),
        (100, 1, 99, False),
        (100, 0, 99, True),
        (100, 0, 100, False),  # the guard is off
        (2, 0, 30, True),  # nothing at all is no shrinking
        (1, 0, 30, True),
    ],
)
def test_a_set_that_shrank_much_between_two_lives_is_held_back(had: int, has: int, percent: int, is_held: bool) -> None:
    nodes = [
        Announcement(Prefix(4, (10 << 24) + (n << 8), 24), Address.parse("192.0.2.20"), f"n{n}") for n in range(had)
    ]
    known = Remembrance("boot-1", {SPEAKER.address: Remembered(SPEAKER, tuple(nodes))})
    made = planner(known, percent=percent)
    plan = made.plan([Target(SPEAKER, Announced(tuple(nodes[:has])))], NOW, in_sync=True)
    (wish,) = plan.wishes
    assert sum(map(len, wish.routes.values())) == (had if is_held else has)
    assert reasons(plan.conditions) == ["RoutesHeld"] * is_held
    assert wish.attributes.med == (100 if is_held else 0)
    assert plan.again_at == (NOW + 300 if is_held else None)
    assert len(plan.memory[SPEAKER.address].announcements) == (had if is_held else has)


def held() -> Planner:
    """Nodes 1 to 10 were announced, 1 to 3 are there."""
    made = planner(before(*range(1, 11)))
    assert prefixes(made.plan([target(1, 2, 3)], NOW, in_sync=True)) == list(range(1, 11))
    return made


def test_the_guard_says_how_much_is_missing_and_for_how_long() -> None:
    (condition,) = planner(before(*range(1, 11))).plan([target(1, 2, 3)], NOW, in_sync=True).conditions
    assert condition.message.startswith("7 of 10 nodes announced before the restart are missing")
    assert "300 s" in condition.message


def test_the_guard_gives_up_and_believes_the_cluster() -> None:
    made = held()
    assert prefixes(made.plan([target(1, 2, 3)], NOW + 299, in_sync=True)) == list(range(1, 11))
    plan = made.plan([target(1, 2, 3)], NOW + 300, in_sync=True)
    assert prefixes(plan) == [1, 2, 3]
    assert (plan.wishes[0].attributes.med, plan.conditions, plan.again_at) == (0, (), None)
    assert len(plan.memory[SPEAKER.address].announcements) == 3


def test_what_is_held_back_does_not_keep_out_what_is_new() -> None:
    made = held()
    assert prefixes(made.plan([target(1, 2, 3, 50)], NOW + 10, in_sync=True)) == [*range(1, 11), 50]


def test_the_guard_ends_when_the_nodes_are_back_and_later_deletions_count_at_once() -> None:
    made = held()
    plan = made.plan([target(*range(1, 10))], NOW + 20, in_sync=True)
    assert prefixes(plan) == list(range(1, 10))
    assert (plan.conditions, plan.wishes[0].attributes.med) == ((), 0)
    assert prefixes(made.plan([target(1)], NOW + 30, in_sync=True)) == [1]


def test_a_deletion_while_the_agent_runs_is_a_deletion_at_once() -> None:
    made = planner(before(*range(1, 11)))
    made.plan([target(*range(1, 11))], NOW, in_sync=True)
    assert prefixes(made.plan([target()], NOW + 1, in_sync=True)) == []


@pytest.mark.parametrize(("hold_back", "restart_time", "limit"), [(300, 600, 300), (300, 120, 60), (1000, 4095, 1000)])
def test_the_guard_ends_before_the_restart_time(hold_back: float, restart_time: int, limit: float) -> None:
    spec = replace(SPEAKER, restart_time=restart_time)
    made = planner(before(*range(10), spec=spec), hold_back=hold_back)
    assert made.plan([target(spec=spec)], NOW, in_sync=True).again_at == NOW + limit


@pytest.mark.parametrize(("hold_back", "restart_time"), [(0, 600), (300, 0)])
def test_the_guard_can_be_switched_off(hold_back: float, restart_time: int) -> None:
    """Without graceful restart the peer has forgotten everything anyhow."""
    spec = replace(SPEAKER, restart_time=restart_time)
    made = planner(before(*range(10), spec=spec), hold_back=hold_back)
    assert prefixes(made.plan([target(spec=spec)], NOW, in_sync=True)) == []


def test_each_peer_is_guarded_for_itself() -> None:
    known = Remembrance("boot-1", {**before(*range(10)).peers, **before(*range(10), spec=SECOND).peers})
    plan = planner(known).plan([target(1), target(*range(10), spec=SECOND)], NOW, in_sync=True)
    assert prefixes(plan) == list(range(10))
    assert [wish.attributes.med for wish in plan.wishes] == [100, 0]


# --- laws -------------------------------------------------------------------------------------------------------------

SPECS = [SPEAKER, SECOND, replace(SPEAKER, name="lan-c", address=Address.parse("192.0.2.3"))]
NUMBERS = st.sets(st.integers(0, 9))
LISTINGS = st.dictionaries(st.integers(0, 2), NUMBERS)
STEPS = st.lists(st.tuples(LISTINGS, st.booleans(), st.floats(0, 400), st.sets(st.integers(0, 2))), max_size=8)


@given(known=LISTINGS, steps=STEPS)
def test_no_incomplete_listing_takes_back_anything_remembered(
    known: dict[int, set[int]], steps: list[tuple[dict[int, set[int]], bool, float, set[int]]]
) -> None:
    """In any state, after any history."""
    peers = {SPECS[peer].address: before(*numbers, spec=SPECS[peer]).peers for peer, numbers in known.items()}
    made = planner(Remembrance("boot-1", {address: found[address] for address, found in peers.items()}))
    now = NOW
    for listing, in_sync, pause, gone in steps:
        now += pause
        remembered = made.memory
        targets = [target(*numbers, spec=SPECS[peer]) for peer, numbers in listing.items()]
        plan = made.plan(targets, now, in_sync=in_sync)
        wishes = {wish.spec.address: wish for wish in plan.wishes}
        assert len(wishes) == len(plan.wishes)
        if not in_sync:
            for address, (_, announced, _) in remembered.items():
                assert not wishes[address].rebirth.is_farewell
                routes = {prefix for family in wishes[address].routes.values() for prefix in family}
                assert {each.prefix for each in announced} <= routes
            assert wishes.keys() == remembered.keys()  # nobody new is connected to either
        for wish in plan.wishes:
            if not wish.rebirth.is_farewell:
                told = {prefix for family in wish.routes.values() for prefix in family}
                assert {each.prefix for each in plan.memory[wish.spec.address].announcements} == told
        for peer in gone - listing.keys():
            made.left(SPECS[peer].address)


def test_a_plan_is_not_changed_by_what_comes_after_it() -> None:
    """Other threads read it."""
    made = planner(before(1))
    plan = made.plan([target(1)], NOW, in_sync=True)
    made.left(SPEAKER.address)
    made.plan([target(1, spec=SECOND)], NOW, in_sync=True)
    assert plan.memory.keys() == {SPEAKER.address}


# --- what an earlier process saw of the cluster -----------------------------------------------------------------------


def meds(plan: Plan) -> set[int]:
    return {wish.attributes.med for wish in plan.wishes}


def test_a_cached_listing_opens_sessions_and_peers_prefer_those_who_know_better() -> None:
    made = planner(NOTHING)
    plan = made.plan([target(1, 2)], NOW, in_sync=True, is_live=False)
    assert prefixes(plan) == [1, 2]
    assert (meds(plan), plan.conditions) == ({100}, ())
    assert meds(made.plan([target(1, 2)], NOW + 1, in_sync=True)) == {0}


def test_a_cached_listing_is_not_the_one_that_the_guard_waits_for() -> None:
    """It equals what was announced, of course; the first of this life may still have shrunk."""
    made = planner(before(*range(10)))
    made.plan([target(*range(10))], NOW, in_sync=True, is_live=False)
    plan = made.plan([target(1)], NOW + 60, in_sync=True)
    assert prefixes(plan) == list(range(10))
    assert reasons(plan.conditions) == ["RoutesHeld"]
