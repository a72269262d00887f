"""The path attributes by name: their codes, flags, and what is wrong with those that are carried and not understood."""

from __future__ import annotations

from enum import IntEnum

from terway_edge.backends.bgp.messages import Attribute

OPTIONAL, TRANSITIVE, PARTIAL, EXTENDED = 0x80, 0x40, 0x20, 0x10
KEPT_FLAGS = OPTIONAL | TRANSITIVE | PARTIAL
"""What `Attribute.flags` holds: Extended Length follows from the value, the lower four bits mean nothing."""


class Type(IntEnum):
    """Type codes (IANA "BGP Path Attributes")."""

    ORIGIN = 1
    AS_PATH = 2
    NEXT_HOP = 3
    MULTI_EXIT_DISC = 4
    LOCAL_PREF = 5
    ATOMIC_AGGREGATE = 6
    AGGREGATOR = 7
    COMMUNITIES = 8
    ORIGINATOR_ID = 9
    CLUSTER_LIST = 10
    MP_REACH_NLRI = 14
    MP_UNREACH_NLRI = 15
    EXTENDED_COMMUNITIES = 16
    AS4_PATH = 17
    AS4_AGGREGATOR = 18
    IPV6_EXTENDED_COMMUNITIES = 25
    LARGE_COMMUNITIES = 32


class Subcode(IntEnum):
    """Subcodes of an UPDATE Message Error (RFC 4271, section 6.3)."""

    ATTRIBUTE_LIST = 1
    UNRECOGNIZED = 2
    MISSING = 3
    FLAGS = 4
    LENGTH = 5
    ORIGIN = 6
    NEXT_HOP = 8
    OPTIONAL = 9
    NETWORK = 10
    AS_PATH = 11


class Malformed(Exception):
    """A field cannot be read; what follows from it depends on where it stands (RFC 7606)."""

    def __init__(self, subcode: Subcode, text: str) -> None:
        super().__init__(text)
        self.subcode = subcode


_WELL_KNOWN = {Type.ORIGIN, Type.AS_PATH, Type.NEXT_HOP, Type.LOCAL_PREF, Type.ATOMIC_AGGREGATE}
_NON_TRANSITIVE = {
    Type.MULTI_EXIT_DISC,
    Type.ORIGINATOR_ID,
    Type.CLUSTER_LIST,
    Type.MP_REACH_NLRI,
    Type.MP_UNREACH_NLRI,
}
FLAGS: dict[int, int] = {
    kind: (0 if kind in _WELL_KNOWN else OPTIONAL) | (0 if kind in _NON_TRANSITIVE else TRANSITIVE) for kind in Type
}
"""The Optional and Transitive bits that each type must have."""

CARRIED: set[int] = {
    Type.ATOMIC_AGGREGATE,
    Type.AGGREGATOR,
    Type.ORIGINATOR_ID,
    Type.CLUSTER_LIST,
    Type.EXTENDED_COMMUNITIES,
    Type.IPV6_EXTENDED_COMMUNITIES,
}
"""Types that are checked and kept in `Path.others`, as are optional ones without a name here."""

_UNITS: dict[int, int] = {
    Type.CLUSTER_LIST: 4,
    Type.COMMUNITIES: 4,
    Type.EXTENDED_COMMUNITIES: 8,
    Type.LARGE_COMMUNITIES: 12,
    Type.IPV6_EXTENDED_COMMUNITIES: 20,
}
_SIZES: dict[int, int] = {
    Type.ORIGIN: 1,
    Type.NEXT_HOP: 4,
    Type.MULTI_EXIT_DISC: 4,
    Type.LOCAL_PREF: 4,
    Type.ATOMIC_AGGREGATE: 0,
    Type.ORIGINATOR_ID: 4,
}


def name(code: int) -> str:
    """`ORIGIN`, or `attribute 200` where there is no name."""
    return Type(code).name if code in FLAGS else f"attribute {code}"


def check_flags(flags: int, code: int) -> None:
    """Raise Malformed if Optional or Transitive is not as the type wants it."""
    if (flags ^ FLAGS[code]) & (OPTIONAL | TRANSITIVE):
        raise Malformed(Subcode.FLAGS, f"flags {flags:#04x} should be {FLAGS[code]:#04x}")


def check_length(code: int, size: int) -> None:
    """Raise Malformed if a value of the type cannot have `size` octets (RFC 7606, sections 4 and 7)."""
    exact, unit = _SIZES.get(code), _UNITS.get(code)
    if exact is not None and size != exact:
        raise Malformed(Subcode.LENGTH, f"length {size} should be {exact}")
    if unit is not None and (not size or size % unit):
        raise Malformed(Subcode.LENGTH, f"length {size} should be a multiple of {unit}, and not 0")


def check_carried(attribute: Attribute, *, four_octet: bool) -> None:
    """Raise Malformed if an attribute of CARRIED is not as its type wants it."""
    check_flags(attribute.flags, attribute.code)
    check_length(attribute.code, len(attribute.value))
    if attribute.code == Type.AGGREGATOR:
        check_aggregator(attribute.value, 4 if four_octet else 2)


def check_aggregator(value: bytes, width: int) -> None:
    """Raise Malformed if this is not an AS number of `width` octets, but not 0 (RFC 7607), and an address."""
    if len(value) != width + 4:
        raise Malformed(Subcode.LENGTH, f"length {len(value)} should be {width + 4}")
    if not any(value[:width]):
        raise Malformed(Subcode.OPTIONAL, "AS number 0")
