"""Reads the path attributes of an UPDATE with the tolerance of RFC 7606.

A malformed attribute has one of three outcomes: the session ends (ProtocolError), all prefixes of the UPDATE are
withdrawn, or the attribute is dropped. The last two are noted as faults; `updates` draws the conclusion.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from terway_edge.backends.bgp.as_path import decode_as4_path, decode_as_path, merge
from terway_edge.backends.bgp.attribute_types import (
    CARRIED,
    EXTENDED,
    FLAGS,
    KEPT_FLAGS,
    OPTIONAL,
    Malformed,
    Subcode,
    Type,
    check_aggregator,
    check_carried,
    check_flags,
    check_length,
    name,
)
from terway_edge.backends.bgp.attributes import FAMILIES, decode_nlri, is_host
from terway_edge.backends.bgp.errors import Code, ProtocolError
from terway_edge.backends.bgp.messages import AS_TRANS, Attribute, Family, Origin, Path, Segment
from terway_edge.core.addresses import Address, Prefix

_RESETS: set[int] = {Type.MP_REACH_NLRI, Type.MP_UNREACH_NLRI}
"""Without these the prefixes are not known: the session ends (RFC 7606, sections 3 (j) and 5.3)."""
_DROPPED: set[int] = {Type.ATOMIC_AGGREGATE, Type.AGGREGATOR, Type.AS4_PATH, Type.AS4_AGGREGATOR}
"""No route depends on these: they are dropped (RFC 7606, section 3 (f); RFC 6793, section 6)."""
_NO_DATA = {Subcode.ATTRIBUTE_LIST, Subcode.NETWORK, Subcode.AS_PATH}
"""Errors whose NOTIFICATION does not quote the attribute (RFC 4271, section 6.3)."""
_NEXT_HOP_SIZES = {Family.IPV4: (4,), Family.IPV6: (16, 32)}
"""32: a link-local address follows the global one (RFC 2545, section 3)."""


class Fault(NamedTuple):
    """What was wrong with attribute `code`: all prefixes are withdrawn or `error` is raised; None: only dropped."""

    code: int
    text: str
    error: ProtocolError | None


@dataclass(slots=True)
class Reading:
    """What the attributes of one UPDATE said. `has_foreign`: it announces a family that we do not speak."""

    four_octet: bool
    seen: set[int] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    origin: Origin = Origin.IGP
    as_path: tuple[Segment, ...] = ()
    as4_path: tuple[Segment, ...] = ()
    next_hop: Address | None = None
    mp_next_hop: Address | None = None
    med: int | None = None
    local_pref: int | None = None
    communities: tuple[int, ...] = ()
    large_communities: tuple[tuple[int, int, int], ...] = ()
    others: list[Attribute] = field(default_factory=list)
    reached: tuple[Prefix, ...] = ()
    unreached: tuple[Prefix, ...] = ()
    unreach_family: Family | None = None
    has_foreign: bool = False

    def path(self) -> Path:
        return Path(
            origin=self.origin,
            as_path=merge(self.as_path, self.as4_path) if self.as4_path else self.as_path,
            next_hop=self.next_hop,
            mp_next_hop=self.mp_next_hop,
            med=self.med,
            local_pref=self.local_pref,
            communities=self.communities,
            large_communities=self.large_communities,
            others=tuple(sorted(self.others, key=lambda other: other.code)),
        )

    def drop(self, code: int, text: str) -> None:
        self.faults.append(Fault(code, f"{name(code)}: {text}", None))

    def withdraw(self, code: int, subcode: Subcode, text: str, data: bytes = b"") -> None:
        error = ProtocolError(Code.UPDATE, subcode, f"{name(code)}: {text}", data)
        self.faults.append(Fault(code, f"{name(code)}: {text}", error))


def read_attributes(data: bytes, *, four_octet: bool) -> Reading:
    """Read the whole list; raises ProtocolError where only the end of the session is safe."""
    reading = Reading(four_octet)
    for flags, code, value, whole in _split(data, reading):
        if code in reading.seen:
            _duplicate(reading, code)
            continue
        reading.seen.add(code)
        try:
            _read(reading, Attribute(flags & KEPT_FLAGS, code, value))
        except Malformed as fault:
            _judge(reading, code, fault, b"" if fault.subcode in _NO_DATA else whole)
    _settle_two_octets(reading)
    return reading


def _split(data: bytes, reading: Reading) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Flags, code, value and the whole of each attribute; an overrun ends the list (RFC 7606, section 4)."""
    start, end = 0, len(data)
    while start < end:
        head = 4 if data[start] & EXTENDED else 3
        body = start + head
        stop = body + int.from_bytes(data[start + 2 : body], "big")
        if stop > end:
            code = data[start + 1] if start + 1 < end else 0
            if code in _RESETS:
                raise ProtocolError(Code.UPDATE, Subcode.ATTRIBUTE_LIST, f"{name(code)} runs past the end")
            reading.withdraw(code, Subcode.ATTRIBUTE_LIST, "runs past the end of the attributes")
            return
        yield data[start], data[start + 1], data[body:stop], data[start:stop]
        start = stop


def _duplicate(reading: Reading, code: int) -> None:
    if code in _RESETS:
        raise ProtocolError(Code.UPDATE, Subcode.ATTRIBUTE_LIST, f"{name(code)} stands twice")
    reading.drop(code, "stands twice, the first counts")


def _judge(reading: Reading, code: int, fault: Malformed, data: bytes) -> None:
    if code in _RESETS or fault.subcode is Subcode.UNRECOGNIZED:
        raise ProtocolError(Code.UPDATE, fault.subcode, f"{name(code)}: {fault}", data) from fault
    if code in _DROPPED:
        reading.drop(code, str(fault))
    else:
        reading.withdraw(code, fault.subcode, str(fault), data)


def _read(reading: Reading, attribute: Attribute) -> None:
    code, value = attribute.code, attribute.value
    if code not in FLAGS:
        if not attribute.flags & OPTIONAL:
            raise Malformed(Subcode.UNRECOGNIZED, "well-known, but not known")
        reading.others.append(attribute)
    elif code in CARRIED:
        check_carried(attribute, four_octet=reading.four_octet)
        reading.others.append(attribute)
    else:
        check_flags(attribute.flags, code)
        check_length(code, len(value))
        _READERS[code](reading, value)


def _origin(reading: Reading, value: bytes) -> None:
    if value[0] > Origin.INCOMPLETE:
        raise Malformed(Subcode.ORIGIN, f"value {value[0]} is not defined")
    reading.origin = Origin(value[0])


def _as_path(reading: Reading, value: bytes) -> None:
    reading.as_path = decode_as_path(value, 4 if reading.four_octet else 2)


def _as4_path(reading: Reading, value: bytes) -> None:
    if reading.four_octet:
        raise Malformed(Subcode.OPTIONAL, "from a peer with four-octet AS numbers")
    reading.as4_path = decode_as4_path(value)


def _as4_aggregator(reading: Reading, value: bytes) -> None:
    if reading.four_octet:
        raise Malformed(Subcode.OPTIONAL, "from a peer with four-octet AS numbers")
    check_aggregator(value, 4)
    reading.others.append(Attribute(FLAGS[Type.AS4_AGGREGATOR], Type.AS4_AGGREGATOR, value))


def _next_hop(reading: Reading, value: bytes) -> None:
    reading.next_hop = Address.unpack(value)
    if not is_host(reading.next_hop):
        raise Malformed(Subcode.NEXT_HOP, f"{reading.next_hop} is no host")


def _med(reading: Reading, value: bytes) -> None:
    reading.med = int.from_bytes(value, "big")


def _local_pref(reading: Reading, value: bytes) -> None:
    reading.local_pref = int.from_bytes(value, "big")


def _communities(reading: Reading, value: bytes) -> None:
    reading.communities = struct.unpack(f"!{len(value) // 4}I", value)


def _large_communities(reading: Reading, value: bytes) -> None:
    reading.large_communities = tuple(dict.fromkeys(struct.iter_unpack("!3I", value)))  # RFC 8092, section 3


def _mp_reach(reading: Reading, value: bytes) -> None:
    if len(value) < 5:
        raise Malformed(Subcode.OPTIONAL, f"length {len(value)} is under 5")
    start = 5 + value[3]
    if start > len(value):
        raise Malformed(Subcode.OPTIONAL, f"next hop of {value[3]} octets runs past the end")
    family = FAMILIES.get(value[:3])
    if family is None:
        reading.has_foreign = True
        reading.drop(Type.MP_REACH_NLRI, _foreign(value))
        return
    if value[3] not in _NEXT_HOP_SIZES[family]:
        raise Malformed(Subcode.OPTIONAL, f"next hop of {value[3]} octets")
    next_hop = Address.unpack(value[4 : 4 + _NEXT_HOP_SIZES[family][0]])
    reading.reached = decode_nlri(value[start:], family)
    if not is_host(next_hop):
        reading.withdraw(Type.MP_REACH_NLRI, Subcode.NEXT_HOP, f"next hop {next_hop} is no host")
    if reading.reached:
        reading.mp_next_hop = next_hop


def _mp_unreach(reading: Reading, value: bytes) -> None:
    if len(value) < 3:
        raise Malformed(Subcode.OPTIONAL, f"length {len(value)} is under 3")
    reading.unreach_family = FAMILIES.get(value[:3])
    if reading.unreach_family is None:
        reading.drop(Type.MP_UNREACH_NLRI, _foreign(value))
    else:
        reading.unreached = decode_nlri(value[3:], reading.unreach_family)


def _foreign(value: bytes) -> str:
    return f"ignored, AFI {int.from_bytes(value[:2], 'big')} SAFI {value[2]} is not spoken"


def _settle_two_octets(reading: Reading) -> None:
    """An AGGREGATOR that a two-octet speaker wrote later makes the AS4_ attributes void (RFC 6793, section 4.2.3)."""
    carried = {other.code: other for other in reading.others}
    aggregator = carried.get(Type.AGGREGATOR)
    if Type.AS4_AGGREGATOR not in carried or aggregator is None:
        return
    if int.from_bytes(aggregator.value[:2], "big") != AS_TRANS:
        reading.others.remove(carried[Type.AS4_AGGREGATOR])
        reading.as4_path = ()


_READERS: dict[int, Callable[[Reading, bytes], None]] = {
    Type.ORIGIN: _origin,
    Type.AS_PATH: _as_path,
    Type.NEXT_HOP: _next_hop,
    Type.MULTI_EXIT_DISC: _med,
    Type.LOCAL_PREF: _local_pref,
    Type.COMMUNITIES: _communities,
    Type.MP_REACH_NLRI: _mp_reach,
    Type.MP_UNREACH_NLRI: _mp_unreach,
    Type.AS4_PATH: _as4_path,
    Type.AS4_AGGREGATOR: _as4_aggregator,
    Type.LARGE_COMMUNITIES: _large_communities,
}
