"""Counts, promises and failures of vSwitches."""

import random
from collections import Counter
from dataclasses import replace

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import VSwitch
from terway_edge.eni.moment import Moment
from terway_edge.eni.policy import VSwitchSelection
from terway_edge.eni.vswitches import RAN_OUT, VSwitches

PLAIN = VSwitch("vsw-a", "zone-a", Prefix.parse("10.0.0.0/24"), Address.parse("10.0.0.253"))


def known(**free: int) -> VSwitches:
    vswitches = VSwitches()
    vswitches.saw([replace(PLAIN, id=id, free=count) for id, count in free.items()])
    return vswitches


def choose(vswitches: VSwitches, *ids: str, wanted: int = 10, now: float = 0.0, seed: int = 1) -> tuple[str, int]:
    selection = VSwitchSelection.ORDERED if seed < 0 else VSwitchSelection.RANDOM
    return vswitches.choose(ids, wanted, 1, selection, random.Random(seed), Moment(now))


def test_ordered_is_most_free_first() -> None:
    assert choose(known(a=50, b=90, c=60), "a", "b", "c", seed=-1) == ("b", 10)


def test_random_spreads_over_those_with_room() -> None:
    vswitches = known(a=50, b=90, c=3)
    chosen = Counter(choose(vswitches, "a", "b", "c", seed=seed)[0] for seed in range(100))
    assert set(chosen) == {"a", "b"}
    assert min(chosen.values()) > 25


def test_what_was_promised_is_taken_off_until_it_is_settled() -> None:
    """A burst must not go to one vSwitch because its count is old."""
    vswitches = known(a=100, b=95)
    order = []
    for number in range(4):
        name, most = choose(vswitches, "a", "b", seed=-1)
        vswitches.promise(f"intent-{number}", name, most)
        order.append(name)
    assert order == ["a", "b", "a", "b"]
    vswitches.settle("intent-0", 4)  # the rest of ten is free again
    assert vswitches.free("a") == 100 - 4 - 10
    vswitches.settle("intent-2", 0)
    assert vswitches.free("a") == 100 - 4


def test_a_new_count_has_what_was_spent_before() -> None:
    vswitches = known(a=100)
    vswitches.promise("intent", "a", 10)
    vswitches.settle("intent", 10)
    assert vswitches.free("a") == 90
    vswitches.saw([replace(PLAIN, id="a", free=90)])
    assert vswitches.free("a") == 90


def test_less_is_asked_for_where_less_is_left() -> None:
    assert choose(known(a=3, b=0), "a", "b") == ("a", 3)
    assert choose(known(a=0, b=0), "a", "b") == ("", 0)


def test_one_that_ran_out_is_asked_for_half_and_then_passed_over_for_a_while() -> None:
    vswitches = known(a=100, b=100)
    asked, now = [], 0.0
    while (most := vswitches.most("a", 1, Moment(now))) > 0 and len(asked) < 9:
        asked.append(min(most, 10))
        vswitches.ran_out("a", asked[-1], now)
    assert asked == [10, 5, 2, 1]
    assert vswitches.short(now) == ["a"]
    assert choose(vswitches, "a", "b") == ("b", 10)
    assert choose(vswitches, "a") == ("", 0)
    assert choose(vswitches, "a", now=RAN_OUT) == ("a", 10)
    assert vswitches.short(RAN_OUT) == []


def test_one_that_was_never_read_may_be_asked() -> None:
    assert choose(VSwitches(), "x") == ("x", 10)


def test_zones_are_compared_where_they_are_known() -> None:
    vswitches = known(a=1)
    assert vswitches.is_in("a", "zone-a")
    assert not vswitches.is_in("a", "zone-b")
    assert vswitches.is_in("x", "zone-b")


def test_prefixes_count_sixteen_addresses_each() -> None:
    assert known(a=40).most("a", 16, Moment(0.0)) == 2
