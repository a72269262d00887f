from __future__ import annotations

import threading

import pytest

from terway_edge.cloud.growth import Growth
from terway_edge.cloud.turns import Turns
from terway_edge.core.addresses import Address
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.testing import FakeClock


def test_one_at_a_time_by_name_and_nothing_is_kept():
    clock = FakeClock()
    turns = Turns(clock)
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with turns.turn("eni-1", clock.now() + 30):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    with turns.turn("eni-2", clock.now() + 30), turns.turn("eni-3", clock.now() + 30):
        pass
    for thread in threads:
        thread.join()
    assert most == 1
    assert turns._locks == {}


def test_a_turn_that_does_not_come_in_time_is_a_conflict():
    clock = FakeClock()
    turns = Turns(clock)
    first, second = turns.turn("eni-1", clock.now() + 1), turns.turn("eni-1", clock.now())
    with first, pytest.raises(CloudError) as caught, second:
        raise AssertionError("two at once")
    assert caught.value.cause is Cause.CONFLICT
    with turns.turn("eni-1", clock.now()):
        assert True
    assert turns._locks == {}


A, B, C, D = (Address(4, value) for value in range(4))


def test_growth_is_what_was_not_there_before():
    growth = Growth((A,), (A, B))
    assert growth.items == [B]
    growth.see([B, C])
    assert growth.items == [B, C]
    assert growth.count(4) == 3
    assert growth.count(6) == 0


def test_growth_of_a_first_wish_begins_with_what_is_there():
    growth = Growth((), (A, B))
    assert growth.items == []
    growth.see([D])
    assert growth.items == [D]
    assert growth.count(4) == 3
