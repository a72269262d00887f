"""Every message survives the wire; golden bytes, the header's errors, and the stream that messages come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import LocalError, ProtocolError
from terway_edge.backends.bgp.messages import (
    Keepalive,
    Notification,
    Open,
    RouteRefresh,
)
from tests.bgp import strategies
from tests.bgp.golden import GOLDEN

MARKER = "ff" * 16


def whole(kind: int, body: bytes) -> bytes:
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + bytes((kind,)) + body


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_bytes_are_written_and_read(name):
    message, wire = GOLDEN[name]
    assert codec.encode(message).hex(" ") == wire.hex(" ")
    assert codec.decode(wire) == message


@given(strategies.messages())
def test_every_message_survives_the_wire(message):
    assert codec.decode(codec.encode(message, limit=codec.MAX_EXTENDED)) == message


@given(strategies.messages(four_octet=False))
def test_every_message_survives_a_wire_of_two_octet_as_numbers(message):
    wire = codec.encode(message, four_octet=False, limit=codec.MAX_EXTENDED)
    assert codec.decode(wire, four_octet=False) == message


@pytest.mark.parametrize(
    ("wire", "subcode", "data"),
    [
        pytest.param(b"\xff" * 15 + b"\0" + b"\0\x13\x04", 1, b"", id="marker"),
        pytest.param(b"\xff" * 16 + b"\0\x12\x04", 2, b"\0\x12", id="shorter than a header"),
        pytest.param(b"\xff" * 16 + b"\x10\x01\x02", 2, b"\x10\x01", id="longer than the limit"),
        pytest.param(b"\xff" * 16 + b"\x10\x01\x09", 2, b"\x10\x01", id="longer than the limit, of any type"),
        pytest.param(b"\xff" * 16 + b"\0\x13\x00", 3, b"\0", id="type 0"),
        pytest.param(b"\xff" * 16 + b"\0\x13\x06", 3, b"\x06", id="type 6"),
        pytest.param(b"\xff" * 16 + b"\0\x1c\x01", 2, b"\0\x1c", id="short OPEN"),
        pytest.param(b"\xff" * 16 + b"\0\x16\x02", 2, b"\0\x16", id="short UPDATE"),
        pytest.param(b"\xff" * 16 + b"\0\x14\x03", 2, b"\0\x14", id="short NOTIFICATION"),
        pytest.param(b"\xff" * 16 + b"\0\x14\x04", 2, b"\0\x14", id="long KEEPALIVE"),
    ],
)
def test_errors_of_the_header_tell_the_erroneous_field(wire, subcode, data):
    buffer = codec.Buffer()
    buffer.receive(wire)
    with pytest.raises(ProtocolError) as error:
        buffer.next_message()
    assert (error.value.code, error.value.subcode, error.value.data) == (1, subcode, data)


@pytest.mark.parametrize("wire", [b"", b"\xff" * 18, whole(4, b"")[:-1], whole(2, b"\0\0\0\0") + b"\0"])
def test_decode_takes_one_whole_message_and_nothing_else(wire):
    with pytest.raises(ProtocolError) as error:
        codec.decode(wire)
    assert (error.value.code, error.value.subcode) == (1, 2)


@given(st.lists(strategies.messages(), min_size=1, max_size=4), st.data())
def test_a_stream_cut_anywhere_gives_the_same_messages(messages, data):
    sent = [codec.encode(message, limit=codec.MAX_EXTENDED) for message in messages]
    stream, buffer, got = b"".join(sent), codec.Buffer(codec.MAX_EXTENDED), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        buffer.receive(stream[:size])
        stream = stream[size:]
        while (message := buffer.next_message()) is not None:
            got.append(message)
    assert got == sent
    assert len(buffer) == 0


def test_extended_messages_are_taken_only_when_they_were_negotiated_and_never_as_an_open():
    update = whole(2, b"\0\0\0\0" + b"\x08\x0a" * 3000)
    buffer = codec.Buffer()
    buffer.limit = codec.MAX_EXTENDED
    buffer.receive(update)
    assert buffer.next_message() == update
    buffer.receive(whole(1, bytes(4078)))
    with pytest.raises(ProtocolError) as error:
        buffer.next_message()
    assert (error.value.code, error.value.subcode, error.value.data) == (1, 2, b"\x10\x01")


def test_a_buffer_holds_no_more_than_a_message_and_one_receive():
    buffer, message = codec.Buffer(), whole(3, bytes(4077))
    stream = message * 50
    for start in range(0, len(stream), 1000):
        buffer.receive(stream[start : start + 1000])
        while buffer.next_message() is not None:
            pass
        assert len(buffer) < codec.MAX_SIZE
    buffer.receive(message)
    with pytest.raises(LocalError):
        buffer.receive(b"\xff")


def test_a_stream_out_of_step_is_dropped_and_stays_an_error():
    buffer = codec.Buffer()
    buffer.receive(bytes(5000))
    for _ in range(2):
        with pytest.raises(ProtocolError):
            buffer.next_message()
        buffer.receive(codec.encode(Keepalive()))
        assert len(buffer) == 0


def open_body(*, version=4, asn=65001, hold_time=90, router_id=1, parameters="00"):
    head = bytes((version,)) + asn.to_bytes(2, "big") + hold_time.to_bytes(2, "big") + router_id.to_bytes(4, "big")
    return whole(1, head + bytes.fromhex(parameters))


@pytest.mark.parametrize(
    ("wire", "subcode", "data"),
    [
        pytest.param(open_body(version=3), 1, b"\0\x04", id="version 3"),
        pytest.param(open_body(version=5), 1, b"\0\x04", id="version 5"),
        pytest.param(open_body(asn=0), 2, b"", id="AS number 0"),
        pytest.param(open_body(hold_time=1), 6, b"", id="hold time 1"),
        pytest.param(open_body(hold_time=2), 6, b"", id="hold time 2"),
        pytest.param(open_body(router_id=0), 3, b"", id="router id 0"),
    ],
)
def test_an_open_that_cannot_be_accepted_says_why(wire, subcode, data):
    with pytest.raises(ProtocolError) as error:
        codec.decode(wire)
    assert (error.value.code, error.value.subcode, error.value.data) == (2, subcode, data)


@pytest.mark.parametrize("hold_time", [0, 3, 65535])
def test_hold_times_0_and_3_or_more_are_accepted(hold_time):
    assert codec.decode(open_body(hold_time=hold_time)) == Open(65001, hold_time, 1)


def test_a_route_refresh_of_another_length_quotes_itself_as_far_as_it_fits():
    for size in (0, 3, 5, 6000):
        wire = whole(5, bytes(size))
        with pytest.raises(ProtocolError) as error:
            codec.decode(wire)
        assert (error.value.code, error.value.subcode, error.value.data) == (7, 1, wire[:4075])
        assert len(codec.encode(Notification(7, 1, error.value.data))) <= codec.MAX_SIZE


@pytest.mark.parametrize("body", ["0001 00 02", "0003 00 01", "0001 01 01", "0002 02 01", "0001 ff 01"])
def test_a_route_refresh_that_asks_for_nothing_of_ours_names_no_family(body):
    assert codec.decode(whole(5, bytes.fromhex(body))) == RouteRefresh(None)


@pytest.mark.parametrize(
    "message",
    [
        Open(0, 90, 1),
        Open(65536, 90, 1),
        Open(1, 2, 1),
        Open(1, 65536, 1),
        Open(1, 90, 0),
        Open(1, 90, 1 << 32),
        Notification(256),
        Notification(1, -1),
        Notification(6, 2, bytes(4076)),
        RouteRefresh(None),
    ],
)
def test_what_cannot_be_said_is_refused(message):
    with pytest.raises(LocalError):
        codec.encode(message)


def test_the_limit_counts_the_whole_message():
    message = Notification(6, 2, bytes(100))
    assert len(codec.encode(message, limit=121)) == 121
    with pytest.raises(LocalError, match="NOTIFICATION of 121 octets; 120 are allowed"):
        codec.encode(message, limit=120)
    with pytest.raises(LocalError):
        codec.encode(Notification(6, 2, bytes(65536)), limit=1 << 20)


def test_an_update_is_framed_from_encoded_fields():
    assert codec.frame_update(b"\x00", b"\x40\x01\x01\x00", b"\x08\x0a").hex() == (
        MARKER + "001e" + "02" + "000100" + "000440010100" + "080a"
    )
    with pytest.raises(LocalError):
        codec.frame_update(b"", b"", bytes(65513))
