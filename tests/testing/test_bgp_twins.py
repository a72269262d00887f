"""The network and the switch in memory do what TCP and a helper of graceful restart do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.messages import Family, Notification
from terway_edge.backends.bgp.peer_spec import Rebirth
from terway_edge.backends.bgp.session import Session
from terway_edge.core.addresses import Address
from terway_edge.core.secret import Secret
from terway_edge.testing.bgp_network import MemoryNetwork
from tests.bgp.scenes import Life, Scene, announcement, prefixes_of, routes, wish
from tests.bgp.sessions import SPEAKER, switch_of

AGAIN = Rebirth(restarting=True)
SIGNED = replace(SPEAKER, password=Secret(b"s3cret"))


@pytest.fixture
def world() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


# --- the network ------------------------------------------------------------------------------------------------------


def test_who_dials_finds_who_listens(world: Scene) -> None:
    network = world.network
    with pytest.raises(ConnectionRefusedError):
        network.dial(SPEAKER)
    listener = network.listen(SPEAKER.address, SPEAKER.port)
    with pytest.raises(OSError, match="in use"):
        network.listen(SPEAKER.address, SPEAKER.port)
    near = network.dial(SPEAKER)
    far, peer = listener.accept()
    assert peer == SPEAKER.local_address
    assert (near.write(b"hello"), far.read(), network.open) == (5, b"hello", 2)
    with pytest.raises(BlockingIOError):
        far.read()
    near.close()
    assert (far.read(), network.open) == (b"", 1)
    far.close()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        network.dial(SPEAKER)


@pytest.mark.parametrize("spec", [SPEAKER, replace(SPEAKER, password=Secret(b"other"))])
def test_what_is_signed_wrongly_is_never_answered(world: Scene, spec: object) -> None:
    listener = world.network.listen(SPEAKER.address, SPEAKER.port)
    listener.set_password(SPEAKER.local_address, SIGNED.password)
    channel = world.network.dial(spec)  # type: ignore[arg-type]
    with pytest.raises(BlockingIOError):
        channel.write(b"x")
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert world.network.dial(SIGNED).write(b"x") == 1
    listener.close()


def test_what_was_written_while_both_signed_differently_arrives_once_they_agree() -> None:
    network = MemoryNetwork()
    listener = network.listen(SPEAKER.address, SPEAKER.port)
    near = network.dial(SPEAKER)
    far, _ = listener.accept()
    near.set_password(SIGNED)
    near.write(b"one")
    with pytest.raises(BlockingIOError):
        far.read()
    far.set_password(switch_of(SIGNED))
    near.write(b"two")
    assert far.read() == b"onetwo"
    network.close()


def test_a_host_without_power_says_nothing_any_more() -> None:
    network = MemoryNetwork()
    listener = network.listen(SPEAKER.address, SPEAKER.port)
    near = network.dial(SPEAKER)
    far, _ = listener.accept()
    network.lose_power(SPEAKER.local_address)
    near.close()
    far.write(b"into the void")
    with pytest.raises(BlockingIOError):
        far.read()
    network.close()


# --- the switch -------------------------------------------------------------------------------------------------------


def reborn(world: Scene, life: Life, *numbers: int, rebirth: Rebirth = AGAIN) -> Life:
    world.end(life)
    made = world.start()
    world.want(made, wish(*numbers, rebirth=rebirth))
    return made


def test_stale_routes_go_when_the_restart_time_ends(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.end(life)
    world.advance(599)
    assert (switch.paths.keys(), switch.stale) == (prefixes_of(routes(1)), prefixes_of(routes(1)))
    world.advance(1)
    assert (switch.paths, switch.stale, set(switch.lost)) == ({}, set(), prefixes_of(routes(1)))


def test_two_losses_in_a_row_cost_what_was_stale(world: Scene) -> None:
    """Why rule R1 is one: here a process connects, and dies, before it says anything."""
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    world.end(life)
    hasty = world.network.dial(SPEAKER)
    world.settle()
    hasty.close()
    world.settle()
    assert switch.lost == []  # it did not get as far as a session
    unready = world.start()
    world.hold(switch)
    world.want(unready, wish(rebirth=AGAIN))
    world.release(switch)
    world.settle()
    assert set(switch.lost) == prefixes_of(routes(1))


@pytest.mark.parametrize(
    ("end", "agreed", "is_kept"),
    [
        (Notification(Code.CEASE, Cease.RESET), True, True),
        (Notification(Code.CEASE, Cease.RESET), False, False),
        (Notification(Code.CEASE, Cease.HARD_RESET, b"\6\3"), True, False),
    ],
)
def test_a_notification_keeps_routes_only_where_that_was_agreed(
    world: Scene, end: Notification, agreed: bool, is_kept: bool
) -> None:
    switch, now = world.switch(notification=agreed), world.clock.now()
    channel, session = world.network.dial(SPEAKER), Session(SPEAKER, Rebirth(), jitter=lambda pause: pause)
    session.start(now)
    session.connected(now)
    channel.write(session.data_to_send())
    world.settle()
    session.receive_data(channel.read(), now)
    while session.next_event(now) is not None:
        channel.write(session.data_to_send())
    channel.write(codec.encode(announcement(2)))
    world.settle()
    assert (len(switch.paths), switch.lost) == (2, [])
    session.stop(now, end)
    channel.write(session.data_to_send())
    channel.close()
    world.settle()
    assert (len(switch.paths), len(switch.lost)) == ((2, 0) if is_kept else (0, 2))


def test_a_family_that_was_not_forwarded_is_dropped_when_the_speaker_is_back(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1))
    reborn(world, life, rebirth=replace(AGAIN, forwarding=False))
    assert set(switch.lost) == prefixes_of(routes(1))


def test_what_is_not_announced_again_goes_with_the_end_of_its_family(world: Scene) -> None:
    switch, life = world.switch(), world.start()
    world.want(life, wish(1, 2))
    reborn(world, life, 2)
    assert set(switch.lost) == prefixes_of(routes(1))
    assert switch.ends == [Family.IPV4, Family.IPV6] * 2


def test_strangers_are_not_let_in(world: Scene) -> None:
    switch = world.switch()
    channel = world.network.dial(replace(SPEAKER, local_address=Address.parse("192.0.2.77")))
    world.settle()
    assert (channel.read(), switch.opens) == (b"", [])
    channel.close()
