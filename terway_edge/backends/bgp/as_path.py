"""AS_PATH and AS4_PATH (RFC 4271, section 4.3; RFC 6793, section 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from terway_edge.backends.bgp.attribute_types import Malformed, Subcode
from terway_edge.backends.bgp.errors import LocalError
from terway_edge.backends.bgp.messages import AS_TRANS, Segment

_SET, _SEQUENCE, _CONFED_SEQUENCE, _CONFED_SET = 1, 2, 3, 4
_LETTER = {2: "H", 4: "I"}


def encode_segments(segments: Iterable[Segment], width: int) -> bytes:
    """AS numbers of `width` octets; AS_TRANS stands for what two do not hold. LocalError for an AS number 0."""
    return b"".join(_encode_segment(segment, width) for segment in segments)


def _encode_segment(segment: Segment, width: int) -> bytes:
    asns = segment.asns
    if not 1 <= len(asns) <= 255:
        raise LocalError(f"a segment of an AS_PATH holds 1 to 255 AS numbers, not {len(asns)}")
    if min(asns) < 1 or max(asns) >> 32:
        raise LocalError(f"AS_PATH {asns!r} holds what is no AS number")
    if width == 2:
        asns = tuple(AS_TRANS if asn > 65535 else asn for asn in asns)
    return struct.pack(f"!BB{len(asns)}{_LETTER[width]}", _SET if segment.is_set else _SEQUENCE, len(asns), *asns)


def needs_as4_path(segments: Iterable[Segment]) -> bool:
    """True if two octets are too few for one of the AS numbers."""
    return any(asn > 65535 for segment in segments for asn in segment.asns)


def decode_as_path(data: bytes, width: int) -> tuple[Segment, ...]:
    """Raise Malformed for what RFC 7606, section 7.2 lists, AS number 0 (RFC 7607), and segments of confederations."""
    segments = []
    for kind, asns in _split(data, width):
        if kind not in (_SET, _SEQUENCE):
            raise Malformed(Subcode.AS_PATH, "segment of a confederation")
        segments.append(Segment(asns, kind == _SET))
    return tuple(segments)


def decode_as4_path(data: bytes) -> tuple[Segment, ...]:
    """As `decode_as_path`, but segments of confederations are left out (RFC 6793, section 6) and none is malformed."""
    segments = tuple(Segment(asns, kind == _SET) for kind, asns in _split(data, 4) if kind in (_SET, _SEQUENCE))
    if not segments:
        raise Malformed(Subcode.OPTIONAL, "no AS number")
    return segments


def _split(data: bytes, width: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Kind and AS numbers of each segment."""
    start = 0
    while start < len(data):
        if start + 2 > len(data):
            raise Malformed(Subcode.AS_PATH, "a single octet is left after the last segment")
        kind, count = data[start], data[start + 1]
        start += 2
        if kind not in (_SET, _SEQUENCE, _CONFED_SEQUENCE, _CONFED_SET):
            raise Malformed(Subcode.AS_PATH, f"segment of unknown type {kind}")
        if not count:
            raise Malformed(Subcode.AS_PATH, "empty segment")
        if start + count * width > len(data):
            raise Malformed(Subcode.AS_PATH, f"segment of {count} AS numbers runs past the end")
        asns: tuple[int, ...] = struct.unpack_from(f"!{count}{_LETTER[width]}", data, start)
        if 0 in asns:
            raise Malformed(Subcode.AS_PATH, "AS number 0")
        yield kind, asns
        start += count * width


def merge(as_path: tuple[Segment, ...], as4_path: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """The true path of a two-octet peer's AS_PATH and AS4_PATH (RFC 6793, section 4.2.3).

    AS4_PATH is the tail; what AS_PATH counts more (a set counts one) was put before it by speakers that know two
    octets only. An AS4_PATH that counts more than AS_PATH is ignored.
    """
    surplus = sum(map(_count, as_path)) - sum(map(_count, as4_path))
    return (*_leading(as_path, surplus), *as4_path) if surplus >= 0 else as_path


def _count(segment: Segment) -> int:
    return 1 if segment.is_set else len(segment.asns)


def _leading(segments: tuple[Segment, ...], count: int) -> Iterator[Segment]:
    """So much of the front as counts `count`."""
    for segment in segments:
        if count <= 0:
            return
        yield segment if segment.is_set else Segment(segment.asns[:count])
        count -= _count(segment)
