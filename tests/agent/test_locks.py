"""One lock per sandbox, forgotten with its last user, and tickets of ADDs in flight."""

import threading

import pytest

from terway_edge.agent.locks import SandboxLocks
from terway_edge.core.errors import Retry
from tests.agent.rig import InThread, eventually

KEY, OTHER = ("c1", "eth0"), ("c2", "eth0")


def test_a_held_lock_is_refused_with_words_after_its_time():
    locks = SandboxLocks()
    with locks.hold(KEY, 1), pytest.raises(Retry, match="container c1 is still running"):  # noqa: SIM117
        with locks.hold(KEY, 0):
            pytest.fail("held twice")
    with locks.hold(KEY, 0):
        pass


def test_a_negative_time_means_no_waiting():
    locks = SandboxLocks()
    with locks.hold(KEY, -5), pytest.raises(Retry), locks.hold(KEY, -5):
        pytest.fail("held twice")


def test_sandboxes_do_not_wait_for_each_other():
    locks = SandboxLocks()
    with locks.hold(KEY, 0), locks.hold(OTHER, 0), locks.hold(("c1", "net1"), 0):
        pass


def test_a_waiter_gets_the_lock_when_it_is_free():
    locks = SandboxLocks()
    entered, done = [], threading.Event()

    def wait():
        with locks.hold(KEY, 10):
            entered.append("second")
        done.set()

    with locks.hold(KEY, 0):
        call = InThread(wait)
        eventually(lambda: locks._held[KEY].users == 2)
        entered.append("first")
    assert done.wait(10)
    call.join()
    assert entered == ["first", "second"]


def test_nothing_is_kept_of_past_calls():
    locks = SandboxLocks()
    for number in range(100):
        key = (f"c{number}", "eth0")
        with locks.adding(key), locks.hold(key, 0):
            pass
        with pytest.raises(KeyError), locks.adding(key), locks.hold(key, 0):
            raise KeyError("an ADD that fails")
    assert locks._held == {}
    assert locks._adding == {}


def test_a_del_cancels_every_add_in_flight_of_its_sandbox_and_no_later_one():
    locks = SandboxLocks()
    with locks.adding(KEY) as first, locks.adding(KEY) as second, locks.adding(OTHER) as other:
        locks.cancel_adds(KEY)
        with locks.adding(KEY) as later:
            assert (first.cancelled, second.cancelled, other.cancelled, later.cancelled) == (True, True, False, False)
