"""Netlink messages and attributes as bytes (linux/netlink.h): every message and every attribute is a length, a type
and a payload padded to four bytes, in host byte order."""

from __future__ import annotations

from collections.abc import Container, Iterator
from struct import Struct

from terway_edge.kernel.uapi import NLA_TYPE_MASK

HEADER = Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence number, port id of the sender."""
ATTRIBUTE = Struct("=HH")
"""nlattr: length without padding, type."""
IFINFO = Struct("=BxHiII")
"""ifinfomsg: family, hardware type, index, flags, change mask."""
IFADDR = Struct("=BBBBI")
"""ifaddrmsg: family, prefix length, flags, scope, index."""
NDMSG = Struct("=BxxxiHBB")
"""ndmsg: family, index, state, flags, type."""
RTMSG = Struct("=BBBBBBBBI")
"""rtmsg: family, dst length, src length, tos, table, protocol, scope, type, flags. fib_rule_hdr has the same shape:
family, dst length, src length, tos, table, two reserved, action, flags."""
U32 = Struct("=I")
_U32_ATTRIBUTE = Struct("=HHI")


def attribute(kind: int, payload: bytes) -> bytes:
    size = 4 + len(payload)
    return ATTRIBUTE.pack(size, kind) + payload + bytes(-size % 4)


def number(kind: int, value: int) -> bytes:
    """An attribute of 32 bits."""
    return _U32_ATTRIBUTE.pack(8, kind, value)


def text(kind: int, value: str) -> bytes:
    """A string attribute, with its final NUL."""
    return attribute(kind, value.encode() + b"\0")


def nest(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind, b"".join(attributes))


def message(kind: int, flags: int, seq: int, body: bytes) -> bytes:
    """A whole request; the kernel fills in our port id."""
    return HEADER.pack(16 + len(body), kind, flags, seq, 0) + body


def attributes(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """(type without flag bits, payload) of the attributes between two offsets."""
    while at + 4 <= end:
        size, kind = ATTRIBUTE.unpack_from(data, at)
        yield kind & NLA_TYPE_MASK, data[at + 4 : at + size]
        at += size + 3 & ~3 or 4


def chosen(data: bytes, at: int, end: int, kinds: Container[int]) -> dict[int, bytes]:
    """The payloads of attributes of these types, by type; a link has some fifty, and few of them matter."""
    found = {}
    unpack = ATTRIBUTE.unpack_from
    while at + 4 <= end:
        size, kind = unpack(data, at)
        kind &= NLA_TYPE_MASK
        if kind in kinds:
            found[kind] = data[at + 4 : at + size]
        at += size + 3 & ~3 or 4
    return found


def string(payload: bytes) -> str:
    """Text of a string attribute; what others wrote need not be UTF-8."""
    return payload.rstrip(b"\0").decode(errors="replace")
