from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cloud import requests
from terway_edge.cloud.budget import RATES, Budget
from terway_edge.core.cloud import Cause, CloudError
from tests.cloud.rig import Time

ASSIGN, ENIS, CREATE = requests.ECS_ASSIGN, requests.ECS_ENIS, requests.ECS_CREATE


def budget(time_: Time, **rates: int) -> Budget:
    return Budget(time_.clock, time_.sleep, rates, default=100)


def test_a_minutes_worth_at_once_then_evenly(time_):
    found = budget(time_, AssignPrivateIpAddresses=6)
    for _ in range(6):
        found.take(ASSIGN, 10_000)
    assert time_.pauses == []
    for _ in range(3):
        found.take(ASSIGN, 10_000)
    assert time_.pauses == pytest.approx([10, 10, 10])
    found.take(ENIS, 10_000)
    assert len(time_.pauses) == 3  # each action has its own


def test_a_turn_after_the_deadline_is_refused_at_once_and_not_taken(time_):
    found = budget(time_, AssignPrivateIpAddresses=1)
    found.take(ASSIGN, 10_000)
    for _ in range(3):
        with pytest.raises(CloudError) as caught:
            found.take(ASSIGN, time_.clock.now() + 30)
        assert caught.value.cause is Cause.THROTTLED
    assert "rate_limit allows 1 calls a minute" in str(caught.value)
    assert time_.pauses == []
    found.take(ASSIGN, time_.clock.now() + 61)
    assert time_.pauses == pytest.approx([60])


@given(rate=st.integers(1, 40), gaps=st.lists(st.floats(0, 30), min_size=1, max_size=120))
def test_no_minute_has_more_than_twice_the_rate_and_no_long_time_more_than_the_rate(rate, gaps):
    """A bucket that is full gives a minute's worth at once while it fills again."""
    time_ = Time()
    found = budget(time_, AssignPrivateIpAddresses=rate)
    taken = []
    for gap in gaps:
        time_.clock.advance(gap)
        found.take(ASSIGN, 1e9)
        taken.append(time_.clock.now())
    for index, start in enumerate(taken):
        for end in taken[index:]:
            calls = sum(start <= each <= end for each in taken)
            assert calls <= rate + (end - start) * rate / 60 + 1e-6


def test_threads_take_turns_that_are_apart(time_):
    """Waits are given out under a lock and slept outside of it."""
    waits: list[float] = []
    found = Budget(time_.clock, waits.append, {ASSIGN.name: 60})
    threads = [threading.Thread(target=lambda: [found.take(ASSIGN, 10_000) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waits) == 100
    assert all(later - earlier == pytest.approx(1) for earlier, later in pairwise(sorted(waits)))


def test_a_long_wait_is_logged(time_, caplog):
    caplog.set_level("INFO")
    found = budget(time_, AssignPrivateIpAddresses=6)
    for _ in range(7):
        found.take(ASSIGN, 10_000)
    assert "ecs:AssignPrivateIpAddresses waits 10.0 s" in caplog.text


def test_built_in_rates_and_their_override(new_world, site):
    assert RATES["DescribeVSwitches"] == 300
    world = new_world(site, rate_limit={"DescribeNetworkInterfaces": 3})
    for _ in range(3):
        world.ecs.enis_of("i-1", world.deadline)
    with pytest.raises(CloudError, match="3 calls a minute"):
        world.ecs.enis_of("i-1", world.time.clock.now() + 5)
    world.ecs.vswitches(["vsw-h"], world.deadline)


def test_t32_ten_minutes_of_throttling_stay_within_the_budget(new_world, site):
    """All calls throttled for ten minutes, then one in ten: calls stay within the bucket, pauses differ, and the
    first success comes within two minutes."""
    rate = 20
    world = new_world(site, rate_limit={"DescribeNetworkInterfaces": rate})
    world.faults(
        {"action": "*", "kind": "throttle", "until": 600},
        {"action": "*", "kind": "throttle", "since": 600, "probability": 0.1, "seed": 3},
    )
    began = world.time.clock.now()
    successes, causes = [], set()
    while world.time.clock.now() < began + 900:
        try:
            world.ecs.enis_of("i-1", world.deadline)
            successes.append(world.time.clock.now() - began)
        except CloudError as error:
            causes.add(error.cause)
            world.time.clock.advance(1)
    assert causes == {Cause.THROTTLED}
    calls = [each.at for each in world.emulator.log.calls("DescribeNetworkInterfaces")]
    for start in calls:
        assert sum(start <= each < start + 60 for each in calls) <= 2 * rate
    assert len(calls) <= rate + rate * 15
    assert 600 <= successes[0] <= 720
    assert len({round(pause, 3) for pause in world.time.pauses}) > 10
