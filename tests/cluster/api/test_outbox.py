"""The newest state of each thing, written when it can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.cluster.api.outbox import Outbox, Write
from terway_edge.core.ports import Annotation, StatusEntry


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def outbox() -> tuple[Outbox, Clock]:
    clock = Clock()
    return Outbox(clock, rewrite=2.0), clock


def entry(value: int | None, name: str = "p", node: str = "n1") -> StatusEntry:
    return StatusEntry("BGPPeer", name, node, None if value is None else {"flaps": value})


def test_what_is_there_already_is_not_written_again() -> None:
    box, clock = outbox()
    assert box.due() is None
    assert box.wait() is None
    assert box.want(entry(1))
    assert box.due() == entry(1)
    box.done(entry(1))
    assert box.due() is None
    assert not box.want(entry(1))
    clock.now += 10
    assert box.due() is None
    assert box.want(entry(2))
    assert box.due() == entry(2)


def test_only_the_newest_of_what_could_not_be_written_is() -> None:
    box, _ = outbox()
    for value in range(1000):
        box.want(entry(value))
    box.want(entry(None))
    assert box.due() == entry(None)
    box.done(entry(None))
    assert box.wait() is None


def test_a_newer_value_that_came_during_a_write_is_written_too_after_a_pause() -> None:
    box, clock = outbox()
    box.want(entry(1))
    box.want(entry(2))
    box.done(entry(1))
    assert box.due() is None, "flapping things are written every two seconds at most"
    assert box.wait() == 2.0
    clock.now += 2
    assert box.due() == entry(2)


def test_what_fails_waits_longer_each_time_and_holds_up_nobody() -> None:
    box, clock = outbox()
    box.want(entry(1, "bad"))
    box.want(entry(1, "good"))
    box.put_off(entry(1, "bad"), 2.0, 10.0)
    assert box.due() == entry(1, "good")
    box.done(entry(1, "good"))
    waits = []
    for _ in range(4):
        waits.append(box.wait())
        clock.now += waits[-1] or 0
        assert box.due() == entry(1, "bad")
        box.put_off(entry(1, "bad"), 2.0, 10.0)
    assert waits == [2.0, 4.0, 8.0, 10.0]


def test_what_fails_a_few_times_may_be_given_up() -> None:
    box, clock = outbox()
    box.want(entry(1))
    told = []
    for _ in range(3):
        told.append(box.put_off(entry(1), 2.0, 10.0, 3))
        clock.now += box.wait() or 0
    assert told == [True, True, False]
    box.done(entry(1))
    box.want(entry(2))
    assert box.put_off(entry(2), 2.0, 10.0, 3), "it is counted afresh"


@pytest.mark.parametrize("name", ["p", None])
def test_an_object_that_became_another_one_during_a_write_is_written_to_again(name: str | None) -> None:
    box, clock = outbox()
    box.want(entry(1))
    assert box.due() == entry(1)
    assert not box.say_again("BGPPeer", name), "it waits anyhow"
    box.done(entry(1))
    clock.now += 2
    assert box.due() == entry(1)
    box.done(entry(1))
    clock.now += 2
    assert box.due() is None


def test_an_object_that_is_another_one_is_written_to_again() -> None:
    box, clock = outbox()
    for write in (entry(1), entry(1, "q"), Annotation("Node", "n1", "", "k", "v")):
        box.want(write)
        box.done(write)
    clock.now += 10
    assert box.say_again("BGPPeer", "q")
    assert box.due() == entry(1, "q")
    box.done(entry(1, "q"))
    clock.now += 10
    assert box.say_again("Node")
    assert box.due() == Annotation("Node", "n1", "", "k", "v")
    assert not box.say_again("ConfigMap")


def test_what_should_be_taken_from_an_object_that_is_gone_is_forgotten() -> None:
    box, _ = outbox()
    box.want(entry(None))
    box.want(entry(7, node="n2"))
    box.gone("BGPPeer", "p")
    assert box.due() == entry(7, node="n2"), "it may come back, and then has to know"


def test_pods_are_told_once_and_forgotten() -> None:
    box, _ = outbox()
    write = Annotation("Pod", "web", "default", "ips", "10.0.0.1", "u1")
    box.want(write)
    box.done(write)
    assert not box.say_again("Pod")
    assert box.want(write), "whoever wants it again means it"


writes = st.builds(entry, st.none() | st.integers(0, 2), st.sampled_from("pq"), st.sampled_from(["n1", "n2"]))
acts = st.lists(st.tuples(st.just("want"), writes) | st.sampled_from([("write", None), ("fail", None)]), max_size=30)


@given(acts)
def test_in_the_end_the_api_has_what_was_wanted_last(given_acts) -> None:
    box, clock = outbox()
    there: dict[tuple[str, str], Write] = {}
    wanted: dict[tuple[str, str], Write] = {}

    def write(ok: bool) -> bool:
        if (due := box.due()) is None:
            return False
        if ok:
            there[due.name, due.key] = due
            box.done(due)
        else:
            box.put_off(due, 1.0, 10.0)
        return True

    for what, value in given_acts:
        if what == "want":
            wanted[value.name, value.key] = value
            box.want(value)
        else:
            write(what == "write")
    while (wait := box.wait()) is not None:
        clock.now += wait
        assert write(True)
    assert there == wanted
