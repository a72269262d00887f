"""A session from start to end, byte by byte on a wire in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import Cease, Code, LocalError
from terway_edge.backends.bgp.events import ConnectWanted, Down, Opened, Received, RefreshWanted, Up
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import (
    Capabilities,
    Family,
    Keepalive,
    Notification,
    Open,
    Path,
    RouteRefresh,
    Segment,
    Update,
)
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.session import Session
from terway_edge.core.addresses import Address, Prefix
from tests.bgp.sessions import (
    BOTH,
    FIRST_LIFE,
    NOW,
    SPEAKER,
    THEIRS,
    accepted,
    drain,
    established,
    feed,
    pair,
    sent,
    session,
    switch_of,
    the_down,
)

ANNOUNCEMENT = Update(
    announced=(Prefix.parse("10.1.0.0/24"),),
    path=Path(as_path=(Segment((65100,)),), next_hop=Address.parse("192.0.2.11")),
)
RESET = Notification(Code.CEASE, Cease.RESET)

OCTETS = (
    "ff" * 16
    + "0041 01"  # 65 octets, OPEN
    + "04 {asn} 005a c000020a"  # version 4, AS, hold time 90, 192.0.2.10
    + "24 02 22"  # 36 octets of parameters: capabilities of 34 octets
    + "01 04 0001 00 01"  # IPv4 unicast
    + "01 04 0002 00 01"  # IPv6 unicast
    + "02 00"  # route refresh
    + "06 00"  # extended messages
    + "40 0a {restart} 0001 01 {forwarding} 0002 01 {forwarding}"  # graceful restart: flags and time, two families
    + "41 04 {wide}"  # AS in four octets
)


def golden(restart: str = "4258", forwarding: str = "80", asn: str = "fe4c", wide: str = "0000fe4c") -> bytes:
    """Our OPEN; without arguments as AS 65100 says it first: N, 600 s, forwarding kept."""
    return bytes.fromhex(OCTETS.format(restart=restart, forwarding=forwarding, asn=asn, wide=wide))


def first_octets(spec: PeerSpec = SPEAKER, rebirth: Rebirth = FIRST_LIFE) -> bytes:
    made = session(spec, rebirth)
    made.accepted(NOW)
    return made.data_to_send()


def test_the_first_octets_are_these() -> None:
    assert first_octets() == golden()


def test_a_rebirth_shows_in_the_open() -> None:
    assert first_octets(rebirth=Rebirth(restarting=True)) == golden(restart="c258")
    after_reboot = Rebirth(restarting=True, forwarding=False)
    assert first_octets(rebirth=after_reboot) == golden(restart="c258", forwarding="00")


def test_a_wide_as_number_stands_in_the_capability_only() -> None:
    assert first_octets(replace(SPEAKER, local_asn=4200000001)) == golden(asn="5ba0", wide="fa56ea01")


@pytest.mark.parametrize("chunk", [1, 19, 1 << 16])
def test_two_sessions_come_up_however_their_octets_arrive(chunk: int) -> None:
    both = pair(chunk=chunk)
    both.connect()
    for end in (both.left, both.right):
        assert end.session.state is State.ESTABLISHED
        (opened, up) = (event for event in end.events if not isinstance(event, ConnectWanted))
        assert opened == Opened(end.session.negotiated.peer, end.session.negotiated)
        assert up == Up(end.session.negotiated)
    assert both.left.events[0] == ConnectWanted()
    assert both.left.session.negotiated.families == BOTH
    assert both.left.session.negotiated.peer.router_id == 0xC0000201


def test_what_comes_right_behind_the_open_is_not_lost() -> None:
    made = accepted()
    events = feed(made, THEIRS, Keepalive(), ANNOUNCEMENT)
    assert [type(event) for event in events] == [Opened, Up, Received]
    assert events[-1] == Received(ANNOUNCEMENT)
    assert sent(made) == [Keepalive()]


def test_a_session_ended_when_its_open_is_seen_never_comes_up() -> None:
    """How the driver resolves a collision (RFC 4271, section 6.8)."""
    made = accepted()
    made.receive_data(codec.encode(THEIRS) + codec.encode(Keepalive()), NOW)
    assert isinstance(made.next_event(NOW), Opened)
    collision = Notification(Code.CEASE, Cease.COLLISION)
    made.stop(NOW, collision)
    assert drain(made) == []
    assert sent(made) == [Keepalive(), collision]


def test_updates_travel_as_they_are() -> None:
    both = pair()
    both.connect()
    both.left.session.send(codec.encode(ANNOUNCEMENT), both.now)
    both.pump()
    assert both.right.events[-1] == Received(ANNOUNCEMENT)


@pytest.mark.parametrize(("wide", "octets"), [(65001, "0000fde9"), (None, "fde9")])
def test_as_paths_are_read_as_wide_as_agreed(wide: int | None, octets: str) -> None:
    """RFC 6793: four octets each if both sides said so."""
    made = established(theirs=replace(THEIRS, capabilities=Capabilities(BOTH, wide)))
    segment = bytes.fromhex(f"02 01 {octets}")
    path = bytes.fromhex("400101 00 4002") + bytes([len(segment)]) + segment + bytes.fromhex("400304 c0000201")
    body = b"\0\0" + len(path).to_bytes(2, "big") + path + bytes.fromhex("18 0a0100")
    [event] = feed(made, b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\x02" + body)
    assert isinstance(event, Received)
    assert event.update.path is not None
    assert event.update.path.as_path == (Segment((65001,)),)


def asking() -> Session:
    made = session()
    made.start(NOW)
    return made


def waiting() -> Session:
    made = asking()
    made.tick(NOW + 5)
    return made


def confirming() -> Session:
    made = accepted()
    feed(made, THEIRS)
    return made


IN_STATE = {
    State.IDLE: session,
    State.CONNECT: asking,
    State.ACTIVE: waiting,
    State.OPEN_SENT: accepted,
    State.OPEN_CONFIRM: confirming,
    State.ESTABLISHED: established,
}


@pytest.mark.parametrize("state", State)
def test_updates_are_sent_in_established_only(state: State) -> None:
    made = IN_STATE[state]()
    assert made.state is state
    made.data_to_send()
    if state is State.ESTABLISHED:
        made.send(b"update", NOW)
        assert made.data_to_send() == b"update"
    else:
        with pytest.raises(LocalError, match=f"UPDATE to send in state {state}"):
            made.send(b"update", NOW)
        assert made.data_to_send() == b""
    assert made.state is state


@pytest.mark.parametrize("state", State)
def test_negotiated_is_known_from_the_open_on(state: State) -> None:
    made = IN_STATE[state]()
    assert (made.negotiated is not None) == (state in (State.OPEN_CONFIRM, State.ESTABLISHED))


@pytest.mark.parametrize("state", State)
def test_a_stop_ends_everything_and_nothing_tells_of_it(state: State) -> None:
    made = IN_STATE[state]()
    made.data_to_send()
    made.receive_data(codec.encode(ANNOUNCEMENT), NOW)
    made.stop(NOW, RESET)
    assert (made.state, made.deadline, made.negotiated) == (State.IDLE, None, None)
    assert drain(made, NOW + 1000) == []
    connected = state in (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)
    assert sent(made) == ([RESET] if connected else [])


@pytest.mark.parametrize("state", State)
def test_a_silent_stop_writes_nothing(state: State) -> None:
    made = IN_STATE[state]()
    made.data_to_send()
    made.stop(NOW, None)
    assert (made.state, made.deadline, made.data_to_send()) == (State.IDLE, None, b"")


def test_the_peer_hears_why_we_stop() -> None:
    both = pair()
    both.connect()
    both.left.session.stop(both.now, RESET)
    both.pump()
    down = the_down(both.right.events)
    assert down.was_established
    assert (down.failure.reason, down.failure.received) == ("CeaseAdminReset", True)


def test_the_peer_of_a_silent_stop_sees_the_connection_close() -> None:
    both = pair()
    both.connect()
    both.left.session.stop(both.now, None)
    both.pump()
    down = the_down(both.right.events)
    assert down.was_established
    assert (down.failure.reason, down.failure.code) == ("ConnectionClosed", 0)


def test_a_stopped_session_starts_again_when_told() -> None:
    made = established()
    made.stop(NOW, None)
    made.tick(NOW + 1000)
    assert drain(made) == []
    made.start(NOW)
    assert drain(made) == [ConnectWanted()]


def test_a_refresh_is_asked_for_by_family() -> None:
    made = established(theirs=replace(THEIRS, capabilities=replace(THEIRS.capabilities, families=(Family.IPV6,))))
    assert feed(made, RouteRefresh(Family.IPV6)) == [RefreshWanted(Family.IPV6)]


def test_a_refresh_of_what_was_not_agreed_is_ignored() -> None:
    """RFC 2918, section 4."""
    made = established(theirs=replace(THEIRS, capabilities=replace(THEIRS.capabilities, families=(Family.IPV6,))))
    vpn = codec.encode(RouteRefresh(Family.IPV4))[:-1] + b"\x80"
    assert feed(made, RouteRefresh(Family.IPV4), vpn) == []
    assert made.state is State.ESTABLISHED


def test_what_comes_after_the_end_is_ignored() -> None:
    made = established()
    the_down(feed(made, RESET, ANNOUNCEMENT))
    assert feed(made, ANNOUNCEMENT, THEIRS) == []
    assert made.state is State.IDLE


def test_nothing_of_one_connection_gets_into_the_next() -> None:
    made = established()
    made.send(b"never written", NOW)
    half = codec.encode(ANNOUNCEMENT)[:30]
    made.receive_data(half, NOW)
    feed(made, b"\0" * 40)
    made.start(NOW)
    made.connected(NOW)
    assert [type(message) for message in sent(made)] == [Open]
    assert isinstance(feed(made, THEIRS)[-1], Opened)


def test_a_lost_session_comes_back_by_itself() -> None:
    both = pair()
    both.connect()
    both.cut()
    assert the_down(both.left.events).was_established
    assert both.left.session.negotiated is None
    both.advance(1)
    assert both.left.events[-1] == ConnectWanted()
    both.connect()
    assert both.left.session.state is State.ESTABLISHED


def test_a_peer_that_hangs_up_before_its_open_does_not_want_us() -> None:
    both = pair()
    both.left.session.start(both.now)
    both.left.session.connected(both.now)
    both.cut()
    down = the_down(both.left.events)
    assert not down.was_established
    assert down.failure.reason == "ConnectionClosed"
    assert "is neighbour 192.0.2.10 in AS 65100 configured there" in down.failure.message


def test_a_rebirth_set_later_holds_for_the_next_connection() -> None:
    made = session(rebirth=Rebirth(restarting=True))
    made.accepted(NOW)
    made.rebirth = Rebirth()
    assert made.data_to_send() == golden(restart="c258")
    made.stop(NOW, None)
    made.accepted(NOW)
    assert made.data_to_send() == golden()


def test_a_speaker_and_its_switch_may_differ_in_everything_negotiable() -> None:
    theirs = replace(switch_of(SPEAKER), hold_time=9, families=(Family.IPV6,), restart_time=0)
    both = pair(right=theirs)
    both.connect()
    agreed = both.left.session.negotiated
    assert (agreed.hold_time, agreed.keepalive, agreed.families) == (9, 3, (Family.IPV6,))
    assert agreed.graceful_restart is None
    assert not agreed.notification
    both.advance(1000)
    assert (both.left.downs, both.right.downs) == ([], [])


def test_events_that_are_wrong_in_a_state_are_our_own_mistake() -> None:
    made = established()
    for call in (made.start, made.accepted, made.connected):
        with pytest.raises(LocalError):
            call(NOW)
    assert made.state is State.ESTABLISHED
    assert drain(made) == []


def test_down_is_the_last_that_is_heard_of_a_connection() -> None:
    made = accepted()
    events = feed(made, THEIRS, Keepalive(), ANNOUNCEMENT, RESET, ANNOUNCEMENT)
    assert [type(event) for event in events] == [Opened, Up, Received, Down]
