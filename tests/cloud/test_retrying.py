from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cloud import requests
from terway_edge.cloud.client import Client
from terway_edge.cloud.failures import not_understood, refused
from terway_edge.cloud.retrying import Pauses, Retrying
from terway_edge.core.cloud import Cause, CloudError
from tests.cloud.rig import Canned, Time, client_of

LOST = not_understood(requests.ECS_ENIS, "lost")


def throttled(code="Throttling"):
    return refused(requests.ECS_ENIS, code, "", 400, "R")


def test_pauses_double_up_to_the_longest(time_):
    attempts = Retrying(time_.clock, time_.sleep, lambda: 0.5).begin(10_000)
    for _ in range(7):
        attempts.pause_after(LOST)
    assert time_.pauses == [0.5, 1, 2, 4, 8, 10, 10]


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 12))
def test_pauses_vary_by_half(random, count):
    time_ = Time()
    attempts = Retrying(time_.clock, time_.sleep, lambda: random, Pauses(1, 1, 1)).begin(10_000)
    for _ in range(count):
        attempts.pause_after(LOST)
    assert all(pause == 0.5 + random for pause in time_.pauses)


def test_a_pause_may_be_asked_to_be_longer(time_):
    Retrying(time_.clock, time_.sleep, lambda: 0.5).begin(10_000).pause_after(LOST, 3.0)
    assert time_.pauses == [3.0]


def test_no_attempt_that_would_come_too_late(time_):
    attempts = Retrying(time_.clock, time_.sleep, lambda: 0.5).begin(time_.clock.now() + 2)
    attempts.pause_after(LOST)
    attempts.pause_after(LOST)
    with pytest.raises(CloudError) as caught:
        attempts.pause_after(LOST)
    assert caught.value is LOST


def test_so_many_attempts_and_no_more(time_):
    attempts = Retrying(time_.clock, time_.sleep, lambda: 0.5, Pauses(attempts=3)).begin(10_000)
    attempts.pause_after(LOST)
    attempts.pause_after(LOST)
    with pytest.raises(CloudError):
        attempts.pause_after(LOST)


def test_what_is_not_repeatable_is_repeated_only_if_it_had_no_effect(time_):
    canned = Canned(throttled(), throttled("LastTokenProcessing"), {"Found": 1})
    client = client_of(canned, time_)
    assert client.call(requests.ECS_ENIS, {}, 10_000, repeatable=False).number("Found") == 1
    canned = Canned(LOST, {"Found": 1})
    with pytest.raises(CloudError):
        client_of(canned, time_).call(requests.ECS_ENIS, {}, 10_000, repeatable=False)
    assert len(canned.asked) == 1


def test_a_budget_that_is_used_up_ends_the_attempts(time_):
    from terway_edge.cloud.budget import Budget

    canned = Canned(*[throttled()] * 9)
    retrying = Retrying(time_.clock, time_.sleep, lambda: 0.5)
    client = Client(canned, Budget(time_.clock, time_.sleep, {requests.ECS_ENIS.name: 2}), retrying)
    with pytest.raises(CloudError, match="its turn comes in") as caught:
        client.call(requests.ECS_ENIS, {}, time_.clock.now() + 20)
    assert caught.value.cause is Cause.THROTTLED
    assert len(canned.asked) == 2
