"""The order of acts is a pure function of the seed."""

from itertools import islice

import pytest

from terway_edge.torture.case import KINDS
from terway_edge.torture.catalogue import catalogue
from terway_edge.torture.script import CALM_ACTS, CLOSING_ACTS, MEASURE, SLOTS, Variety, acts, closing

CASES = {
    "calm": Variety(("a", "b", "c"), weight=2),
    "other": Variety(),
    "wild": Variety(("x", "y"), weight=2, is_wild=True),
    "worse": Variety(is_wild=True),
}


def first(count, seed=1, cases=CASES):
    return list(islice(acts(seed, cases), count))


def varieties(kind):
    return {name: case.variety for name, case in catalogue(kind).items()}


def test_a_seed_means_the_same_acts_for_ever():
    assert first(500) == first(500)


def test_another_seed_means_other_acts():
    assert first(50) != first(50, seed=2)


def test_a_longer_run_begins_as_a_shorter_one_does():
    assert first(400)[:100] == first(100)


def test_acts_are_numbered_and_within_bounds():
    for number, act in enumerate(first(500), start=1):
        assert act.number == number
        assert 0 <= act.slot < SLOTS
        assert all(0 <= die < 1 for die in act.dice)


@pytest.mark.parametrize("kind", KINDS)
def test_every_case_comes_in_the_first_round(kind):
    cases = varieties(kind)
    seen = set()
    for act in acts(5, cases):
        seen.add(act.case)
        if (act.case, act.detail) == (MEASURE, "end"):
            break
    assert seen == {*cases, MEASURE}


def test_no_variant_comes_again_before_all_have():
    details = [act.detail for act in first(600) if act.case == "calm"]
    for begin in range(0, len(details) - 3, 3):
        assert sorted(details[begin : begin + 3]) == ["a", "b", "c"]


def test_between_two_measures_nothing_ends_the_agent():
    parts = parts_between_measures(first(2000))
    assert all(act.case in ("calm", "other") for part in parts for act in part)


def test_calm_parts_grow_until_they_are_long_enough():
    lengths = list(map(len, parts_between_measures(first(7000))))
    assert lengths[:7] == [CALM_ACTS * factor for factor in (1, 2, 4, 8, 16, 16, 16)]


def test_a_run_may_close_with_a_calm_part_of_its_own():
    found = list(closing(1, CASES, 9))
    assert [act.number for act in found] == list(range(9, 9 + len(found)))
    assert all(act.case in ("calm", "other", MEASURE) for act in found)
    assert list(map(len, parts_between_measures(found))) == [CLOSING_ACTS]
    assert found == list(closing(1, CASES, 9))


def parts_between_measures(found):
    marks = [at for at, act in enumerate(found) if act.case == MEASURE]
    pairs = zip(marks[::2], marks[1::2], strict=False)
    return [found[begin + 1 : end] for begin, end in pairs]
