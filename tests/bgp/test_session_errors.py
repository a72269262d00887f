"""A peer that breaks the protocol, or refuses what we say: the right answer, and never an exception."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.events import Down, Received, Up
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import (
    Capabilities,
    Family,
    Keepalive,
    Message,
    Notification,
    Open,
    RouteRefresh,
    Update,
)
from terway_edge.backends.bgp.negotiation import Offer
from terway_edge.backends.bgp.session import Session
from terway_edge.core.addresses import Prefix
from tests.bgp.sessions import BOTH, NOW, SPEAKER, THEIRS, accepted, drain, established, feed, sent, session, the_down

KEEPALIVE = codec.encode(Keepalive())
WITHDRAWAL = Update(withdrawn=(Prefix.parse("10.1.0.0/24"),))
BAD_UPDATE = codec.encode(WITHDRAWAL)[:19] + b"\xff\xff" + codec.encode(WITHDRAWAL)[21:]
BAD_OPEN = codec.encode(THEIRS)[:19] + b"\x03" + codec.encode(THEIRS)[20:]
BAD_REFRESH = b"\xff" * 16 + b"\x00\x15\x05" + b"\x00\x01"
BAD_MARKER = b"\x00" * 19
REFRESH = RouteRefresh(Family.IPV4)


def confirming() -> Session:
    made = accepted()
    feed(made, THEIRS)
    made.data_to_send()
    return made


CONNECTED = {State.OPEN_SENT: accepted, State.OPEN_CONFIRM: confirming, State.ESTABLISHED: established}


@pytest.mark.parametrize(
    ("state", "message", "code", "subcode"),
    [
        (State.OPEN_SENT, Keepalive(), 5, 1),
        (State.OPEN_SENT, WITHDRAWAL, 5, 1),
        (State.OPEN_SENT, BAD_UPDATE, 5, 1),
        (State.OPEN_SENT, REFRESH, 5, 1),
        (State.OPEN_SENT, BAD_REFRESH, 5, 1),
        (State.OPEN_SENT, BAD_OPEN, 2, 1),
        (State.OPEN_SENT, BAD_MARKER, 1, 1),
        (State.OPEN_CONFIRM, THEIRS, 5, 2),
        (State.OPEN_CONFIRM, WITHDRAWAL, 5, 2),
        (State.OPEN_CONFIRM, BAD_UPDATE, 5, 2),
        (State.OPEN_CONFIRM, REFRESH, 5, 2),
        (State.OPEN_CONFIRM, BAD_REFRESH, 5, 2),
        (State.OPEN_CONFIRM, BAD_OPEN, 2, 1),
        (State.OPEN_CONFIRM, BAD_MARKER, 1, 1),
        (State.ESTABLISHED, THEIRS, 5, 3),
        (State.ESTABLISHED, BAD_OPEN, 5, 3),
        (State.ESTABLISHED, BAD_UPDATE, 3, 1),
        (State.ESTABLISHED, BAD_REFRESH, 7, 1),
        (State.ESTABLISHED, BAD_MARKER, 1, 1),
        (State.ESTABLISHED, KEEPALIVE[:-1] + b"\x06", 1, 3),
        (State.ESTABLISHED, KEEPALIVE[:16] + b"\x00\x14\x04\x00", 1, 2),
    ],
)
def test_a_fault_is_answered_by_its_code(state: State, message: Message | bytes, code: int, subcode: int) -> None:
    made = CONNECTED[state]()
    down = the_down(feed(made, message, WITHDRAWAL))
    assert (down.failure.code, down.failure.subcode, down.failure.received) == (code, subcode, False)
    assert down.was_established is (state is State.ESTABLISHED)
    [answer] = sent(made)
    assert isinstance(answer, Notification)
    assert (answer.code, answer.subcode) == (code, subcode)
    assert (made.state, made.deadline, made.negotiated) == (State.IDLE, NOW + 1, None)


@pytest.mark.parametrize(
    ("theirs", "code", "subcode", "reason"),
    [
        (replace(THEIRS, asn=64999, capabilities=Capabilities(BOTH)), 2, 2, "OpenBadPeerAS"),
        (
            replace(THEIRS, capabilities=Capabilities(others=((1, b"\0\1\0\x80"),), four_octet_asn=65001)),
            2,
            7,
            "UnsupportedCap",
        ),
    ],
)
def test_an_open_that_does_not_suit_is_refused(theirs: Open, code: int, subcode: int, reason: str) -> None:
    made = accepted()
    events = feed(made, theirs, Keepalive())
    assert the_down(events).failure.reason == reason
    assert len(events) == 1
    [answer] = sent(made)
    assert isinstance(answer, Notification)
    assert (answer.code, answer.subcode) == (code, subcode)


def test_a_hold_time_of_two_seconds_is_refused() -> None:
    made = accepted()
    octets = bytearray(codec.encode(THEIRS))
    octets[22:24] = b"\x00\x02"
    assert the_down(feed(made, bytes(octets))).failure.reason == "UnacceptableHold"


@pytest.mark.parametrize("state", CONNECTED)
@pytest.mark.parametrize("data", [b"\x06\x02", b"\xff\xff", b"\x02\x04\x00\x01\x02", b"\x06\x09\x06", b"\x06\x02\xff"])
def test_no_notification_is_ever_answered(state: State, data: bytes) -> None:
    """However strange its content (RFC 4271, section 6.4)."""
    made = CONNECTED[state]()
    size = (19 + len(data)).to_bytes(2, "big")
    down = the_down(feed(made, b"\xff" * 16 + size + b"\x03" + data))
    assert down.failure.received
    assert made.data_to_send() == b""
    assert made.state is State.IDLE


def test_an_update_with_a_fault_that_can_be_lived_with_is_handed_over() -> None:
    """RFC 7606: here an ORIGIN that does not exist."""
    made = established()
    path = bytes.fromhex("400101 09 400200 400304 c0000201")
    body = b"\0\0" + len(path).to_bytes(2, "big") + path + bytes.fromhex("18 0a0100")
    [event] = feed(made, b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + b"\x02" + body)
    assert isinstance(event, Received)
    assert event.update.withdrawn == (Prefix.parse("10.1.0.0/24"),)
    assert event.update.faults
    assert made.state is State.ESTABLISHED


def long_update(octets: int) -> bytes:
    body = b"\0\0" + (octets - 23).to_bytes(2, "big") + b"\x00" * (octets - 23)
    return b"\xff" * 16 + octets.to_bytes(2, "big") + b"\x02" + body


def test_long_messages_are_read_only_if_we_offered_it_and_after_the_open() -> None:
    made = accepted()
    assert the_down(feed(made, long_update(4097))).failure.code == 1
    offered = established()
    assert [
        event for event in feed(offered, long_update(5000)) if isinstance(event, Down) and event.failure.code == 1
    ] == []
    plain = session()
    plain.offer = Offer.NEEDED
    plain.accepted(NOW)
    feed(plain, THEIRS, Keepalive())
    down = the_down(feed(plain, long_update(4097)))
    assert (down.failure.code, down.failure.subcode) == (1, 2)


def test_the_answer_to_a_long_message_is_a_short_one() -> None:
    """The data of a NOTIFICATION is what was wrong, here 60,000 octets of it."""
    made = established()
    the_down(feed(made, b"\xff" * 16 + (60_000).to_bytes(2, "big") + b"\x05" + bytes(60_000 - 19)))
    answer = made.data_to_send()
    assert len(answer) == 4096
    decoded = codec.decode(answer)
    assert isinstance(decoded, Notification)
    assert (decoded.code, decoded.subcode) == (7, 1)


def refused(made: Session, subcode: int) -> Capabilities:
    """Connects, is refused, and says what had been offered."""
    made.accepted(NOW)
    [ours] = sent(made)
    assert isinstance(ours, Open)
    feed(made, Notification(2, subcode))
    made.stop(NOW, None)
    return ours.capabilities


@pytest.mark.parametrize("subcode", [4, 7])
def test_a_peer_that_refuses_capabilities_is_offered_fewer(subcode: int) -> None:
    made = session()
    everything = refused(made, subcode)
    assert everything.graceful_restart is not None
    assert refused(made, subcode) == Capabilities(BOTH, 65100)
    assert refused(made, subcode) == Capabilities()
    assert refused(made, subcode) == everything


@pytest.mark.parametrize("subcode", [0, 1, 2, 3, 6])
def test_other_refusals_change_no_offer(subcode: int) -> None:
    made = session()
    assert refused(made, subcode) == refused(made, subcode)
    assert made.offer is Offer.ALL


def test_fewer_capabilities_are_remembered_as_long_as_the_session_object() -> None:
    made = session()
    refused(made, 4)
    for _ in range(2):
        made.accepted(NOW)
        events = feed(made, THEIRS, Keepalive())
        assert isinstance(events[-1], Up)
        assert events[-1].negotiated.graceful_restart is None
        made.data_to_send()
        made.stop(NOW, None)


def test_a_refusal_in_established_is_about_something_else() -> None:
    made = established()
    feed(made, Notification(2, 7))
    assert made.offer is Offer.ALL


messages = st.sampled_from(
    [
        codec.encode(THEIRS),
        KEEPALIVE,
        codec.encode(WITHDRAWAL),
        codec.encode(REFRESH),
        codec.encode(Notification(6, 4)),
        BAD_UPDATE,
        BAD_OPEN,
        BAD_REFRESH,
        long_update(5000),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Messages in any order, some octets of them changed."""
    octets = bytearray(b"".join(draw(st.lists(messages, max_size=6))))
    for place, value in draw(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)):
        if octets:
            octets[place % len(octets)] = value
    return bytes(octets)


def in_any_state() -> dict[State, Session]:
    connecting, waiting = session(), session()
    connecting.start(NOW)
    waiting.start(NOW)
    waiting.tick(NOW + 5)
    made = {State.IDLE: session(), State.CONNECT: connecting, State.ACTIVE: waiting}
    return made | {state: build() for state, build in CONNECTED.items()}


@pytest.mark.parametrize("state", State)
@given(data=damaged() | st.binary(max_size=200), chunk=st.integers(1, 4096))
def test_any_octets_in_any_state_end_the_session_or_are_taken_but_never_raise(
    state: State, data: bytes, chunk: int
) -> None:
    made = in_any_state()[state]
    made.data_to_send()
    drain(made)
    events = []
    for start in range(0, len(data), chunk):
        events += feed(made, data[start : start + chunk])
    downs = [event for event in events if isinstance(event, Down)]
    answers = [message for message in sent(made) if isinstance(message, Notification)]
    assert len(downs) <= 1
    if not downs:
        assert made.state not in CONNECTED or made.deadline is not None
        assert (state in CONNECTED) == (made.state in CONNECTED)
        assert answers == []
        return
    [down] = downs
    assert events[-1] is down
    assert made.state is State.IDLE
    assert made.deadline == NOW + 1
    expected = [] if down.failure.received else [(down.failure.code, down.failure.subcode)]
    assert [(answer.code, answer.subcode) for answer in answers] == expected
    assert str(SPEAKER.address) in down.failure.message
    assert down.failure.message.isprintable()
