"""Fights: mend at once, unless somebody keeps undoing it; then ever more slowly, and say so."""

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.drift import BACK_OFF_MAX, TOLERATED, WINDOW, Fights


def test_the_first_repairs_come_at_once_and_are_no_fight():
    fights = Fights()
    assert [fights.may_repair("route", float(second)) for second in range(TOLERATED)] == [True] * TOLERATED
    assert fights.fought_over(float(TOLERATED)) == []


def test_an_item_undone_again_and_again_is_mended_ever_less_often():
    fights = Fights()
    mended = [now / 10 for now in range(3000) if fights.may_repair("route", now / 10)]  # undone ten times a second
    gaps = [
        round(later - earlier, 1) for earlier, later in zip(mended[TOLERATED:], mended[TOLERATED + 1 :], strict=False)
    ]
    assert gaps == sorted(gaps)
    assert gaps[0] >= 2
    assert gaps[-1] == BACK_OFF_MAX
    assert len(mended) <= TOLERATED + 9  # 2, 4, 8, 16, 32 and then every 60 s
    assert fights.fought_over(300.0) == ["route"]


def test_what_was_left_broken_is_due_once_when_the_back_off_is_over():
    fights = Fights()
    while fights.may_repair("route", 0.0):
        assert not fights.is_due(0.0)
    assert not fights.is_due(1.9)
    assert fights.is_due(2.0)
    assert not fights.is_due(2.0)


def test_a_fight_that_is_over_is_forgotten():
    fights = Fights()
    for fifth in range(TOLERATED + 10):
        fights.may_repair("route", fifth / 5)
    assert fights.fought_over(10.0) == ["route"]
    assert fights.fought_over(10.0 + BACK_OFF_MAX + WINDOW + 1) == []
    assert fights.may_repair("route", 500.0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 20)), max_size=40))
def test_a_fight_over_one_item_slows_no_other(undone):
    together, alone, now = Fights(), Fights(), 0.0
    for item, pause in undone:
        now += pause
        allowed = together.may_repair(item, now)
        if item == "a":
            assert allowed == alone.may_repair("a", now)
