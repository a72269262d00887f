"""Path attributes and prefixes as bytes (RFC 4271, section 4.3; RFC 4760, sections 3 and 4); `attribute_reader` reads.

An Adj-RIB-Out encodes each prefix and each path once and packs the pieces into UPDATEs (`updates.join`).
"""

from __future__ import annotations

from collections.abc import Iterator

from terway_edge.backends.bgp.as_path import encode_segments, needs_as4_path
from terway_edge.backends.bgp.attribute_types import (
    CARRIED,
    EXTENDED,
    FLAGS,
    KEPT_FLAGS,
    OPTIONAL,
    Malformed,
    Subcode,
    Type,
    check_carried,
    name,
)
from terway_edge.backends.bgp.errors import LocalError
from terway_edge.backends.bgp.messages import Attribute, Family, Path
from terway_edge.backends.bgp.wire import unsigned, words
from terway_edge.core.addresses import BITS, Address, Prefix


def encode_path(path: Path, *, four_octet: bool = True) -> bytes:
    """All attributes of `path` in ascending order of type, without MP_REACH_NLRI (`mp_next_hop` is left out).

    To a two-octet peer, AS4_PATH goes along if AS_TRANS had to stand for an AS number. LocalError for what no peer
    would accept.
    """
    parts = [(kind, attribute(FLAGS[kind], kind, value)) for kind, value in _values(path, four_octet)]
    parts += [_other(other, four_octet) for other in path.others]
    codes = [code for code, _ in parts]
    if len(set(codes)) < len(codes):
        raise LocalError(f"a path attribute stands twice in {sorted(codes)}")
    return b"".join(part for _, part in sorted(parts))


def _values(path: Path, four_octet: bool) -> Iterator[tuple[int, bytes]]:
    yield Type.ORIGIN, bytes((path.origin,))
    yield Type.AS_PATH, encode_segments(path.as_path, 4 if four_octet else 2)
    if not four_octet and needs_as4_path(path.as_path):
        yield Type.AS4_PATH, encode_segments(path.as_path, 4)
    if path.next_hop is not None:
        yield Type.NEXT_HOP, _next_hop(path.next_hop, Family.IPV4)
    if path.med is not None:
        yield Type.MULTI_EXIT_DISC, unsigned(path.med, 4, "MED")
    if path.local_pref is not None:
        yield Type.LOCAL_PREF, unsigned(path.local_pref, 4, "LOCAL_PREF")
    if path.communities:
        yield Type.COMMUNITIES, words(path.communities, "communities")
    if path.large_communities:
        if len(set(path.large_communities)) < len(path.large_communities):
            raise LocalError("a large community stands twice (RFC 8092, section 3)")
        yield Type.LARGE_COMMUNITIES, b"".join(words(large, "large community") for large in path.large_communities)


def _other(other: Attribute, four_octet: bool) -> tuple[int, bytes]:
    if other.flags & ~KEPT_FLAGS:
        raise LocalError(f"{name(other.code)}: flags {other.flags:#04x} hold more than {KEPT_FLAGS:#04x}")
    if other.code in CARRIED:
        try:
            check_carried(other, four_octet=four_octet)
        except Malformed as fault:
            raise LocalError(f"{name(other.code)}: {fault}") from None
    elif other.code in FLAGS or not 0 <= other.code <= 255 or not other.flags & OPTIONAL:
        raise LocalError(f"{name(other.code)} with flags {other.flags:#04x} is not one that is carried")
    return other.code, attribute(other.flags, other.code, other.value)


def attribute(flags: int, code: int, value: bytes) -> bytes:
    """One whole attribute; LocalError for a value over 65535 octets."""
    size = len(value)
    if size < 256:
        return bytes((flags, code, size)) + value
    return bytes((flags | EXTENDED, code)) + unsigned(size, 2, f"length of {name(code)}") + value


def mp_reach(family: Family, next_hop: Address, nlri: bytes) -> bytes:
    """A whole MP_REACH_NLRI with one next hop, for encoded prefixes of `family`."""
    packed = _next_hop(next_hop, family)
    value = b"%b%c%b\0%b" % (_KEYS[family], len(packed), packed, nlri)
    return attribute(OPTIONAL, Type.MP_REACH_NLRI, value)


def mp_unreach(family: Family, nlri: bytes) -> bytes:
    """A whole MP_UNREACH_NLRI for encoded prefixes of `family`; none: End-of-RIB (RFC 4724, section 2)."""
    return attribute(OPTIONAL, Type.MP_UNREACH_NLRI, _KEYS[family] + nlri)


def _next_hop(address: Address, family: Family) -> bytes:
    if address.family != family.version or not is_host(address):
        raise LocalError(f"{address} cannot be the next hop of IPv{family.version} prefixes")
    return address.packed


def is_host(address: Address) -> bool:
    """False for what names no single other host: unspecified, loopback, multicast, and IPv4's class E."""
    value = address.value
    if address.family == 4:
        return 0 < value >> 24 < 224 and value >> 24 != 127
    return value > 1 and value >> 120 != 0xFF


def encode_nlri(prefix: Prefix) -> bytes:
    """Length in bits, then as many octets as hold them."""
    family, value, length = prefix
    wide = (length + 7) & ~7
    return (length << wide | value >> BITS[family] - wide).to_bytes((wide >> 3) + 1, "big")


def decode_nlri(data: bytes, family: Family) -> tuple[Prefix, ...]:
    """Prefixes one after another, host bits cleared; raises Malformed (RFC 7606, section 5.3)."""
    version = family.version
    bits = BITS[version]
    prefixes = []
    start, end = 0, len(data)
    while start < end:
        length = data[start]
        start += 1
        stop = start + ((length + 7) >> 3)
        if length > bits:
            raise Malformed(Subcode.NETWORK, f"prefix length {length} of an IPv{version} prefix")
        if stop > end:
            raise Malformed(Subcode.NETWORK, f"prefix of length {length} runs past the end")
        spare = bits - length
        value = int.from_bytes(data[start:stop], "big") << (bits - ((stop - start) << 3))
        prefixes.append(Prefix(version, value >> spare << spare, length))
        start = stop
    return tuple(prefixes)


_KEYS = {family: family.value[0].to_bytes(2, "big") + bytes(family.value[1:]) for family in Family}
"""AFI and SAFI as three octets."""

FAMILIES = {key: family for family, key in _KEYS.items()}
