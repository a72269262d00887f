"""One peer, from the first connection on: what is told, what comes, and mistakes of our own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Family, Notification, RouteRefresh, Update
from terway_edge.backends.bgp.wish import Attributes, Wish
from terway_edge.core.addresses import Address, Prefix
from tests.bgp.scenes import Scene, announcement, many, prefixes_of, routes, wish
from tests.bgp.sessions import SPEAKER, switch_of

THERE = switch_of(SPEAKER)
RESET = Notification(Code.CEASE, Cease.RESET)
BAD_HOP = Address.parse("224.0.0.1")


# --- up and down ------------------------------------------------------------------------------------------------------


def test_a_session_comes_up_and_the_switch_knows_everything(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1, 2))
    assert switch.paths.keys() == prefixes_of(routes(1, 2))
    assert switch.ends == [Family.IPV4, Family.IPV6]
    assert life.told == ["up"]
    state = life.state
    assert (state.state, state.announced, state.is_settled, state.flaps) == (State.ESTABLISHED, 4, True, 0)
    assert state.since == world.clock.now()


def test_a_new_set_is_told_within_the_same_session(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1, 2))
    world.want(life, wish(2, 3))
    assert switch.paths.keys() == prefixes_of(routes(2, 3))
    assert set(switch.lost) == prefixes_of(routes(1))
    assert len(switch.opens) == 1
    assert switch.ends == [Family.IPV4, Family.IPV6]
    assert life.told == ["up"]


def test_new_attributes_are_told_within_the_same_session(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1, attributes=Attributes(med=100)))
    world.want(life, wish(1))
    assert {path.med for path in switch.paths.values()} == {0}
    assert (switch.lost, len(switch.opens)) == ([], 1)


def test_a_lost_session_comes_back_and_ends_its_first_set_again(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.advance(10)
    switch.stop(None)
    world.settle()
    assert life.state.since == world.clock.now()
    world.advance(1)
    assert life.told == ["up", "lost:ConnectionClosed", "up"]
    assert switch.paths.keys() == prefixes_of(routes(1))
    assert switch.ends == [Family.IPV4, Family.IPV6] * 2
    assert (life.state.flaps, life.state.failure, life.state.since) == (1, None, world.clock.now())


def test_routes_that_changed_while_the_session_was_down_are_right_afterwards(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1, 2))
    switch.stop(RESET)
    world.want(life, wish(2, 3))
    world.advance(2)
    assert switch.paths.keys() == prefixes_of(routes(2, 3))
    assert life.told == ["up", "lost:CeaseAdminReset", "up"]


def test_a_peer_that_is_not_there_is_dialled_again_and_again(world: Scene) -> None:
    life = world.start()
    world.want(life, wish(1))
    world.advance(10)
    assert set(life.told) == {"ConnectRefused"}
    assert len(life.told) == len(world.network.dialled) >= 3
    switch = world.switch()
    world.advance(5)
    assert life.told[-1] == "up"
    assert switch.paths.keys() == prefixes_of(routes(1))


def test_a_peer_that_answers_nothing_times_out(world: Scene) -> None:
    world.network.silent.add(SPEAKER.address)
    life = world.start()
    world.want(life, wish(1))
    world.advance(4.9)
    assert life.told == []
    world.advance(0.1)
    assert life.told == ["ConnectTimeout"]


def test_a_peer_that_falls_silent_is_lost_when_the_hold_time_ends(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.network.lose_power(SPEAKER.address)
    world.end(switch)
    world.advance(60)
    assert life.told == ["up"]
    world.advance(40)
    assert life.told[:2] == ["up", "lost:HoldTimerExpired"]


def test_a_refresh_is_answered_with_the_whole_family(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1, 2))
    switch.heard.clear()
    switch.send(RouteRefresh(Family.IPV4))
    world.settle()
    (update,) = switch.heard
    assert isinstance(update, Update)
    assert set(update.announced) == {Prefix.parse("10.1.1.0/24"), Prefix.parse("10.1.2.0/24")}
    assert life.state.is_settled


def test_more_than_the_connection_takes_at_once_needs_no_timer(world: Scene) -> None:
    """64 KiB are packed at a time, and all of it may be written at once."""
    world.network.window = 1 << 20
    switch, life = world.switch(), world.start()
    world.want(life, Wish(SPEAKER, many(4000)))
    assert len(switch.paths) == 4000
    assert life.state.is_settled


def test_a_peer_that_reads_slowly_hears_the_newest_set(world: Scene) -> None:
    world.network.window = 4096
    switch, life = world.switch(), world.start()
    life.speaker.want([Wish(SPEAKER, many(3000))])
    while len(switch.paths) < 50:
        life.turn()
        switch.turn()
    assert not life.state.is_settled
    world.want(life, wish(1))
    assert switch.paths.keys() == prefixes_of(routes(1))
    assert life.state.is_settled


# --- what a peer sends ------------------------------------------------------------------------------------------------


def test_too_many_prefixes_are_told_and_otherwise_ignored(world: Scene) -> None:
    switch, life = world.switch(), world.start(most_received=3)
    world.want(life, wish(1))
    switch.send(announcement(3))
    world.settle()
    assert (life.state.received, life.state.is_over_limit) == (3, False)
    switch.send(announcement(1, first=10))
    world.settle()
    assert (life.state.received, life.state.is_over_limit, life.told) == (3, True, ["up"])


def test_too_many_prefixes_end_the_session_for_a_while_if_that_is_wanted(world: Scene) -> None:
    switch, life = world.switch(), world.start(most_received=3, ends_when_over=True)
    world.want(life, wish(1))
    switch.send(announcement(4))
    world.settle()
    assert switch.notifications == [Notification(Code.CEASE, Cease.MAX_PREFIXES)]
    assert life.told == ["up", "lost:CeasePrefixLimit"]
    world.advance(29)
    assert len(switch.opens) == 1
    world.advance(1)
    assert life.told[-1] == "up"
    assert not life.state.is_over_limit


def test_a_peer_that_sent_too_much_is_not_let_in_before_its_time(world: Scene) -> None:
    here, there = world.start(listen_port=179, most_received=3, ends_when_over=True), world.start()
    world.want(here, wish(1))
    world.want(there, wish(1, 2, 3, spec=THERE))
    world.advance(25)
    assert here.told == ["ConnectRefused", "up", "lost:CeasePrefixLimit"]
    world.want(there, wish(1, spec=THERE))
    world.advance(60)
    assert (here.told[3], here.told[-1]) == ("ConnectRefused", "up")


# --- errors of our own ------------------------------------------------------------------------------------------------

SECOND = replace(SPEAKER, name="lan-b", address=Address.parse("192.0.2.2"))
IMPOSSIBLE = Wish(SPEAKER, {Family.IPV4: {Prefix.parse("10.1.1.0/24"): BAD_HOP}})


def test_a_set_that_cannot_be_said_harms_no_other_peer(world: Scene, caplog: pytest.LogCaptureFixture) -> None:
    first, second = world.switch(), world.switch(SECOND)
    life = world.start()
    world.want(life, IMPOSSIBLE, wish(1, spec=SECOND))
    assert second.paths.keys() == prefixes_of(routes(1))
    assert "224.0.0.1" in caplog.text
    assert "Traceback" in caplog.text
    assert life.told.count("lost:InternalError") == 1
    world.advance(29)
    assert len(first.opens) == 1
    assert first.notifications == []
    world.advance(2)
    assert len(first.opens) == 2
    world.want(life, wish(1), wish(1, spec=SECOND))
    world.advance(31)
    assert first.paths.keys() == prefixes_of(routes(1))
    assert (len(second.opens), second.lost) == (1, [])


def test_a_listener_to_edges_that_fails_harms_no_session(world: Scene, caplog: pytest.LogCaptureFixture) -> None:
    switch, life = world.switch(), world.start()

    def fail(_: object) -> None:
        raise OSError("the disk is full")

    life.on_edge = fail
    world.want(life, wish(1))
    assert switch.paths.keys() == prefixes_of(routes(1))
    assert life.state.state is State.ESTABLISHED
    assert "the disk is full" in caplog.text


def test_a_call_that_fails_harms_no_session(world: Scene, caplog: pytest.LogCaptureFixture) -> None:
    switch, life = world.switch(), world.start()
    life.speaker.call(lambda: 1 / 0)
    life.speaker.call(lambda: life.speaker.call_at(world.clock.now(), lambda: {}[0]))
    world.want(life, wish(1))
    assert switch.paths.keys() == prefixes_of(routes(1))
    assert "ZeroDivisionError" in caplog.text
    assert "KeyError" in caplog.text


def test_an_error_while_leaving_does_not_bring_the_peer_back(world: Scene) -> None:
    world.network.window = 4096
    switch, life = world.switch(), world.start()
    world.want(life, IMPOSSIBLE)
    world.want(life)
    world.advance(31)
    assert life.told[-1] == "gone"
    assert (switch.paths, life.speaker.states) == ({}, ())
