"""UPDATEs and other messages that no peer should send, and what RFC 7606 has us do about each.

The peer is in AS 65001, external, with AS numbers of four octets; it speaks IPv4 and IPv6 unicast.
"""

from __future__ import annotations

from typing import NamedTuple

MARKER = b"\xff" * 16
OPTIONAL, TRANSITIVE, WELL_KNOWN = 0x80, 0xC0, 0x40
NLRI = bytes.fromhex("18 0a4d00")  # 10.77.0.0/24
NLRI6 = bytes.fromhex("40 fd00007700000000")  # fd00:77::/64
NEXT_HOP6 = bytes.fromhex("fd000018000000000000000000000001")


class Fatal(NamedTuple):
    """A whole message after which only the end of the session is safe, and the NOTIFICATION for it."""

    message: bytes
    code: int
    subcode: int


def message(kind: int, body: bytes, *, size: int | None = None, marker: bytes = MARKER) -> bytes:
    return marker + (19 + len(body) if size is None else size).to_bytes(2, "big") + bytes((kind,)) + body


def attribute(flags: int, code: int, value: bytes, *, size: int | None = None) -> bytes:
    return bytes((flags, code, len(value) if size is None else size)) + value


def update(*attributes: bytes, nlri: bytes = NLRI, withdrawn: bytes = b"") -> bytes:
    joined = b"".join(attributes)
    body = len(withdrawn).to_bytes(2, "big") + withdrawn + len(joined).to_bytes(2, "big") + joined + nlri
    return message(2, body)


ORIGIN = attribute(WELL_KNOWN, 1, b"\x00")
AS_PATH = attribute(WELL_KNOWN, 2, bytes.fromhex("02 01 0000fde9"))
NEXT_HOP = attribute(WELL_KNOWN, 3, bytes.fromhex("c6120001"))
PATH = (ORIGIN, AS_PATH, NEXT_HOP)
REACH6 = attribute(OPTIONAL, 14, bytes.fromhex("0002 01 10") + NEXT_HOP6 + b"\x00" + NLRI6)


def beside(flags: int, code: int, value: bytes, *, size: int | None = None) -> bytes:
    """A good path, and one more attribute."""
    return update(*PATH, attribute(flags, code, value, size=size))


def origin(flags: int, value: bytes) -> bytes:
    return update(attribute(flags, 1, value), AS_PATH, NEXT_HOP)


def as_path(value: bytes, flags: int = WELL_KNOWN) -> bytes:
    return update(ORIGIN, attribute(flags, 2, value), NEXT_HOP)


def next_hop(value: bytes, flags: int = WELL_KNOWN) -> bytes:
    return update(ORIGIN, AS_PATH, attribute(flags, 3, value))


BORNE: dict[str, bytes] = {
    "ORIGIN: unknown value": origin(WELL_KNOWN, b"\x03"),
    "ORIGIN: empty": origin(WELL_KNOWN, b""),
    "ORIGIN: two octets": origin(WELL_KNOWN, b"\x00\x00"),
    "ORIGIN: flagged optional": origin(TRANSITIVE, b"\x00"),
    "ORIGIN: flagged non-transitive": origin(0, b"\x00"),
    "ORIGIN: missing": update(AS_PATH, NEXT_HOP),
    "ORIGIN: twice": update(*PATH, ORIGIN),
    "AS_PATH: flagged optional": as_path(bytes.fromhex("02 01 0000fde9"), TRANSITIVE),
    "AS_PATH: segment of type 0": as_path(bytes.fromhex("00 01 0000fde9")),
    "AS_PATH: segment of type 9": as_path(bytes.fromhex("09 01 0000fde9")),
    "AS_PATH: segment runs past the end": as_path(bytes.fromhex("02 02 0000fde9")),
    "AS_PATH: an octet is left": as_path(bytes.fromhex("02 01 0000fde9 02")),
    "AS_PATH: segment without AS numbers": as_path(bytes.fromhex("02 00")),
    "AS_PATH: AS number 0": as_path(bytes.fromhex("02 01 00000000")),
    "AS_PATH: AS numbers of two octets": as_path(bytes.fromhex("02 01 fde9")),
    "AS_PATH: missing": update(ORIGIN, NEXT_HOP),
    "AS_PATH: empty from an external peer": as_path(b""),
    "NEXT_HOP: empty": next_hop(b""),
    "NEXT_HOP: three octets": next_hop(b"\xc6\x12\x00"),
    "NEXT_HOP: sixteen octets": next_hop(NEXT_HOP6),
    "NEXT_HOP: 0.0.0.0": next_hop(bytes(4)),
    "NEXT_HOP: multicast": next_hop(bytes.fromhex("e0000001")),
    "NEXT_HOP: broadcast": next_hop(b"\xff\xff\xff\xff"),
    "NEXT_HOP: flagged optional": next_hop(bytes.fromhex("c6120001"), TRANSITIVE),
    "NEXT_HOP: missing": update(ORIGIN, AS_PATH),
    "MED: three octets": beside(OPTIONAL, 4, bytes(3)),
    "MED: empty": beside(OPTIONAL, 4, b""),
    "MED: flagged transitive": beside(TRANSITIVE, 4, bytes(4)),
    "LOCAL_PREF: three octets": beside(WELL_KNOWN, 5, bytes(3)),
    "LOCAL_PREF: flagged optional": beside(TRANSITIVE, 5, bytes(4)),
    "ATOMIC_AGGREGATE: not empty": beside(WELL_KNOWN, 6, b"\x00"),
    "ATOMIC_AGGREGATE: flagged optional": beside(TRANSITIVE, 6, b""),
    "AGGREGATOR: two octets of AS number": beside(TRANSITIVE, 7, bytes.fromhex("fde9 c6120001")),
    "AGGREGATOR: empty": beside(TRANSITIVE, 7, b""),
    "AGGREGATOR: AS number 0": beside(TRANSITIVE, 7, bytes.fromhex("00000000 c6120001")),
    "COMMUNITIES: three octets": beside(TRANSITIVE, 8, bytes(3)),
    "COMMUNITIES: empty": beside(TRANSITIVE, 8, b""),
    "COMMUNITIES: flagged well-known": beside(WELL_KNOWN, 8, bytes(4)),
    "COMMUNITIES: twice": update(*PATH, attribute(TRANSITIVE, 8, bytes(4)), attribute(TRANSITIVE, 8, bytes(4))),
    "ORIGINATOR_ID: three octets": beside(OPTIONAL, 9, bytes(3)),
    "CLUSTER_LIST: three octets": beside(OPTIONAL, 10, bytes(3)),
    "CLUSTER_LIST: empty": beside(OPTIONAL, 10, b""),
    "EXTENDED COMMUNITIES: seven octets": beside(TRANSITIVE, 16, bytes(7)),
    "EXTENDED COMMUNITIES: empty": beside(TRANSITIVE, 16, b""),
    "AS4_PATH: from a peer that needs none": beside(TRANSITIVE, 17, bytes.fromhex("02 01 0000fde9")),
    "AS4_PATH: broken": beside(TRANSITIVE, 17, b"\x02"),
    "AS4_AGGREGATOR: from a peer that needs none": beside(TRANSITIVE, 18, bytes(8)),
    "IPV6 EXTENDED COMMUNITIES: nineteen octets": beside(TRANSITIVE, 25, bytes(19)),
    "LARGE COMMUNITIES: eleven octets": beside(TRANSITIVE, 32, bytes(11)),
    "LARGE COMMUNITIES: empty": beside(TRANSITIVE, 32, b""),
    "LARGE COMMUNITIES: one twice": beside(TRANSITIVE, 32, bytes(24)),
    "unknown: optional and transitive": beside(TRANSITIVE, 200, b"\x01\x02"),
    "unknown: optional and non-transitive": beside(OPTIONAL, 201, b""),
    "unknown: reserved flag bits": beside(TRANSITIVE | 0x0F, 202, b"\x01"),
    "list: an attribute runs past the end": beside(TRANSITIVE, 8, bytes(4), size=40),
    "list: an octet is left": update(*PATH, b"\xc0"),
    "list: two octets are left": update(*PATH, b"\xc0\x08"),
    "list: extended length cut off": update(*PATH, b"\xd0\x08\x00"),
    "list: a path without prefixes": update(*PATH, nlri=b""),
    "prefix: withdrawn and announced": update(*PATH, withdrawn=NLRI),
    "prefix: bits behind its length": update(*PATH, nlri=bytes.fromhex("18 0a4dff")),
    "prefix: 0.0.0.0/0": update(*PATH, nlri=b"\x00"),
    "prefix: withdrawn but never announced": message(2, b"\x00\x04" + NLRI + b"\x00\x00"),
    "MP_REACH_NLRI: a family that nobody asked for": update(
        ORIGIN, AS_PATH, attribute(OPTIONAL, 14, bytes.fromhex("4004 47 04 c6120001 00 00")), nlri=b""
    ),
    "MP_REACH_NLRI: next hop is multicast": update(
        ORIGIN, AS_PATH, attribute(OPTIONAL, 14, bytes.fromhex("0002 01 10 ff02" + "00" * 14 + "00") + NLRI6), nlri=b""
    ),
    "MP_REACH_NLRI: without ORIGIN": update(AS_PATH, REACH6, nlri=b""),
    "MP_UNREACH_NLRI: a family that nobody asked for": update(
        attribute(OPTIONAL, 15, bytes.fromhex("4004 47 00")), nlri=b""
    ),
    "several faults at once": update(attribute(WELL_KNOWN, 1, b"\x07"), attribute(TRANSITIVE, 8, b"\x01")),
}
"""Bad, and still no reason to end a session."""

FATAL: dict[str, Fatal] = {
    "header: marker": Fatal(message(4, b"", marker=b"\x00" + MARKER[1:]), 1, 1),
    "header: length 18": Fatal(message(4, b"", size=18), 1, 2),
    "header: KEEPALIVE with a body": Fatal(message(4, b"\x00"), 1, 2),
    "header: UPDATE of 22 octets": Fatal(message(2, bytes(3)), 1, 2),
    "header: NOTIFICATION of 20 octets": Fatal(message(3, b"\x06"), 1, 2),
    "header: type 0": Fatal(message(0, b""), 1, 3),
    "header: type 77": Fatal(message(77, b""), 1, 3),
    "fields: withdrawn routes run past the end": Fatal(message(2, b"\x00\x09" + bytes(6)), 3, 1),
    "fields: attributes run past the end": Fatal(message(2, b"\x00\x00\x00\x09" + ORIGIN), 3, 1),
    "prefix: length 33": Fatal(update(*PATH, nlri=bytes.fromhex("21 0a4d000000")), 3, 10),
    "prefix: cut off": Fatal(update(*PATH, nlri=bytes.fromhex("18 0a4d")), 3, 10),
    "prefix: withdrawn, length 255": Fatal(message(2, bytes.fromhex("0002 ff0a 0000")), 3, 10),
    "unknown: well-known": Fatal(beside(WELL_KNOWN, 99, b"\x00"), 3, 2),
    "MP_REACH_NLRI: four octets": Fatal(
        update(ORIGIN, AS_PATH, attribute(OPTIONAL, 14, bytes.fromhex("0002 01 00")), nlri=b""), 3, 9
    ),
    "MP_REACH_NLRI: next hop of four octets": Fatal(
        update(ORIGIN, AS_PATH, attribute(OPTIONAL, 14, bytes.fromhex("0002 01 04 c6120001 00") + NLRI6), nlri=b""),
        3,
        9,
    ),
    "MP_REACH_NLRI: next hop runs past the end": Fatal(
        update(ORIGIN, AS_PATH, attribute(OPTIONAL, 14, bytes.fromhex("0002 01 10 fd00")), nlri=b""), 3, 9
    ),
    "MP_REACH_NLRI: twice": Fatal(update(ORIGIN, AS_PATH, REACH6, REACH6, nlri=b""), 3, 1),
    "MP_REACH_NLRI: flagged transitive": Fatal(
        update(ORIGIN, AS_PATH, bytes((TRANSITIVE,)) + REACH6[1:], nlri=b""), 3, 4
    ),
    "MP_REACH_NLRI: runs past the end": Fatal(
        update(ORIGIN, AS_PATH, REACH6[:2] + b"\xff" + REACH6[3:], nlri=b""), 3, 1
    ),
    "MP_UNREACH_NLRI: two octets": Fatal(update(attribute(OPTIONAL, 15, b"\x00\x02"), nlri=b""), 3, 9),
    "list: a fault without prefixes": Fatal(update(attribute(WELL_KNOWN, 1, b"\x07"), nlri=b""), 3, 6),
    "OPEN: a second one": Fatal(message(1, bytes.fromhex("04 fde9 005a c6120001 00")), 5, 3),
    "ROUTE-REFRESH: three octets": Fatal(message(5, bytes(3)), 7, 1),
}
