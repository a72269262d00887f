"""Chores by the clock: each comes again, whatever the others do."""

import logging
import threading

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.housekeeper import Chore, Housekeeper
from terway_edge.testing import FakeClock
from tests.agent.rig import WAIT, eventually


@pytest.fixture
def run():
    made = []

    def start(*chores):
        housekeeper = Housekeeper(chores, BootClock())
        made.append(housekeeper)
        housekeeper.start()
        return housekeeper

    yield start
    for housekeeper in made:
        housekeeper.close()


def test_a_chore_comes_again_and_a_failing_one_harms_no_other(run, caplog):
    caplog.set_level(logging.ERROR)
    done, failed = [], []

    def fail():
        failed.append(1)
        raise RuntimeError("broken")

    run(Chore("bad", 0.01, fail), Chore("good", 0.01, lambda: done.append(1)))
    eventually(lambda: len(done) >= 3 and len(failed) >= 3)
    assert "bad failed" in caplog.text


def test_the_first_time_is_after_a_whole_period_unless_told(run):
    order, first = [], threading.Event()

    def early():
        order.append("early")
        first.set()

    run(Chore("late", 0.2, lambda: order.append("late")), Chore("early", 3600, early, first=0))
    assert first.wait(WAIT)
    assert order == ["early"]
    eventually(lambda: order == ["early", "late"])


def test_close_waits_for_the_chore_under_way_and_starts_no_other(run):
    began, go, done = threading.Event(), threading.Event(), []

    def slow():
        began.set()
        assert go.wait(WAIT)
        done.append("slow")

    housekeeper = run(Chore("slow", 0.01, slow), Chore("other", 0.01, lambda: done.append("other")))
    assert began.wait(WAIT)
    closer = threading.Thread(target=housekeeper.close)
    closer.start()
    eventually(lambda: housekeeper._closed)
    go.set()
    closer.join(WAIT)
    assert not closer.is_alive()
    assert done.count("slow") == 1
    assert done[-1] == "slow"


def test_one_that_was_never_started_can_be_closed():
    Housekeeper([Chore("c", 1, lambda: None)], BootClock()).close()
    assert "housekeeper" not in {thread.name for thread in threading.enumerate()}


def test_a_chore_that_is_hurried_is_done_soon_and_once_even_if_it_is_under_way(run):
    began, go, done = threading.Event(), threading.Event(), []

    def slow():
        began.set()
        assert go.wait(WAIT)
        done.append(1)

    housekeeper = run(Chore("slow", 3600, slow))
    for _ in range(3):
        housekeeper.hurry("slow")
    assert began.wait(WAIT)
    housekeeper.hurry("slow")
    go.set()
    eventually(lambda: len(done) == 2)


def test_chores_fall_due_together_however_long_they_take():
    clock = FakeClock()
    slow, rare = Chore("slow", 2.0, lambda: clock.advance(0.7)), Chore("rare", 10.0, lambda: None)
    housekeeper = Housekeeper([slow, rare], clock)
    for _ in range(4):
        clock.advance(housekeeper._due["slow"] - clock.now())
        housekeeper._do(slow)
    assert housekeeper._due["slow"] == pytest.approx(housekeeper._due["rare"])
