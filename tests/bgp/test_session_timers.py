"""When a session acts by itself: what keeps it alive, what ends it, and how long it waits to try again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.events import ConnectWanted, Down
from terway_edge.backends.bgp.failures import Failure
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Family, Keepalive, Notification, RouteRefresh, Update
from terway_edge.backends.bgp.session import Session
from terway_edge.backends.bgp.timers import OPEN_HOLD
from terway_edge.core.addresses import Prefix
from tests.bgp.sessions import NOW, SPEAKER, THEIRS, accepted, drain, established, feed, pair, sent, session, the_down

HOLD_EXPIRED = Notification(Code.HOLD_TIMER)
REFUSED = Failure("ConnectRefused", "refused")
WITHDRAWAL = Update(withdrawn=(Prefix.parse("10.1.0.0/24"),))
PAUSES = [1, 2, 4, 8, 16, 30, 30, 30]


def alive(made: Session, until: float) -> None:
    """Ticks at every deadline up to `until`."""
    while made.deadline is not None and made.deadline <= until:
        made.tick(made.deadline)


@pytest.mark.parametrize("hold_time", [3, 9, 90])
def test_two_sessions_keep_each_other_alive(hold_time: int) -> None:
    both = pair(replace(SPEAKER, hold_time=hold_time))
    both.connect()
    both.advance(20 * hold_time)
    assert (both.left.session.state, both.right.session.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert (both.left.downs, both.right.downs) == ([], [])


def test_a_silent_peer_is_noticed_when_the_hold_time_is_over() -> None:
    made = established()
    alive(made, NOW + 89.9)
    assert made.state is State.ESTABLISHED
    assert sent(made) == [Keepalive(), Keepalive()]
    alive(made, NOW + 90)
    down = the_down(drain(made))
    assert down.was_established
    assert (down.failure.reason, down.failure.code, down.failure.received) == (
        "HoldTimerExpired",
        Code.HOLD_TIMER,
        False,
    )
    assert "nothing came from 192.0.2.1 for 90 s" in down.failure.message
    assert sent(made)[-1] == HOLD_EXPIRED


def test_a_peer_without_an_open_is_given_a_minute() -> None:
    made = accepted()
    assert made.deadline == NOW + OPEN_HOLD
    made.tick(NOW + OPEN_HOLD - 0.1)
    assert made.state is State.OPEN_SENT
    made.tick(NOW + OPEN_HOLD)
    assert sent(made) == [HOLD_EXPIRED]
    assert the_down(drain(made)).failure.reason == "HoldTimerExpired"


def test_a_peer_without_a_keepalive_gets_the_hold_time() -> None:
    made = accepted()
    feed(made, THEIRS)
    alive(made, NOW + 90)
    assert not the_down(drain(made)).was_established


@pytest.mark.parametrize("message", [Keepalive(), WITHDRAWAL])
def test_keepalives_and_updates_are_signs_of_life(message: Keepalive | Update) -> None:
    made = established()
    alive(made, NOW + 60)
    feed(made, message, now=NOW + 60)
    alive(made, NOW + 149.9)
    assert made.state is State.ESTABLISHED
    alive(made, NOW + 150)
    assert made.state is State.IDLE


def test_a_route_refresh_is_none() -> None:
    """RFC 4271, section 4.4 names KEEPALIVE and UPDATE."""
    made = established()
    feed(made, RouteRefresh(Family.IPV4), now=NOW + 60)
    alive(made, NOW + 90)
    assert made.state is State.IDLE


def test_what_came_in_time_counts_even_if_the_timers_look_first_at_late() -> None:
    made = established()
    made.receive_data(codec.encode(Keepalive()), NOW + 91)
    assert drain(made, NOW + 91) == []
    made.tick(NOW + 91)
    assert made.state is State.ESTABLISHED


def test_updates_stand_in_for_keepalives() -> None:
    made = established()
    made.send(codec.encode(WITHDRAWAL), NOW + 20)
    alive(made, NOW + 49.9)
    assert sent(made) == [WITHDRAWAL]
    alive(made, NOW + 50)
    assert sent(made) == [Keepalive()]


@pytest.mark.parametrize(
    ("keepalive", "hold_time", "expected"),
    [(None, 90, 30), (10, 90, 10), (60, 90, 30), (1, 3, 1), (60, 9, 3)],
)
def test_keepalives_are_sent_as_configured_but_three_in_a_hold_time(
    keepalive: int | None, hold_time: int, expected: float
) -> None:
    made = established(replace(SPEAKER, keepalive=keepalive), replace(THEIRS, hold_time=hold_time))
    assert made.deadline == NOW + expected


def test_jitter_shortens_keepalives_to_a_second_at_least() -> None:
    for hold_time, expected in ((90, 22.5), (3, 1.0)):
        made = session(replace(SPEAKER, hold_time=hold_time), jitter=0.75)
        made.accepted(NOW)
        feed(made, THEIRS, Keepalive())
        assert made.deadline == NOW + expected


@pytest.mark.parametrize(("ours", "theirs"), [(0, 90), (90, 0), (0, 0)])
def test_without_a_hold_time_nothing_is_sent_and_nothing_expires(ours: int, theirs: int) -> None:
    made = established(replace(SPEAKER, hold_time=ours), replace(THEIRS, hold_time=theirs))
    assert made.negotiated is not None
    assert (made.negotiated.hold_time, made.negotiated.keepalive) == (0, 0)
    assert made.deadline is None
    made.send(b"update", NOW)
    feed(made, Keepalive())
    assert made.deadline is None


def test_without_a_hold_time_the_first_keepalive_is_still_waited_for_not_for_ever() -> None:
    made = accepted()
    feed(made, replace(THEIRS, hold_time=0))
    alive(made, NOW + OPEN_HOLD)
    assert the_down(drain(made)).failure.reason == "HoldTimerExpired"


@pytest.mark.parametrize(("hold_time", "limit"), [(90, 480), (300, 600), (0, 480)])
def test_a_peer_that_reads_nothing_is_left(hold_time: int, limit: float) -> None:
    """RFC 9687: twice the hold time, eight minutes at least. No NOTIFICATION: it would not read that either."""
    made = established(replace(SPEAKER, hold_time=hold_time), replace(THEIRS, hold_time=hold_time))
    made.blocked(NOW)
    for second in range(0, int(limit), 50):
        made.blocked(NOW + second)
        feed(made, Keepalive(), now=NOW + second)
        alive(made, NOW + second)
    alive(made, NOW + limit - 0.1)
    assert made.state is State.ESTABLISHED
    made.data_to_send()
    alive(made, NOW + limit)
    down = the_down(drain(made))
    assert (down.failure.reason, down.was_established) == ("SendHoldTimerExpired", True)
    assert f"for {limit:g} s" in down.failure.message
    assert made.data_to_send() == b""


def test_a_peer_that_reads_slowly_is_kept() -> None:
    made = established(replace(SPEAKER, hold_time=0))
    for second in range(0, 4800, 400):
        made.progressed(NOW + second)
        made.blocked(NOW + second)
        alive(made, NOW + second)
    assert made.state is State.ESTABLISHED
    made.progressed(NOW + 4800)
    assert made.deadline is None


def test_output_waits_for_nobody_before_the_session_is_established() -> None:
    made = accepted()
    made.blocked(NOW)
    assert made.deadline == NOW + OPEN_HOLD
    made.stop(NOW, None)
    made.blocked(NOW)
    assert made.deadline is None


def test_a_connection_without_an_answer_is_given_up_after_five_seconds() -> None:
    made = session()
    made.start(NOW)
    assert drain(made) == [ConnectWanted()]
    made.tick(NOW + 4.9)
    assert made.state is State.CONNECT
    made.tick(NOW + 5)
    down = the_down(drain(made))
    assert (down.failure.reason, down.was_established) == ("ConnectTimeout", False)
    assert made.state is State.ACTIVE
    assert made.deadline == NOW + 6


def test_a_connection_wanted_too_long_ago_is_not_wanted_any_more() -> None:
    """A driver that was held up must not dial for a session that has given up."""
    made = session()
    made.start(NOW)
    made.tick(NOW + 5)
    assert [type(event) for event in drain(made)] == [Down]


def refuse(made: Session, now: float) -> float:
    """One attempt that is refused at `now`; how long the session waits then."""
    drain(made, now)
    made.connection_lost(now, REFUSED)
    assert the_down(drain(made, now)).failure is REFUSED
    assert made.state is State.ACTIVE
    assert made.deadline is not None
    pause = made.deadline - now
    made.tick(made.deadline)
    assert made.state is State.CONNECT
    return pause


@pytest.mark.parametrize(("connect_retry", "expected"), [(30.0, [1, 2, 4, 5, 5, 5]), (3.0, [1, 2, 3, 3, 3, 3])])
def test_attempts_to_connect_are_seconds_apart(connect_retry: float, expected: list[float]) -> None:
    made = session(replace(SPEAKER, connect_retry=connect_retry))
    made.start(NOW)
    assert [refuse(made, NOW) for _ in expected] == expected


def refuse_us(made: Session, now: float) -> float:
    """A connection that ends with a NOTIFICATION; how long the session waits then."""
    drain(made, now)
    made.connected(now)
    the_down(feed(made, Notification(Code.CEASE, Cease.SHUTDOWN), now=now))
    assert made.state is State.IDLE
    assert made.deadline is not None
    pause = made.deadline - now
    made.tick(made.deadline)
    assert made.state is State.CONNECT
    return pause


def test_a_peer_that_refuses_us_is_asked_ever_less_often() -> None:
    made = session()
    made.start(NOW)
    assert [refuse_us(made, NOW) for _ in PAUSES] == PAUSES


def test_the_two_kinds_of_failure_are_counted_apart() -> None:
    made = session()
    made.start(NOW)
    assert [refuse(made, NOW), refuse_us(made, NOW), refuse(made, NOW), refuse_us(made, NOW)] == [1, 1, 2, 2]


def test_after_an_established_session_pauses_are_short_again() -> None:
    made = session()
    made.start(NOW)
    for _ in range(4):
        refuse(made, NOW)
        refuse_us(made, NOW)
    drain(made)
    made.connected(NOW)
    feed(made, THEIRS, Keepalive())
    assert made.state is State.ESTABLISHED
    made.connection_lost(NOW, REFUSED)
    assert made.deadline == NOW + 1
    made.tick(NOW + 1)
    assert refuse(made, NOW + 1) == 1


def test_an_open_alone_does_not_shorten_pauses() -> None:
    made = session()
    made.start(NOW)
    refuse_us(made, NOW)
    made.connected(NOW)
    feed(made, THEIRS, Notification(Code.CEASE, Cease.REJECTED))
    assert made.deadline == NOW + 2


def test_pauses_are_jittered() -> None:
    made = session(jitter=0.75)
    made.start(NOW)
    assert [refuse(made, 0.0), refuse(made, 0.0)] == [0.75, 1.5]
    assert [refuse_us(made, 0.0), refuse_us(made, 0.0)] == [0.75, 1.5]


def test_a_start_cuts_both_pauses_short() -> None:
    made = session()
    made.start(NOW)
    made.connection_lost(NOW, REFUSED)
    made.start(NOW)
    assert (made.state, made.deadline) == (State.CONNECT, NOW + 5)
    made.connected(NOW)
    feed(made, Notification(Code.CEASE, Cease.RESET))
    made.start(NOW)
    assert (made.state, made.deadline) == (State.CONNECT, NOW + 5)


def test_a_tick_that_comes_late_acts_once() -> None:
    made = established()
    made.tick(NOW + 10_000)
    assert sent(made) == [Keepalive(), HOLD_EXPIRED]
    assert [type(event) for event in drain(made)] == [Down]
    assert made.deadline == NOW + 10_001


def test_only_the_given_time_counts() -> None:
    """Clocks of a machine just started begin near zero."""
    made = session()
    made.start(0.0)
    assert made.deadline == 5
    made.tick(-1.0)
    assert made.state is State.CONNECT
