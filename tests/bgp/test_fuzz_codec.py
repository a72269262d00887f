"""Whatever the bytes: they decode, or they are the peer's error, and neither costs more than the message did.

`TERWAY_EDGE_FULL=1` runs a million damaged messages instead of twenty thousand; a failure names its case.
"""

from __future__ import annotations

import os
import random
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import LocalError, ProtocolError
from terway_edge.backends.bgp.messages import Attribute, Notification, Path, Segment, Update
from terway_edge.backends.bgp.updates import join
from terway_edge.core.addresses import Address, Prefix
from tests.bgp import strategies
from tests.bgp.golden import GOLDEN

CASES = 1_000_000 if os.environ.get("TERWAY_EDGE_FULL") == "1" else 20_000
SEED = 4271

kinds = st.integers(1, 5)


def whole(kind: int, body: bytes) -> bytes:
    return b"\xff" * 16 + (19 + len(body)).to_bytes(2, "big") + bytes((kind,)) + body


def octets_in(value: object) -> int:
    """Octets that a decoded value needs on the wire at the least; only plain values may be in it."""
    match value:
        case bytes():
            assert type(value) is bytes  # a view would keep all that was received alive
            return len(value)
        case Prefix():
            return 1 + (value.length + 7) // 8
        case Segment():
            return 2 + 2 * len(value.asns)
        case tuple():
            return sum(map(octets_in, value))
        case _ if is_dataclass(value):
            return sum(octets_in(getattr(value, field.name)) for field in fields(value) if field.name != "faults")
        case _:
            return 0


def check(data: bytes, *, four_octet: bool) -> bool:
    """True if `data` was accepted. What was accepted without faults must come through again unchanged."""
    try:
        message = codec.decode(data, four_octet=four_octet)
    except ProtocolError as error:
        codec.encode(Notification(error.code, error.subcode, error.data))
        return False
    assert octets_in(message) <= len(data)
    assert sum(map(len, getattr(message, "faults", ()))) < 1000
    try:
        again = codec.encode(message, four_octet=four_octet, limit=codec.MAX_EXTENDED)
    except LocalError:
        return True  # we never say it, but we understand it
    assert codec.decode(again, four_octet=four_octet) == message
    return True


@settings(max_examples=1000)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes(data, four_octet):
    check(data, four_octet=four_octet)


@settings(max_examples=1000)
@given(kinds, st.binary(max_size=80), st.booleans())
@example(5, bytes(65516), True)
def test_any_body_behind_a_right_header(kind, body, four_octet):
    check(whole(kind, body), four_octet=four_octet)


@pytest.mark.slow
@settings(max_examples=1000)
@given(strategies.messages(), st.data(), st.booleans())
def test_a_real_message_with_a_few_octets_changed(message, data, four_octet):
    wire = bytearray(codec.encode(message, limit=codec.MAX_EXTENDED))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(18, len(wire) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(wire), four_octet=four_octet)


def drain(buffer: codec.Buffer) -> tuple[bytes, bool]:
    """What can be taken, and whether the stream can go on."""
    taken = b""
    try:
        while (message := buffer.next_message()) is not None:
            taken += message
    except ProtocolError:
        return taken, False
    return taken, True


@settings(max_examples=300)
@given(strategies.messages(), st.lists(st.binary(max_size=60), max_size=5))
def test_any_stream_gives_its_messages_until_it_is_out_of_step(message, chunks):
    buffer, first = codec.Buffer(codec.MAX_EXTENDED), codec.encode(message, limit=codec.MAX_EXTENDED)
    received, taken, goes_on = b"", b"", True
    for chunk in [first, *chunks]:
        buffer.receive(chunk)
        received += chunk
        more, goes_on = drain(buffer)
        taken += more
        assert len(buffer) == (len(received) - len(taken) if goes_on else 0)
    assert received.startswith(taken)
    assert taken.startswith(first)


def seeds() -> list[bytes]:
    """Real messages: the golden ones, and UPDATEs that are rich in attributes."""
    others = (Attribute(0x40, 6, b""), Attribute(0x80, 9, bytes(4)), Attribute(0xC0, 16, bytes(16)))
    path = Path(
        as_path=(Segment((65001, 4200000001)), Segment((1, 2, 3), is_set=True)),
        next_hop=Address.parse("192.0.2.1"),
        mp_next_hop=Address.parse("fd00::1"),
        med=7,
        local_pref=100,
        communities=(1, 2),
        large_communities=((1, 2, 3),),
        others=others,
    )
    announced = [Prefix(4, n << 12, 20) for n in range(1, 9)] + [Prefix(6, n << 96, 32) for n in range(1, 5)]
    withdrawn = (Prefix(4, 0, 0), Prefix(6, 0, 0))
    rich = Update(tuple(announced), withdrawn, path)
    return [
        *(wire for _, wire in GOLDEN.values()),
        *(codec.encode(rich, four_octet=four_octet) for four_octet in (True, False)),
    ]


def fields_of(wire: bytes) -> list[bytes]:
    """The fields whose lengths stand outside of them."""
    kind, body = wire[18], wire[19:]
    if kind == 2:
        middle = 2 + int.from_bytes(body[:2], "big")
        end = middle + 2 + int.from_bytes(body[middle : middle + 2], "big")
        return [body[2:middle], body[middle + 2 : end], body[end:]]
    return [body[:9], body[12:]] if kind == 1 else [body]


def assembled(kind: int, found: list[bytes]) -> bytes:
    """A message whose lengths are right, so that its fields are looked at."""
    if kind == 2:
        return whole(kind, join(*found))
    if kind == 1:
        size = min(len(found[1]), 253)
        return whole(kind, found[0] + bytes((size + 2, 2, size)) + found[1][:size])
    return whole(kind, found[0])


def wounded(rng: random.Random, field: bytes, others: list[bytes]) -> bytes:
    body = bytearray(field)
    for _ in range(rng.randint(1, 3)):
        start = rng.randint(0, len(body))
        match rng.randrange(6):
            case 0 if start < len(body):
                body[start] ^= 1 << rng.randrange(8)
            case 1 if start < len(body):
                body[start] = rng.choice((0, 1, 2, 4, 14, 15, 16, 17, 33, 127, 128, 129, 255))
            case 2:
                del body[start : start + rng.randint(1, 8)]
            case 3:
                body[start:start] = rng.randbytes(rng.randint(1, 8))
            case 4:
                other = rng.choice(others)
                body[start:] = other[rng.randint(0, len(other)) :]
            case 5:
                body[start:start] = body[start : start + rng.randint(1, 30)]
    return bytes(body)


def damaged(rng: random.Random, known: list[bytes]) -> bytes:
    """Random bytes behind a right header, or a real message with wounds, most often in one field of it."""
    chance = rng.random()
    if chance < 0.1:
        return whole(rng.randint(1, 5), rng.randbytes(rng.randint(0, 60)))
    wire = rng.choice(known)
    if chance < 0.2:
        return wounded(rng, wire, known)
    kind = wire[18]
    if chance < 0.3:
        return whole(rng.randrange(7), wounded(rng, wire[19:], known))
    found = fields_of(wire)
    at = rng.randrange(len(found))
    found[at] = wounded(rng, found[at], [field for other in known if other[18] == kind for field in fields_of(other)])
    return assembled(kind, found)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_damaged_messages():
    known, accepted, case = seeds(), 0, 0
    try:
        for case in range(CASES):
            rng = random.Random(f"{SEED} {case}")
            accepted += check(damaged(rng, known), four_octet=rng.random() < 0.5)
    except Exception:
        print(f"seed {SEED}, case {case}: random.Random('{SEED} {case}')")
        raise
    assert CASES // 20 < accepted < CASES * 19 // 20, "nearly all went one way: the wounds are not telling"
