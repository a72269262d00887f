"""The five BGP messages as frozen values; `codec` turns them into bytes and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from terway_edge.core.addresses import Address, Prefix

AS_TRANS = 23456
"""Stands for an AS number over 65535 where only two octets fit (RFC 6793)."""


class Family(Enum):
    """An address family that we speak: (AFI, SAFI), both unicast (RFC 4760)."""

    IPV4 = (1, 1)
    IPV6 = (2, 1)

    @property
    def version(self) -> int:
        """4 or 6, as `Prefix.family` has it."""
        return 4 if self is Family.IPV4 else 6


class Origin(IntEnum):
    IGP = 0
    EGP = 1
    INCOMPLETE = 2


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """Capability 64 (RFC 4724, section 3; the N bit: RFC 8538, section 2).

    `restarting` is R, `notification` is N, `time` is seconds (0..4095), `forwarding` lists the families whose
    forwarding state was kept (F), `families` all families that take part.
    """

    time: int
    families: tuple[Family, ...] = ()
    forwarding: tuple[Family, ...] = ()
    restarting: bool = False
    notification: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an OPEN says its sender can do (RFC 5492). `others` are (code, value) of those we do not speak."""

    families: tuple[Family, ...] = ()
    four_octet_asn: int | None = None
    route_refresh: bool = False
    extended_message: bool = False
    graceful_restart: GracefulRestart | None = None
    others: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """`asn` is the two-octet field; `Capabilities.four_octet_asn` has the true number if it is told.

    `hold_time` is seconds, `router_id` the BGP identifier as an unsigned integer.
    """

    asn: int
    hold_time: int
    router_id: int
    capabilities: Capabilities = field(default_factory=Capabilities)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an AS_PATH: a sequence, or a set (RFC 4271, section 4.3)."""

    asns: tuple[int, ...]
    is_set: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    """A path attribute that is carried, not understood.

    `flags` are Optional, Transitive and Partial as on the wire (0xE0), `code` is the type.
    """

    flags: int
    code: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Path:
    """The attributes that all prefixes of an UPDATE share.

    `next_hop` is of the NEXT_HOP attribute, for IPv4 prefixes; `mp_next_hop` of MP_REACH_NLRI, for those carried
    there. AS numbers are four octets wide; communities are 32-bit numbers, large ones triples of them, each once.
    `others` are in ascending order of code, each code once.
    """

    origin: Origin = Origin.IGP
    as_path: tuple[Segment, ...] = ()
    next_hop: Address | None = None
    mp_next_hop: Address | None = None
    med: int | None = None
    local_pref: int | None = None
    communities: tuple[int, ...] = ()
    large_communities: tuple[tuple[int, int, int], ...] = ()
    others: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Prefixes that are announced with one path, and prefixes that are withdrawn, of both families.

    IPv4 prefixes travel in the message's own fields, IPv6 prefixes in MP_REACH_NLRI and MP_UNREACH_NLRI, so IPv4 comes
    first. `path` is there if anything is announced, with a next hop for each family announced. `end_of_rib`
    names the family whose first full set is complete (RFC 4724, section 2); nothing else is set then. `faults` tell
    what was wrong with a received UPDATE and did not end the session (RFC 7606): its prefixes are then all in
    `withdrawn`, or only an attribute was dropped.
    """

    announced: tuple[Prefix, ...] = ()
    withdrawn: tuple[Prefix, ...] = ()
    path: Path | None = None
    end_of_rib: Family | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """The end of a session and its reason (RFC 4271, section 4.5)."""

    code: int
    subcode: int = 0
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Keepalive:
    pass


@dataclass(frozen=True, slots=True)
class RouteRefresh:
    """A request for the whole set of a family again (RFC 2918); None: a family we do not speak."""

    family: Family | None


Message = Open | Update | Notification | Keepalive | RouteRefresh
