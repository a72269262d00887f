"""What ends a session, and the names of it (RFC 4271, sections 4.5 and 6; IANA "BGP Error Codes" and subcodes)."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Error codes of a NOTIFICATION."""

    HEADER = 1
    OPEN = 2
    UPDATE = 3
    HOLD_TIMER = 4
    STATE_MACHINE = 5
    CEASE = 6
    ROUTE_REFRESH = 7
    SEND_HOLD_TIMER = 8


class Cease(IntEnum):
    """Subcodes of a Cease (RFC 4486, RFC 8538)."""

    MAX_PREFIXES = 1
    SHUTDOWN = 2
    DECONFIGURED = 3
    RESET = 4
    REJECTED = 5
    CONFIG_CHANGE = 6
    COLLISION = 7
    RESOURCES = 8
    HARD_RESET = 9


MAX_DATA = 4096 - 21
"""Octets of data that any peer accepts in a NOTIFICATION."""


class ProtocolError(Exception):
    """The peer broke the protocol: end the session with a NOTIFICATION of `code`, `subcode` and `data` (cut to fit)."""

    def __init__(self, code: int, subcode: int, message: str, data: bytes = b"") -> None:
        super().__init__(f"{describe(code, subcode)}: {message}")
        self.code = code
        self.subcode = subcode
        self.data = data[:MAX_DATA]


class LocalError(Exception):
    """Our own code asked for what the state machine does not allow, or for a message that cannot be said."""


def describe(code: int, subcode: int) -> str:
    """`Cease/Administrative Shutdown`, `OPEN Message Error/Bad Peer AS`; numbers where there is no name."""
    name, subcodes = _NAMES.get(code, (f"Code {code}", {}))
    if not subcode:
        return name
    return f"{name}/{subcodes.get(subcode, f'Subcode {subcode}')}"


_NAMES: dict[int, tuple[str, dict[int, str]]] = {
    Code.HEADER: (
        "Message Header Error",
        {1: "Connection Not Synchronized", 2: "Bad Message Length", 3: "Bad Message Type"},
    ),
    Code.OPEN: (
        "OPEN Message Error",
        {
            1: "Unsupported Version Number",
            2: "Bad Peer AS",
            3: "Bad BGP Identifier",
            4: "Unsupported Optional Parameter",
            6: "Unacceptable Hold Time",
            7: "Unsupported Capability",
            11: "Role Mismatch",
        },
    ),
    Code.UPDATE: (
        "UPDATE Message Error",
        {
            1: "Malformed Attribute List",
            2: "Unrecognized Well-known Attribute",
            3: "Missing Well-known Attribute",
            4: "Attribute Flags Error",
            5: "Attribute Length Error",
            6: "Invalid ORIGIN Attribute",
            8: "Invalid NEXT_HOP Attribute",
            9: "Optional Attribute Error",
            10: "Invalid Network Field",
            11: "Malformed AS_PATH",
        },
    ),
    Code.HOLD_TIMER: ("Hold Timer Expired", {}),
    Code.STATE_MACHINE: (
        "Finite State Machine Error",
        {
            1: "Unexpected Message in OpenSent",
            2: "Unexpected Message in OpenConfirm",
            3: "Unexpected Message in Established",
        },
    ),
    Code.CEASE: (
        "Cease",
        {
            Cease.MAX_PREFIXES: "Maximum Number of Prefixes Reached",
            Cease.SHUTDOWN: "Administrative Shutdown",
            Cease.DECONFIGURED: "Peer De-configured",
            Cease.RESET: "Administrative Reset",
            Cease.REJECTED: "Connection Rejected",
            Cease.CONFIG_CHANGE: "Other Configuration Change",
            Cease.COLLISION: "Connection Collision Resolution",
            Cease.RESOURCES: "Out of Resources",
            Cease.HARD_RESET: "Hard Reset",
            10: "BFD Down",
        },
    ),
    Code.ROUTE_REFRESH: ("ROUTE-REFRESH Message Error", {1: "Invalid Message Length"}),
    Code.SEND_HOLD_TIMER: ("Send Hold Timer Expired", {}),
}
