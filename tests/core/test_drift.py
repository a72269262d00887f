"""Fights: mend at once, unless somebody keeps undoing it; then ever more slowly, and say so."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.drift import BACK_OFF_MAX, BURST, HOUR, LULL, PERSISTENT, TOLERATED, WINDOW, Fights

FLUSH = 30  # repairs, each undone a moment later, until `ip route flush` finds nothing more


def undone(fights, every, until):
    """The moments of repairs while somebody undoes the route this often."""
    times = (number * every for number in range(int(until / every)))
    return [now for now in times if fights.may_repair("route", now)]


def test_the_first_repairs_come_at_once_and_are_no_fight():
    fights = Fights()
    assert [fights.may_repair("route", float(second)) for second in range(TOLERATED)] == [True] * TOLERATED
    assert fights.fought_over(float(TOLERATED)) == []


def test_a_burst_of_repairs_counts_once():
    fights = Fights()
    for flush in range(TOLERATED):
        assert all(fights.may_repair("route", flush + repair * BURST / FLUSH) for repair in range(FLUSH))
    assert fights.fought_over(float(TOLERATED)) == []
    assert fights.may_repair("route", float(TOLERATED))
    assert fights.fought_over(float(TOLERATED)) == ["route"]
    assert not fights.may_repair("route", TOLERATED + BURST / 2), "of a fight not even a burst is mended"


@pytest.mark.parametrize("pause", [0.0002, 0.01, 0.09, 0.11, 0.5, 1, 2.9])
def test_a_fight_is_found_out_at_any_pace(pause):
    mended = undone(fights := Fights(), pause, 2 * WINDOW)
    assert fights.fought_over(2 * WINDOW) == ["route"]
    told = max(now for now in mended if now <= TOLERATED * max(2 * BURST, pause))
    assert [now for now in mended if told < now < told + 2] == [], "the first pause"
    assert len([now for now in mended if now > told]) <= 6, "after 2, 4, 8, 16, 32 and 60 s"


def test_an_item_undone_again_and_again_is_mended_ever_less_often():
    mended = undone(fights := Fights(), 0.2, 300)
    late = mended[TOLERATED:]
    gaps = [round(later - earlier, 1) for earlier, later in pairwise(late)]
    assert gaps == [2, 4, 8, 16, 32, 60, 60, 60]
    assert gaps[-1] == BACK_OFF_MAX
    assert fights.fought_over(300.0) == ["route"]


def test_what_was_left_broken_is_due_once_when_the_back_off_is_over():
    fights, now = Fights(), 0.0
    while fights.may_repair("route", now):
        assert not fights.is_due(now)
        assert fights.due_at() == inf
        now += 1
    assert fights.due_at() == now + 1
    assert not fights.is_due(now + 0.9)
    assert fights.is_due(now + 1)
    assert not fights.is_due(now + 1)
    assert fights.due_at() == inf


def test_a_fight_that_is_over_is_forgotten():
    fights = Fights()
    for fifth in range(TOLERATED + 10):
        fights.may_repair("route", fifth / 5)
    assert fights.fought_over(10.0) == ["route"]
    assert fights.fought_over(10.0 + BACK_OFF_MAX + WINDOW + 1) == []
    assert fights.may_repair("route", 500.0)


def mended_every(fights, pause, until):
    """Whether each repair came at once, while somebody undoes the route this often."""
    allowed = True
    for number in range(int(until / pause) + 1):
        allowed = allowed and fights.may_repair("route", number * pause)
        fights.mended("route", number * pause)
    return allowed


@pytest.mark.parametrize("pause", [4, 60, 179])
def test_a_fight_so_slow_that_each_repair_comes_at_once_is_told_all_the_same(pause):
    assert mended_every(fights := Fights(), pause, HOUR)
    assert fights.fought_over(HOUR) == ["route"]
    assert fights.may_repair("route", HOUR + 1)


def test_who_does_it_now_and_then_is_no_enemy():
    """Configuration that is applied every few minutes, and a flush of half a minute every quarter of an hour."""
    fights = Fights()
    for moment in range(0, 10 * int(HOUR), 240):
        fights.mended("route", float(moment))
        assert fights.fought_over(float(moment)) == []
    fights = Fights()
    for flush in range(8):
        for repair in range(300):
            fights.mended("rule", flush * HOUR / 4 + repair / 10)
        assert fights.fought_over(flush * HOUR / 4 + 30) == []


def test_a_slow_fight_is_told_by_its_item_only_once():
    fights = Fights()
    for fifth in range(TOLERATED + 1):
        fights.may_repair("route", fifth / 5)
    for minute in range(-PERSISTENT + 1, 1):
        fights.mended("route", minute * WINDOW)
    assert fights.fought_over(5.0) == ["route"]


def test_a_slow_fight_that_is_over_is_forgotten():
    mended_every(fights := Fights(), WINDOW, HOUR)
    assert fights.fought_over(HOUR + LULL) == ["route"]
    assert fights.fought_over(HOUR + LULL + 1) == []
    fights.mended("route", HOUR + LULL + 2)
    assert fights.fought_over(HOUR + LULL + 2) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 20) | st.floats(0, 2 * BURST)), max_size=80))
def test_a_fight_over_one_item_slows_no_other(undone):
    together, alone, now = Fights(), Fights(), 0.0
    for item, pause in undone:
        now += pause
        allowed = together.may_repair(item, now)
        if item == "a":
            assert allowed == alone.may_repair("a", now)
