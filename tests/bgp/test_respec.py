"""A peer whose specification or password changes: as little as possible is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Family, Notification
from terway_edge.backends.bgp.parting import HARD_RESET
from terway_edge.core.addresses import Address
from terway_edge.core.secret import Secret
from tests.bgp.scenes import Scene, prefixes_of, routes, wish
from tests.bgp.sessions import SPEAKER, switch_of

WITHOUT_RESTART = replace(SPEAKER, restart_time=0)


# --- what a new specification touches ---------------------------------------------------------------------------------

UNTOUCHED = [{"name": "another"}, {"connect_retry": 5.0}]
TOUCHED = [
    {"hold_time": 30},
    {"keepalive": 5},
    {"restart_time": 60},
    {"notification": False},
    {"ttl_security": 1},
    {"multihop": 2},
    {"router_id": 9},
    {"families": (Family.IPV4,)},
]


@pytest.mark.parametrize("change", UNTOUCHED)
def test_a_session_lives_on_when_it_can(world: Scene, change: dict[str, object]) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.want(life, wish(1, 2, spec=replace(SPEAKER, **change)))  # type: ignore[arg-type]
    assert (len(switch.opens), life.told) == (1, ["up"])
    assert switch.paths.keys() == prefixes_of(routes(1, 2))
    assert life.state.spec == replace(SPEAKER, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", TOUCHED, ids=lambda change: next(iter(change)))
def test_a_switch_that_keeps_routes_loses_none_when_the_session_begins_anew(
    world: Scene, change: dict[str, object]
) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    changed = replace(SPEAKER, **change)  # type: ignore[arg-type]
    world.want(life, wish(1, spec=changed))
    assert life.told == ["up", "lost:CeaseConfigChange", "up"]
    assert switch.notifications == []
    assert len(switch.opens) == 2
    assert {prefix.family for prefix in switch.lost} <= {6} if "families" in change else switch.lost == []
    assert life.state.flaps == 1


@pytest.mark.parametrize("change", TOUCHED, ids=lambda change: next(iter(change)))
def test_a_switch_that_keeps_no_routes_is_told_why_the_session_ends(world: Scene, change: dict[str, object]) -> None:
    switch, life = world.switch(restart_time=0), world.start()
    world.want(life, wish(1, spec=WITHOUT_RESTART))
    world.want(life, wish(1, spec=replace(WITHOUT_RESTART, **change)))  # type: ignore[arg-type]
    assert switch.notifications == [Notification(Code.CEASE, Cease.CONFIG_CHANGE)]
    world.advance(5)
    assert life.state.state is State.ESTABLISHED


def test_a_new_address_of_the_node_takes_leave_under_the_old_one(world: Scene) -> None:
    """To the switch it is another neighbour: what the old one told would stay for the restart time."""
    old, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.want(life, wish(1, spec=replace(SPEAKER, local_address=Address.parse("192.0.2.99"))))
    assert old.notifications == [HARD_RESET]
    assert old.paths == {}


def test_another_peer_is_not_touched(world: Scene) -> None:
    second = replace(SPEAKER, name="lan-b", address=Address.parse("192.0.2.2"))
    switches = [world.switch(), world.switch(second)]
    life = world.start()
    world.want(life, wish(1), wish(1, spec=second))
    world.want(life, wish(1, spec=replace(SPEAKER, hold_time=30)), wish(1, spec=second))
    assert [len(switch.opens) for switch in switches] == [2, 1]
    world.want(life, wish(1, spec=second))
    assert switches[0].paths == {}
    assert (switches[1].lost, len(switches[1].opens)) == ([], 1)


# --- passwords --------------------------------------------------------------------------------------------------------

OLD, NEW = (replace(SPEAKER, password=Secret(text)) for text in (b"old", b"new"))


def test_a_wrong_password_looks_like_silence(world: Scene) -> None:
    world.switch(OLD)
    life = world.start()
    world.want(life, wish(1, spec=NEW))
    world.advance(5)
    assert life.told == ["ConnectTimeout"]


def test_a_new_password_costs_a_switch_that_keeps_routes_none(world: Scene) -> None:
    switch, life = world.switch(OLD), world.start()
    world.want(life, wish(1, spec=OLD))
    world.want(life, wish(1, spec=NEW))
    world.advance(7)
    switch.set_password(switch_of(NEW))
    world.advance(12)
    assert life.state.state is State.ESTABLISHED
    assert (switch.lost, switch.notifications, len(switch.opens)) == ([], [], 2)


def test_a_new_password_on_both_sides_in_time_keeps_any_session(world: Scene) -> None:
    switch, life = world.switch(OLD, restart_time=0), world.start()
    world.want(life, wish(1, spec=OLD))
    world.want(life, wish(1, spec=NEW))
    world.advance(60)
    switch.set_password(switch_of(NEW))
    world.advance(200)
    world.want(life, wish(1, 2, spec=NEW))
    assert (len(switch.opens), life.told) == (1, ["up"])
    assert switch.paths.keys() == prefixes_of(routes(1, 2))


def test_a_new_password_on_one_side_ends_the_session_with_the_hold_time(world: Scene) -> None:
    world.switch(OLD, restart_time=0)
    life = world.start()
    world.want(life, wish(1, spec=OLD))
    world.want(life, wish(1, spec=NEW))
    world.advance(91)
    assert life.told[:2] == ["up", "lost:HoldTimerExpired"]


def test_peers_sign_what_they_dial_with_the_newest_password(world: Scene) -> None:
    here = world.start(listen_port=179)
    world.want(here, wish(1, spec=OLD))
    world.want(here, wish(1, spec=NEW))
    there = world.start()
    world.want(there, wish(2, spec=switch_of(NEW)))
    assert there.told == ["up"]
