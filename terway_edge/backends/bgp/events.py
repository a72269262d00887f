"""What a session tells whoever drives it."""

from __future__ import annotations

from dataclasses import dataclass

from terway_edge.backends.bgp.failures import Failure
from terway_edge.backends.bgp.messages import Family, Open, Update
from terway_edge.backends.bgp.negotiation import Negotiated


@dataclass(frozen=True, slots=True)
class ConnectWanted:
    """Make a TCP connection, and tell the session `connected` or `connection_lost`."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer's OPEN is acceptable (OpenConfirm): the moment to resolve collisions (RFC 4271, section 6.8)."""

    message: Open
    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class Up:
    """Established: UPDATEs may be sent."""

    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class Received:
    update: Update


@dataclass(frozen=True, slots=True)
class RefreshWanted:
    """The peer wants to hear everything of a family again (RFC 2918)."""

    family: Family


@dataclass(frozen=True, slots=True)
class Down:
    """The connection, or the attempt to make one, is over: write what `data_to_send` has, if it can be written, and
    close. The session tries again by itself."""

    failure: Failure
    was_established: bool


Event = ConnectWanted | Opened | Up | Received | RefreshWanted | Down
