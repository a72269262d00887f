"""Inputs made of others: bytes with wounds, and JSON texts with other values in some of their places."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

LARGEST = 1 << 16
"""Bytes of an input."""
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 15, 16, 253, 254, 65535, 65536, 1 << 32, 1 << 64, -(1 << 63), 0.5, -0.0, 1e300,
    "", " ", "0", "-1", "1.0.0", "\0", "\n", "\ud800", "\u202e", "a/b", "../..", "%s", "x" * 300, "9" * 5000, "1e9",
    "192.0.2.1", "192.0.2.1/24", "255.255.255.255/32", "0.0.0.0/0", "::", "fe80::1%eth0", "::ffff:192.0.2.1",
    "10.0.0.0/8", [], {}, [None], [[]], {"": None}, {"a": {"a": {}}}, [0] * 300,
)  # fmt: skip
SPLICES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"{", b"}", b"[" * 3000, b'{"a":' * 3000, b'"',
    b"\\u0000", b"9" * 5000, b"1e99999", b"NaN", b"-Infinity", b"---\n", b"!!int ", b"!!timestamp ", b"&a *a", b"<<: ",
    b"\x7f", b"=", b";",
)  # fmt: skip


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One more input, from `data` and parts of `others`; the same for the same `rng`."""
    if rng.random() < 0.6 and (document := _parsed(data)) is not None:
        for _ in range(rng.randint(1, 3)):
            document = _changed(rng, document, [_parsed(other) for other in rng.sample(others, min(2, len(others)))])
            if not isinstance(document, dict | list):
                break
        data = json.dumps(document).encode()
        if rng.random() < 0.8:
            return data[:LARGEST]
    return _wounded(rng, data, others)[:LARGEST]


def _parsed(data: bytes) -> Any:
    """None for what is no JSON object or list."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list) else None


def _changed(rng: random.Random, document: Any, others: Sequence[Any]) -> Any:
    """With one value replaced, removed or repeated, or a key renamed."""
    places = _places(document)
    if not places:
        return _copy(rng.choice(ODD))
    holder, key = rng.choice(places)
    match rng.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("", key + "x", key.upper(), "\ud800", "0"))] = holder.pop(key)
        case 2:
            found = [place for other in others if other is not None for place in _places(other)] or places
            donor, where = rng.choice(found)
            holder[key] = _copy(donor[where])
        case 3 if isinstance(holder, list):
            holder += [holder[key]] * rng.randint(1, 20)
        case _:
            holder[key] = _copy(rng.choice(ODD))
    return document


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _places(document: Any) -> list[tuple[Any, Any]]:
    """(object or list, key or index) of every value below the top."""
    found, waiting = [], [document]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def _wounded(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    body = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(body))
        end = min(start + rng.randint(1, 16), len(body))
        match rng.randrange(7):
            case 0 if start < len(body):
                body[start] ^= 1 << rng.randrange(8)
            case 1 if start < len(body):
                body[start] = rng.choice((0, 1, 2, 4, 127, 128, 254, 255))
            case 2:
                del body[start:end]
            case 3:
                body[start:start] = rng.randbytes(rng.randint(1, 8))
            case 4:
                body[start:start] = body[start:end] * rng.randint(1, 30)
            case 5 if others:
                other = rng.choice(others)
                body[start:] = other[rng.randint(0, len(other)) :]
            case _:
                body[start:start] = rng.choice(SPLICES)
    return bytes(body)
