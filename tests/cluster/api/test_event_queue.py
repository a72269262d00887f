"""Events: counted, cut and forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cluster.api.event_queue import BURST, OLD, REFILL, REMEMBERED, REPEAT_AFTER, EventQueue, Telling
from terway_edge.core.ports import Event

UP = Event("Established", "BGPPeer/p", "up")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def queue() -> tuple[EventQueue, Clock]:
    clock = Clock()
    return EventQueue(clock, clock), clock


def written(events: EventQueue) -> list[Telling]:
    """All that is due now, as if the API took it."""
    found = []
    while telling := events.due():
        found.append(telling)
        events.done(telling, telling.name or f"name-{len(found)}")
    return found


def test_the_first_is_due_at_once_with_its_time() -> None:
    events, clock = queue()
    assert events.wait() is None
    events.put(UP)
    assert events.wait() == 0
    assert written(events) == [Telling(UP, 1, clock.now, clock.now)]
    assert events.wait() is None


def test_repeats_are_counted_and_written_ever_more_rarely() -> None:
    events, clock = queue()
    counts = []
    for _ in range(20):
        events.put(UP)
        counts += [telling.times for telling in written(events)]
        clock.now += 1
    assert counts == [1, 2, 4, 8, 16]
    assert events.wait() == REPEAT_AFTER - (20 - 15)
    clock.now += REPEAT_AFTER
    (last,) = written(events)
    assert last == Telling(UP, 20, 1_000_000.0, 1_000_019.0, "name-1")


def test_what_happened_offline_is_written_once_with_its_own_times() -> None:
    events, clock = queue()
    for _ in range(5):
        events.put(UP)
        clock.now += 100
    clock.now += 1000
    assert written(events) == [Telling(UP, 5, 1_000_000.0, 1_000_400.0)]


def test_what_is_an_hour_old_is_forgotten() -> None:
    events, clock = queue()
    events.put(UP)
    clock.now += OLD + 1
    assert written(events) == []
    assert events.wait() is None


def test_memory_is_bounded() -> None:
    events, _ = queue()
    for number in range(REMEMBERED + 10):
        events.put(Event("R", f"BGPPeer/p{number}", "m"))
    found = written(events)
    assert len(found) == REMEMBERED
    assert found[0].event.subject == "BGPPeer/p10"


def test_a_flood_about_one_object_is_cut_and_others_are_heard() -> None:
    events, clock = queue()
    for number in range(100):
        events.put(Event("R", "BGPPeer/p", f"message {number}"))
    events.put(Event("R", "BGPPeer/q", "m"))
    found = written(events)
    assert [telling.event.subject for telling in found].count("BGPPeer/p") == BURST
    assert found[-1].event.subject == "BGPPeer/q"
    assert events.wait() is None, "what was cut does not wait"
    clock.now += REFILL
    events.put(Event("R", "BGPPeer/p", "later"))
    assert len(written(events)) == 1
    events.put(Event("R", "BGPPeer/p", "too soon"))
    assert written(events) == []


def test_t56_a_flood_of_subjects_about_one_object_is_cut_too() -> None:
    """As of nodes that come and go, each of which this node has something to say about: all of it is about this one."""
    events, _clock = queue()
    for number in range(100):
        events.put(Event("OffLink", f"other-{number}", "m"))
        events.put(Event("R", f"BGPPeer/p: spec.field{number}", "m"))
    found = written(events)
    assert len([each for each in found if each.event.reason == "OffLink"]) == BURST
    assert len(found) == 2 * BURST


def test_an_event_whose_object_is_gone_gets_a_new_one() -> None:
    events, clock = queue()
    events.put(UP)
    written(events)
    clock.now += REPEAT_AFTER
    events.put(UP)
    telling = events.due()
    assert telling is not None
    assert telling.name == "name-1"
    events.lost(telling)
    assert written(events) == [Telling(UP, 1, clock.now, clock.now)]


def test_an_event_that_comes_back_after_an_hour_is_a_new_one() -> None:
    events, clock = queue()
    events.put(UP)
    written(events)
    clock.now += OLD + 1
    events.put(UP)
    assert written(events) == [Telling(UP, 1, clock.now, clock.now)]


def test_one_that_is_put_off_or_dropped_holds_up_nobody() -> None:
    events, clock = queue()
    other = Event("Other", "n1", "m")
    events.put(UP)
    events.put(other)
    telling = events.due()
    assert telling is not None
    events.put_off(telling, 30)
    assert [each.event for each in written(events)] == [other]
    assert events.wait() == 30
    clock.now += 30
    telling = events.due()
    assert telling is not None
    events.drop(telling)
    assert events.wait() is None


@given(st.lists(st.sampled_from(["a", "b"]) | st.just("write"), max_size=40))
def test_no_repeat_is_lost(acts: list[str]) -> None:
    events, clock = queue()
    put = {"a": 0, "b": 0}
    known = {"a": 0, "b": 0}
    for act in acts:
        clock.now += 1
        if act == "write":
            known.update({telling.event.message: telling.times for telling in written(events)})
        else:
            put[act] += 1
            events.put(Event("R", "s", act))
    clock.now += REPEAT_AFTER
    known.update({telling.event.message: telling.times for telling in written(events)})
    assert known == put


@pytest.mark.parametrize("step", [-20 * 365 * 86400.0, 40 * 365 * 86400.0])
def test_a_clock_that_is_set_loses_and_delays_no_event(step: float) -> None:
    """A machine without a battery begins in 1970, another one's ran ahead."""
    wall, clock = Clock(), Clock()
    events = EventQueue(wall, clock)
    events.put(UP)
    assert len(written(events)) == 1
    events.put(UP)
    wall.now += step
    assert events.wait() == 0
    (again,) = written(events)
    assert again == Telling(UP, 2, 1_000_000.0, 1_000_000.0, "name-1")
    other = Event("Idle", "BGPPeer/p", "down")
    events.put(other)
    assert written(events) == [Telling(other, 1, wall.now, wall.now)]
