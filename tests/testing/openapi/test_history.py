"""What is remembered of the past, and no more of it than needed."""

from __future__ import annotations

import math

import pytest

from terway_edge.testing.openapi.history import History, Moment

FIRST = -math.inf


def history(horizon, *times):
    kept = History()
    kept.reach_back(horizon)
    for time in times:
        kept.note(Moment(time, {}, {}))
    return kept


@pytest.mark.parametrize(("time", "at"), [(0, FIRST), (5, FIRST), (9.9, FIRST), (10, 10), (12, 10), (99, 15)])
def test_as_it_was_then(time, at):
    assert history(20, 5, 10, 15).at(time).at == at


def test_what_is_older_than_the_horizon_is_forgotten_but_for_the_state_at_its_beginning():
    kept = history(10, *range(100))
    assert kept.at(89.5).at == 89
    assert kept.at(0).at == 89


def test_the_last_of_several_changes_at_one_time_counts_and_the_beginning_stays():
    kept = history(10, 1.0, 1.0)
    last = Moment(1.0, {}, {"i": None})
    kept.note(last)
    assert kept.at(1.0) is last
    assert kept.at(0.9).at == FIRST


def test_without_a_horizon_nothing_is_kept():
    kept = History()
    assert not kept.is_kept
    kept.reach_back(5)
    assert kept.is_kept
