"""A wait ends when the alarm is due, not when it is set."""

import os
import resource
import threading
import time
from contextlib import closing

import pytest

from terway_edge.kernel.alarm import AT_ONCE, Alarm


@pytest.fixture
def alarm():
    with closing(Alarm()) as made:
        yield made


def waited(alarm):
    """Seconds."""
    began = time.monotonic()
    alarm.wait()
    return time.monotonic() - began


def test_a_wait_ends_in_time(alarm):
    alarm.set(0.05)
    assert 0.045 <= waited(alarm) < 5


@pytest.mark.parametrize(("first", "then"), [(3600, 0.02), (AT_ONCE, 0.05)])
def test_what_is_set_last_counts(alarm, first, then):
    alarm.set(first)
    alarm.set(then)
    assert then * 0.9 <= waited(alarm) < 5


def test_a_time_that_went_by_before_the_wait_is_not_lost(alarm):
    alarm.set(AT_ONCE)
    while not is_due(alarm):
        time.sleep(0.001)
    assert waited(alarm) < 5


def is_due(alarm):
    with open(f"/proc/self/fdinfo/{alarm._timer}") as info:
        return "ticks: 1" in info.read()


def test_another_thread_sets_it(alarm):
    ended = threading.Event()
    thread = threading.Thread(target=lambda: (alarm.wait(), ended.set()))
    thread.start()
    assert not ended.is_set()
    alarm.set(0)
    thread.join(5)
    assert ended.is_set()


def test_without_descriptors_there_is_none():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            Alarm()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
