"""BGP messages as bytes: the header, the five types, and the stream they come in (RFC 4271, sections 4 and 6)."""

from __future__ import annotations

from enum import IntEnum

from terway_edge.backends.bgp import updates
from terway_edge.backends.bgp.capabilities import decode_parameters, encode_parameters
from terway_edge.backends.bgp.errors import Code, LocalError, ProtocolError
from terway_edge.backends.bgp.messages import (
    Family,
    Keepalive,
    Message,
    Notification,
    Open,
    RouteRefresh,
    Update,
)
from terway_edge.backends.bgp.wire import unsigned

HEADER_SIZE = 19
MAX_SIZE = 4096
MAX_EXTENDED = 65535
"""Octets of the longest message if both sides know extended messages (RFC 8654); OPEN and KEEPALIVE stay shorter."""

VERSION = 4
_MARKER = b"\xff" * 16
_NOT_SYNCHRONIZED, _BAD_LENGTH, _BAD_TYPE = 1, 2, 3
_BAD_VERSION, _BAD_PEER_AS, _BAD_ROUTER_ID, _BAD_HOLD_TIME = 1, 2, 3, 6
_BAD_REFRESH_LENGTH = 1


class Kind(IntEnum):
    """Message types; ROUTE-REFRESH is RFC 2918's."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


_LEAST = {Kind.OPEN: 29, Kind.UPDATE: 23, Kind.NOTIFICATION: 21, Kind.KEEPALIVE: 19, Kind.ROUTE_REFRESH: 19}
_MOST = {Kind.OPEN: MAX_SIZE, Kind.KEEPALIVE: 19}


def encode(message: Message, *, four_octet: bool = True, limit: int = MAX_SIZE) -> bytes:
    """The whole message; LocalError if it is longer than `limit` or cannot be said.

    `four_octet`: both sides know AS numbers of four octets (RFC 6793); it matters to UPDATEs only.
    """
    kind, body = _body(message, four_octet)
    size = HEADER_SIZE + len(body)
    most = min(limit, _MOST.get(kind, MAX_EXTENDED))
    if size > most:
        raise LocalError(f"{kind.name} of {size} octets; {most} are allowed")
    return _frame(kind, body)


def frame_update(withdrawn: bytes, attributes: bytes, nlri: bytes) -> bytes:
    """A whole UPDATE of encoded fields, as `attributes` makes them; LocalError if it exceeds MAX_EXTENDED."""
    return _frame(Kind.UPDATE, updates.join(withdrawn, attributes, nlri))


def _frame(kind: Kind, body: bytes) -> bytes:
    return b"%b%b%c%b" % (_MARKER, unsigned(HEADER_SIZE + len(body), 2, "message length"), kind, body)


def _body(message: Message, four_octet: bool) -> tuple[Kind, bytes]:
    match message:
        case Update():
            return Kind.UPDATE, updates.encode_update(message, four_octet=four_octet)
        case Keepalive():
            return Kind.KEEPALIVE, b""
        case Open():
            return Kind.OPEN, _encode_open(message)
        case Notification(code, subcode, data):
            return Kind.NOTIFICATION, unsigned(code, 1, "code") + unsigned(subcode, 1, "subcode") + data
        case RouteRefresh(family):
            return Kind.ROUTE_REFRESH, _encode_refresh(family)


def decode(data: bytes, *, four_octet: bool = True) -> Message:
    """Read one whole message; raises ProtocolError and nothing else, whatever the bytes."""
    if len(data) < HEADER_SIZE or _check_header(data, MAX_EXTENDED) != len(data):
        raise ProtocolError(Code.HEADER, _BAD_LENGTH, f"message of {len(data)} octets", data[16:18])
    body = data[HEADER_SIZE:]
    match Kind(data[18]):
        case Kind.UPDATE:
            return updates.decode_update(body, four_octet=four_octet)
        case Kind.KEEPALIVE:
            return Keepalive()
        case Kind.OPEN:
            return _decode_open(body)
        case Kind.NOTIFICATION:
            return Notification(body[0], body[1], body[2:])
        case Kind.ROUTE_REFRESH:
            return _decode_refresh(body, data)


class Buffer:
    """Cuts a stream into messages. Call `next_message` until None after each `receive`.

    Holds no more than one message and what one `receive` brought. `limit` is MAX_SIZE until extended messages are
    negotiated. After an error the rest of the stream has no meaning and is dropped.
    """

    def __init__(self, limit: int = MAX_SIZE) -> None:
        self.limit = limit
        self._data = bytearray()
        self._error: ProtocolError | None = None

    def __len__(self) -> int:
        """Octets that wait for the rest of their message, or to be taken."""
        return len(self._data)

    def receive(self, data: bytes) -> None:
        """Raises LocalError if a longest message already waits to be taken."""
        if len(self._data) >= self.limit:
            raise LocalError("take the messages received before receiving more")
        if self._error is None:
            self._data += data

    def next_message(self) -> bytes | None:
        """One whole message, header included; None if more bytes are needed. Raises ProtocolError 1/1, 1/2, 1/3."""
        if self._error is not None:
            raise self._error
        if len(self._data) < HEADER_SIZE:
            return None
        try:
            size = _check_header(self._data, self.limit)
        except ProtocolError as error:
            self._error = error
            self._data.clear()
            raise
        if len(self._data) < size:
            return None
        message = bytes(self._data[:size])
        del self._data[:size]
        return message


def _check_header(data: bytes | bytearray, limit: int) -> int:
    """Size of the message that begins here with a whole header (RFC 4271, section 6.1; RFC 8654, section 5)."""
    if data[:16] != _MARKER:
        raise ProtocolError(Code.HEADER, _NOT_SYNCHRONIZED, "the marker is not all ones")
    length = bytes(data[16:18])
    size, kind = int.from_bytes(length, "big"), data[18]
    if not HEADER_SIZE <= size <= limit:
        raise ProtocolError(Code.HEADER, _BAD_LENGTH, f"length {size} is not within {HEADER_SIZE}..{limit}", length)
    if kind not in _LEAST:
        raise ProtocolError(Code.HEADER, _BAD_TYPE, f"type {kind}", bytes((kind,)))
    if not _LEAST[Kind(kind)] <= size <= _MOST.get(Kind(kind), limit):
        raise ProtocolError(Code.HEADER, _BAD_LENGTH, f"length {size} of type {Kind(kind).name}", length)
    return size


def _encode_open(message: Open) -> bytes:
    if not message.asn or not message.router_id or message.hold_time in (1, 2):
        raise LocalError(f"no peer accepts {message}")
    return b"%c%b%b%b%b" % (
        VERSION,
        unsigned(message.asn, 2, "AS number"),
        unsigned(message.hold_time, 2, "hold time"),
        unsigned(message.router_id, 4, "router id"),
        encode_parameters(message.capabilities),
    )


def _decode_open(body: bytes) -> Open:
    """RFC 4271, section 6.2; RFC 6286 (router id); RFC 7607 (AS number 0)."""
    version, asn, hold_time = body[0], int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    router_id = int.from_bytes(body[5:9], "big")
    if version != VERSION:
        raise ProtocolError(Code.OPEN, _BAD_VERSION, f"version {version}", VERSION.to_bytes(2, "big"))
    if not asn:
        raise ProtocolError(Code.OPEN, _BAD_PEER_AS, "AS number 0")
    if hold_time in (1, 2):
        raise ProtocolError(Code.OPEN, _BAD_HOLD_TIME, f"hold time {hold_time}")
    if not router_id:
        raise ProtocolError(Code.OPEN, _BAD_ROUTER_ID, "router id 0")
    return Open(asn, hold_time, router_id, decode_parameters(body[9:]))


def _encode_refresh(family: Family | None) -> bytes:
    if family is None:
        raise LocalError("a family that we do not speak cannot be asked for")
    afi, safi = family.value
    return bytes((0, afi, 0, safi))


def _decode_refresh(body: bytes, whole: bytes) -> RouteRefresh:
    """RFC 2918, section 3. Subtypes other than 0 (RFC 7313) ask for nothing."""
    if len(body) != 4:
        raise ProtocolError(Code.ROUTE_REFRESH, _BAD_REFRESH_LENGTH, f"body of {len(body)} octets", whole)
    afi, subtype, safi = int.from_bytes(body[:2], "big"), body[2], body[3]
    family = next((family for family in Family if family.value == (afi, safi)), None)
    return RouteRefresh(None if subtype else family)
