"""Two connections with one peer: made at once, or because the peer restarted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.fsm import State
from tests.bgp.scenes import Life, Scene, wish
from tests.bgp.sessions import SPEAKER, switch_of

THERE = switch_of(SPEAKER)


IDS = [(1, 2), (2, 1), (7, 7)]


def dialling_at_once(world: Scene, ours: int, theirs: int) -> tuple[Life, Life]:
    """Two who listen, and whose first attempts time out at the same moment."""
    lives = world.start(listen_port=179), world.start(listen_port=179)
    world.network.silent |= {SPEAKER.address, THERE.address}
    lives[0].speaker.want([wish(1, spec=replace(SPEAKER, router_id=ours))])
    lives[1].speaker.want([wish(2, spec=replace(THERE, router_id=theirs))])
    world.settle()
    world.advance(5)
    world.network.silent.clear()
    world.advance(5)
    return lives


@pytest.mark.parametrize(("ours", "theirs"), IDS)
def test_of_two_connections_made_at_once_one_stays(world: Scene, ours: int, theirs: int) -> None:
    lives = dialling_at_once(world, ours, theirs)
    assert len(world.network.dialled) == 4
    assert [life.state.state for life in lives] == [State.ESTABLISHED] * 2
    assert world.network.open == 2
    assert [life.told for life in lives] == [["ConnectTimeout", "up"]] * 2
    assert [life.state.received for life in lives] == [2, 2]


@pytest.mark.parametrize(("ours", "theirs"), IDS)
def test_after_a_loss_one_of_two_connections_stays_again(world: Scene, ours: int, theirs: int) -> None:
    """Whoever had accepted the first session dials now too, and knows that it did."""
    lives = dialling_at_once(world, ours, theirs)
    for flaps in range(1, 4):
        world.network.reset(SPEAKER.address)
        world.settle()
        world.advance(5)
        assert [life.state.state for life in lives] == [State.ESTABLISHED] * 2
        assert [life.state.flaps for life in lives] == [flaps] * 2
        assert world.network.open == 2
    for life in lives:
        assert life.told == ["ConnectTimeout", "up", *["lost:ConnectionClosed", "up"] * 3]


def test_a_peer_that_dials_is_enough(world: Scene) -> None:
    here, there = world.start(listen_port=179), world.start()
    world.want(here, wish(1))
    world.want(there, wish(2, spec=THERE))
    assert here.state.state is State.ESTABLISHED
    assert here.state.received == 2
    assert here.told == ["ConnectRefused", "up"]


def test_a_peer_that_restarted_takes_over_an_established_session(world: Scene) -> None:
    """It lost power and is back; nothing else tells that the old connection is dead (RFC 4724, section 4.2)."""
    here, there = world.start(listen_port=179), world.start()
    world.want(here, wish(1))
    world.want(there, wish(2, spec=THERE))
    world.advance(6)
    world.network.lose_power(SPEAKER.address)
    world.end(there)
    again = world.start()
    world.want(again, wish(2, 3, spec=THERE))
    assert (here.state.state, again.state.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert (here.state.received, again.state.received) == (4, 2)
    assert here.told == ["ConnectRefused", "up", "lost:PeerRestarted", "up"]
    assert here.state.flaps == 1


def test_a_second_connection_right_after_the_first_is_no_restart(world: Scene) -> None:
    here, there = world.start(listen_port=179), world.start()
    world.want(here, wish(1))
    world.want(there, wish(2, spec=THERE))
    world.advance(4)
    second = world.start()
    world.want(second, wish(2, spec=THERE))
    assert second.told == ["CeaseCollision"]
    assert here.told == ["ConnectRefused", "up"]
    assert there.state.state is State.ESTABLISHED


def test_a_peer_without_graceful_restart_takes_over_nothing(world: Scene) -> None:
    here, there = world.start(listen_port=179), world.start()
    world.want(here, wish(1))
    world.want(there, wish(2, spec=replace(THERE, restart_time=0)))
    world.advance(60)
    second = world.start()
    world.want(second, wish(2, spec=replace(THERE, restart_time=0)))
    assert second.told == ["CeaseCollision"]
    assert here.told == ["ConnectRefused", "up"]


def test_a_connection_beside_an_established_session_that_comes_to_nothing_is_not_told(world: Scene) -> None:
    """A probe of the peer's port, say: the session is where the other connection is."""
    here, switch = world.start(listen_port=179), world.switch()
    world.want(here, wish(1))
    probe = world.network.dial(THERE)
    world.settle()
    probe.close()
    world.settle()
    assert (here.told, here.state.failure, here.state.state) == (["up"], None, State.ESTABLISHED)
    assert switch.is_established


def test_of_several_connections_of_a_peer_the_newest_counts(world: Scene) -> None:
    here = world.start(listen_port=179)
    world.want(here, wish(1))
    first = world.network.dial(THERE)
    world.settle()
    second = world.network.dial(THERE)
    world.settle()
    assert first.read() != b""
    assert first.read() == b""
    assert second.read() != b""
    with pytest.raises(BlockingIOError):
        second.read()
    first.close()
    second.close()


def test_a_connection_that_hangs_does_not_keep_out_one_that_works(world: Scene) -> None:
    """The peer took our connection and never says a word on it; five seconds later its own counts more."""
    mute = world.network.listen(SPEAKER.address, SPEAKER.port)
    here = world.start(listen_port=179)
    world.want(here, wish(1, spec=replace(SPEAKER, router_id=2)))
    channel, _ = mute.accept()
    there = world.start()
    world.want(there, wish(2, spec=replace(THERE, router_id=1)))
    assert there.told == ["CeaseCollision"]
    world.advance(10)
    assert there.told[-1] == "up"
    assert here.told == ["up"]
    channel.close()
    mute.close()
