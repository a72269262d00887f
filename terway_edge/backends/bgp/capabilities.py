"""Capabilities and the optional parameters of an OPEN that carry them (RFC 5492; RFC 9072, section 2)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from terway_edge.backends.bgp.errors import Code, LocalError, ProtocolError
from terway_edge.backends.bgp.messages import Capabilities, Family, GracefulRestart
from terway_edge.backends.bgp.wire import unsigned

MAX_RESTART_TIME = 4095
"""Seconds; the field has twelve bits (RFC 4724, section 3)."""

_CAPABILITIES = 2
"""The optional parameter that carries capabilities."""
_EXTENDED = 255
"""As the first parameter's type: lengths of two octets follow (RFC 9072)."""
_UNSPECIFIC, _BAD_PEER_AS, _UNSUPPORTED_PARAMETER = 0, 2, 4

_RESTARTING, _NOTIFICATION, _FORWARDING = 0x8000, 0x4000, 0x80


class Capability(IntEnum):
    MULTIPROTOCOL = 1
    ROUTE_REFRESH = 2
    EXTENDED_MESSAGE = 6
    GRACEFUL_RESTART = 64
    FOUR_OCTET_ASN = 65


_SIZES: dict[int, int] = {
    Capability.MULTIPROTOCOL: 4,
    Capability.ROUTE_REFRESH: 0,
    Capability.EXTENDED_MESSAGE: 0,
    Capability.FOUR_OCTET_ASN: 4,
}


def encode_parameters(capabilities: Capabilities) -> bytes:
    """The length octet and one parameter with all capabilities; LocalError if that is too long or says nonsense."""
    values = b"".join(bytes((code, len(value))) + value for code, value in _values(capabilities))
    if len(values) > 253:
        raise LocalError(f"capabilities of {len(values)} octets; an OPEN holds 253")
    return bytes((len(values) + 2, _CAPABILITIES, len(values))) + values if values else b"\0"


def _values(capabilities: Capabilities) -> Iterator[tuple[int, bytes]]:
    families = capabilities.families
    if len(set(families)) < len(families):
        raise LocalError(f"a family stands twice in {families}")
    for family in families:
        yield Capability.MULTIPROTOCOL, _multiprotocol(family)
    if capabilities.route_refresh:
        yield Capability.ROUTE_REFRESH, b""
    if capabilities.extended_message:
        yield Capability.EXTENDED_MESSAGE, b""
    if capabilities.graceful_restart is not None:
        yield Capability.GRACEFUL_RESTART, _encode_graceful_restart(capabilities.graceful_restart)
    if capabilities.four_octet_asn is not None:
        if not capabilities.four_octet_asn:
            raise LocalError("AS number 0 (RFC 7607)")
        yield Capability.FOUR_OCTET_ASN, unsigned(capabilities.four_octet_asn, 4, "AS number")
    if len(set(capabilities.others)) < len(capabilities.others):
        raise LocalError("a capability stands twice in `others`")
    for code, value in capabilities.others:
        _check_other(code, value)
        yield code, value


def _multiprotocol(family: Family) -> bytes:
    """AFI, a reserved octet, SAFI (RFC 4760, section 8)."""
    afi, safi = family.value
    return bytes((0, afi, 0, safi))


def _encode_graceful_restart(restart: GracefulRestart) -> bytes:
    if not 0 <= restart.time <= MAX_RESTART_TIME:
        raise LocalError(f"restart time {restart.time} is not within 0..{MAX_RESTART_TIME} seconds")
    families = restart.families
    if len(set(families)) < len(families) or not set(restart.forwarding) <= set(families):
        raise LocalError(f"forwarding of {restart.forwarding} among families {families}")
    head = restart.time | restart.restarting * _RESTARTING | restart.notification * _NOTIFICATION
    return head.to_bytes(2, "big") + b"".join(
        bytes((0, family.value[0], family.value[1], _FORWARDING * (family in restart.forwarding)))
        for family in families
    )


def _check_other(code: int, value: bytes) -> None:
    is_known = code in list(Capability) and code != Capability.MULTIPROTOCOL
    is_spoken = code == Capability.MULTIPROTOCOL and (len(value) != 4 or _family(value) is not None)
    if is_known or is_spoken or not 0 <= code <= 255 or len(value) > 255:
        raise LocalError(f"capability {code} with value {value.hex()!r} does not belong in `others`")


def decode_parameters(data: bytes) -> Capabilities:
    """From the length octet on; raises ProtocolError 2/0 (malformed), 2/2 (AS number 0), 2/4 (unknown parameter)."""
    found: list[tuple[int, bytes]] = []
    for kind, value in _parameters(data):
        if kind != _CAPABILITIES:
            raise ProtocolError(Code.OPEN, _UNSUPPORTED_PARAMETER, f"optional parameter {kind}")
        found += _split(value, 1)
    return _interpret(found)


def _parameters(data: bytes) -> Iterator[tuple[int, bytes]]:
    width = 1
    if data[1:2] == bytes((_EXTENDED,)) and data[0]:
        data, width = data[2:], 2
    parameters = data[width:]
    if len(data) < width or int.from_bytes(data[:width], "big") != len(parameters):
        raise _malformed(f"{len(parameters)} octets of optional parameters, and their length says otherwise")
    return _split(parameters, width)


def _split(data: bytes, width: int) -> Iterator[tuple[int, bytes]]:
    """Type and value of each item, whose length has `width` octets."""
    start, end = 0, len(data)
    while start < end:
        body = start + 1 + width
        stop = body + int.from_bytes(data[start + 1 : body], "big")
        if stop > end:
            raise _malformed(f"item of type {data[start]} runs past the end of the optional parameters")
        yield data[start], data[body:stop]
        start = stop


def _malformed(text: str) -> ProtocolError:
    return ProtocolError(Code.OPEN, _UNSPECIFIC, text)


def _interpret(found: list[tuple[int, bytes]]) -> Capabilities:
    """Repeated capabilities: families add up, of others with a meaning the last counts (RFC 4724, section 3)."""
    families: dict[Family, None] = {}
    known: dict[int, bytes] = {}
    others: dict[tuple[int, bytes], None] = {}
    for code, value in found:
        if len(value) != _SIZES.get(code, len(value)):
            raise _malformed(f"capability {code} of {len(value)} octets")
        if code == Capability.MULTIPROTOCOL and (family := _family(value)) is not None:
            families[family] = None
        elif code in list(Capability) and code != Capability.MULTIPROTOCOL:
            known[code] = value
        else:
            others[code, value] = None
    return Capabilities(
        families=tuple(families),
        four_octet_asn=_decode_asn(known.get(Capability.FOUR_OCTET_ASN)),
        route_refresh=Capability.ROUTE_REFRESH in known,
        extended_message=Capability.EXTENDED_MESSAGE in known,
        graceful_restart=_decode_graceful_restart(known.get(Capability.GRACEFUL_RESTART)),
        others=tuple(others),
    )


def _family(value: bytes) -> Family | None:
    """The family of a multiprotocol capability, None if we do not speak it; the reserved octet means nothing."""
    return _FAMILIES.get((int.from_bytes(value[:2], "big"), value[3]))


def _decode_asn(value: bytes | None) -> int | None:
    if value is None:
        return None
    asn = int.from_bytes(value, "big")
    if not asn:
        raise ProtocolError(Code.OPEN, _BAD_PEER_AS, "AS number 0 in a capability")
    return asn


def _decode_graceful_restart(value: bytes | None) -> GracefulRestart | None:
    if value is None:
        return None
    if len(value) % 4 != 2:
        raise _malformed(f"graceful restart capability of {len(value)} octets")
    flags = int.from_bytes(value[:2], "big")
    entries = {
        family: bool(value[start + 3] & _FORWARDING)
        for start in range(2, len(value), 4)
        if (family := _FAMILIES.get((int.from_bytes(value[start : start + 2], "big"), value[start + 2])))
    }
    return GracefulRestart(
        time=flags & MAX_RESTART_TIME,
        families=tuple(entries),
        forwarding=tuple(family for family, is_kept in entries.items() if is_kept),
        restarting=bool(flags & _RESTARTING),
        notification=bool(flags & _NOTIFICATION),
    )


_FAMILIES: dict[tuple[int, int], Family] = {family.value: family for family in Family}
