"""The end of a peer, and what the next life says of the last one (rules R4 to R8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.errors import Code
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Notification
from terway_edge.backends.bgp.parting import DECONFIGURED, HARD_RESET
from terway_edge.backends.bgp.peer_spec import Rebirth
from terway_edge.backends.bgp.wish import Wish
from terway_edge.testing.bgp_switch import FakeSwitch
from tests.bgp.scenes import Scene, many, prefixes_of, routes, wish
from tests.bgp.sessions import BOTH, SPEAKER, switch_of

REMEMBERED = Rebirth(restarting=True)


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "last"),
    [({}, HARD_RESET), ({"notification": False}, DECONFIGURED), ({"restart_time": 0}, DECONFIGURED)],
    ids=["N", "graceful restart", "neither"],
)
def test_a_peer_that_is_left_forgets_everything_at_once(
    world: Scene, changes: dict[str, object], last: Notification
) -> None:
    """R7: withdrawals, then a Cease that ends graceful restart too."""
    switch, life = world.switch(**changes), world.start()
    world.want(life, wish(1, 2))
    switch.heard.clear()
    world.want(life)
    *withdrawals, end = switch.heard
    assert end == last
    assert {prefix for each in withdrawals for prefix in each.withdrawn} == prefixes_of(routes(1, 2))
    assert (switch.paths, switch.stale) == ({}, set())
    assert life.told == ["up", "gone"]
    assert life.speaker.states == ()
    world.advance(1000)
    assert len(world.network.dialled) == 1
    assert world.network.open == 0


def test_leaving_a_peer_that_reads_nothing_takes_five_seconds(world: Scene) -> None:
    world.network.window = 4096
    switch, life = world.switch(), world.start()
    world.want(life, Wish(SPEAKER, many(3000)))
    world.hold(switch)
    world.want(life)
    world.advance(4.9)
    assert life.told == ["up"]
    world.advance(0.1)
    assert life.told == ["up", "gone"]


def test_a_peer_that_is_being_left_is_not_let_in(world: Scene) -> None:
    world.network.window = 4096
    switch, life = world.switch(), world.start(listen_port=179)
    world.want(life, Wish(SPEAKER, many(3000)))
    world.hold(switch)
    world.want(life)
    channel = world.network.dial(switch_of(SPEAKER))
    world.settle()
    assert channel.read() == b""
    channel.close()


def test_a_peer_that_never_knew_us_is_left_without_a_word(world: Scene) -> None:
    life = world.start()
    world.want(life, wish(1))
    world.want(life)
    assert life.told == ["ConnectRefused", "gone"]
    world.switch()
    world.advance(1000)
    assert len(world.network.dialled) == 1


def test_a_peer_that_is_away_is_left_when_it_is_back(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.network.silent.add(SPEAKER.address)
    switch.drop()
    world.settle()
    world.want(life)
    world.advance(60)
    assert "gone" not in life.told
    assert switch.stale == prefixes_of(routes(1))
    world.network.silent.clear()
    world.advance(5)
    assert life.told[-1] == "gone"
    assert (switch.paths, switch.opens[-1].capabilities.graceful_restart) == ({}, None)
    assert switch.notifications == [DECONFIGURED]


def test_a_peer_that_stays_away_is_given_up_when_it_has_forgotten_us(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.end(switch)
    world.want(life)
    world.advance(590)
    assert "gone" not in life.told
    world.advance(11)
    assert life.told[-1] == "gone"
    assert life.speaker.states == ()


def test_a_session_lost_while_leaving_is_opened_once_more_for_that(world: Scene) -> None:
    world.network.window = 4096
    switch, life = world.switch(), world.start()
    world.want(life, Wish(SPEAKER, many(3000)))
    world.hold(switch)
    world.want(life)
    world.release(switch)
    world.network.silent.add(SPEAKER.address)
    switch.drop()
    world.settle()
    world.advance(60)
    assert switch.stale
    world.network.silent.clear()
    world.advance(6)
    assert (switch.paths, switch.stale) == ({}, set())
    assert life.told[-1] == "gone"


FAREWELL = Wish(SPEAKER, rebirth=Rebirth(restarting=True, is_farewell=True))


def remembering(world: Scene) -> FakeSwitch:
    """A switch that keeps stale routes of a process that died."""
    switch, earlier = world.switch(), world.start()
    world.want(earlier, wish(1, 2))
    world.end(earlier)
    assert switch.stale == prefixes_of(routes(1, 2))
    return switch


def test_a_peer_of_an_earlier_life_is_taken_leave_of(world: Scene) -> None:
    switch = remembering(world)
    life = world.start()
    world.want(life, FAREWELL)
    assert (switch.paths, switch.opens[-1].capabilities.graceful_restart) == ({}, None)
    assert switch.notifications == [DECONFIGURED]
    assert life.told == ["gone"]
    assert life.speaker.states == ()


def test_a_farewell_that_is_asked_for_again_stays_one(world: Scene) -> None:
    """Every plan asks for it until it is said."""
    switch = remembering(world)
    world.network.silent.add(SPEAKER.address)
    life = world.start()
    for _ in range(3):
        world.want(life, FAREWELL)
        world.advance(20)
    world.network.silent.clear()
    world.advance(6)
    assert life.told[-1] == "gone"
    assert (switch.paths, switch.opens[-1].capabilities.graceful_restart) == ({}, None)


def test_a_farewell_is_also_said_on_a_connection_that_the_peer_makes(world: Scene) -> None:
    life = world.start(listen_port=179)
    world.want(life, FAREWELL)
    switch = world.start()
    world.want(switch, wish(spec=switch_of(SPEAKER)))
    assert life.told == ["ConnectRefused", "gone"]
    assert switch.told == ["up", "lost:CeaseDeconfigured"]


def test_a_farewell_to_a_peer_that_is_away_is_given_up_in_the_end(world: Scene) -> None:
    life = world.start()
    world.want(life, FAREWELL)
    world.advance(601)
    assert life.told[-1] == "gone"


def test_a_farewell_to_a_peer_that_is_spoken_to_ends_the_session(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.want(life, FAREWELL)
    assert life.told == ["up", "gone"]
    assert switch.paths == {}


def test_a_peer_wanted_again_during_a_farewell_is_told_of_a_restart(world: Scene) -> None:
    switch = remembering(world)
    world.network.silent.add(SPEAKER.address)
    life = world.start()
    world.want(life, FAREWELL)
    world.want(life, wish(1, 2, rebirth=REMEMBERED))
    world.network.silent.clear()
    world.advance(6)
    restart = switch.opens[-1].capabilities.graceful_restart
    assert (restart.restarting, restart.forwarding) == (True, BOTH)
    assert (switch.lost, life.told[-1]) == ([], "up")
    world.advance(1000)
    assert life.state.state is State.ESTABLISHED


def test_a_peer_wanted_again_while_it_is_left_stays(world: Scene) -> None:
    world.network.window = 4096
    switch, life = world.switch(), world.start()
    world.want(life, Wish(SPEAKER, many(3000)))
    world.hold(switch)
    world.want(life)
    world.want(life, wish(1))
    world.release(switch)
    world.settle()
    world.advance(10)
    assert switch.paths.keys() == prefixes_of(routes(1))
    assert life.state.state is State.ESTABLISHED
    assert "gone" not in life.told


def test_a_peer_left_and_wanted_again_in_one_breath_is_there(world: Scene) -> None:
    life = world.start()
    world.want(life, wish(1))
    life.speaker.want([])
    life.speaker.want([wish(2)])
    world.settle()
    switch = world.switch()
    world.advance(5)
    assert switch.paths.keys() == prefixes_of(routes(2))


# --- what the OPEN says of an earlier life ----------------------------------------------------------------------------


def test_the_restart_bit_is_set_until_the_first_session_is_up(world: Scene) -> None:
    """R4; and a switch that keeps stale routes loses none of those that are announced again."""
    switch = remembering(world)
    life = world.start()
    world.want(life, wish(1, 2, rebirth=REMEMBERED))
    assert switch.opens[-1].capabilities.graceful_restart.restarting
    switch.stop(None)
    world.advance(2)
    assert not switch.opens[-1].capabilities.graceful_restart.restarting
    assert switch.opens[-1].capabilities.graceful_restart.forwarding == BOTH
    world.want(life, wish(1, 2, spec=replace(SPEAKER, hold_time=30), rebirth=REMEMBERED))
    assert switch.opens[-1].hold_time == 30
    assert not switch.opens[-1].capabilities.graceful_restart.restarting


def test_a_process_that_dies_and_comes_back_costs_no_route(world: Scene) -> None:
    switch = remembering(world)
    world.advance(300)
    life = world.start()
    world.want(life, wish(1, 2, rebirth=REMEMBERED))
    assert (switch.lost, switch.stale) == ([], set())


def test_a_route_that_is_gone_after_a_restart_goes_with_the_end_of_rib(world: Scene) -> None:
    switch = remembering(world)
    life = world.start()
    world.want(life, wish(2, rebirth=REMEMBERED))
    assert set(switch.lost) == prefixes_of(routes(1))


def test_after_a_reboot_the_switch_drops_what_was_stale(world: Scene) -> None:
    """R5: the pods are gone."""
    switch = remembering(world)
    life = world.start()
    world.want(life, wish(rebirth=Rebirth(restarting=True, forwarding=False)))
    assert switch.opens[-1].capabilities.graceful_restart.forwarding == ()
    assert set(switch.lost) == prefixes_of(routes(1, 2))


def test_an_upgrade_says_nothing(world: Scene) -> None:
    """R8."""
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.end(life)
    assert (switch.notifications, switch.stale) == ([], prefixes_of(routes(1)))
    assert world.network.open == 0


def test_a_switch_that_bears_few_capabilities_is_offered_few_from_then_on(world: Scene) -> None:
    """Also by the session that takes the place of the one that learnt it (RFC 5492, section 3)."""
    switch, life = world.switch(), world.start()
    switch.refuses = Notification(Code.OPEN, 7)
    world.want(life, wish(1))
    switch.refuses = None
    world.want(life, wish(1, spec=replace(SPEAKER, hold_time=30)))
    world.advance(2)
    assert [bool(each.capabilities.graceful_restart) for each in switch.opens] == [True, False]
