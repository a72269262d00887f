"""Holds and moments."""

import random

from terway_edge.eni.holds import JITTER, LASTING, PASSING, Holds
from terway_edge.eni.moment import Moment


def waits(holds: Holds, key: str, now: float) -> float:
    moment = Moment(now)
    return 0.0 if holds.is_free(key, moment) else moment.next_at - now


def test_holds_double_up_to_the_longest_with_jitter() -> None:
    holds, now = Holds(random.Random(1)), 0.0
    lengths = []
    for _ in range(9):
        holds.fail("x", PASSING, now)
        lengths.append(waits(holds, "x", now))
        now += lengths[-1]
    for length, plain in zip(lengths, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert plain * (1 - JITTER) <= length <= plain * (1 + JITTER)
    assert len({round(length / plain, 6) for length, plain in zip(lengths[6:], [60, 60, 60], strict=True)}) == 3


def test_failures_of_calls_under_way_together_count_once() -> None:
    holds = Holds(random.Random(1))
    for _ in range(5):
        holds.fail("x", LASTING, 0.0)
    assert waits(holds, "x", 0.0) <= LASTING.first * (1 + JITTER)


def test_success_ends_a_hold_and_other_keys_are_free() -> None:
    holds = Holds(random.Random(1))
    holds.fail("x", PASSING, 0.0)
    assert waits(holds, "y", 0.0) == 0
    assert holds.is_failing("x")
    holds.succeed("x")
    assert waits(holds, "x", 0.0) == 0
    assert not holds.is_failing("x")


def test_a_hold_that_is_over_still_tells_that_the_last_attempt_failed() -> None:
    holds = Holds(random.Random(1))
    holds.fail("x", PASSING, 0.0)
    assert waits(holds, "x", 100.0) == 0
    assert holds.is_failing("x")


def test_what_is_not_wanted_is_forgotten() -> None:
    holds = Holds(random.Random(1))
    holds.fail("x", PASSING, 0.0)
    holds.fail("y", PASSING, 0.0)
    holds.keep(lambda key: key == "x")
    assert (holds.is_failing("x"), holds.is_failing("y")) == (True, False)


def test_a_moment_remembers_the_earliest_time_to_come() -> None:
    moment = Moment(10.0)
    assert moment.is_due(10.0)
    assert not moment.is_due(14.0)
    assert not moment.is_due(12.0)
    assert not moment.is_due(13.0)
    assert moment.next_at == 12.0
