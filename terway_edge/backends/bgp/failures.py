"""Why a session could not be had or ended: a reason for machines, and one sentence for whoever has to mend it."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from terway_edge.backends.bgp.errors import Cease, Code, ProtocolError, describe
from terway_edge.backends.bgp.messages import Notification
from terway_edge.backends.bgp.peer_spec import PeerSpec


@dataclass(frozen=True, slots=True)
class Failure:
    """`reason` is CamelCase, of a small set. `code` and `subcode` are of the NOTIFICATION, 0: there was none;
    `received`: the peer sent it."""

    reason: str
    message: str
    code: int = 0
    subcode: int = 0
    received: bool = False


def of_os_error(error: OSError, spec: PeerSpec) -> Failure:
    """Of a connection that could not be made, or broke; ENOTCONN says that the peer ended it in good order."""
    reason, text = _OF_ERRNO.get(error.errno or 0, ("ConnectFailed", "{peer}: {error}"))
    return Failure(reason, _fill(text, spec, error=error.strerror or str(error)))


def connect_timeout(spec: PeerSpec) -> Failure:
    return of_os_error(OSError(errno.ETIMEDOUT, "timed out"), spec)


def before_open(failure: Failure, spec: PeerSpec) -> Failure:
    """The same, of a peer that took the connection and ended it without an OPEN: it does not want us."""
    if failure.reason not in ("ConnectionClosed", "ConnectionReset"):
        return failure
    return replace(failure, message=_fill(_UNWANTED, spec))


def when_up(failure: Failure, spec: PeerSpec) -> Failure:
    """The same, of a session that was established: there, silence says nothing of passwords."""
    if failure.reason != "ConnectTimeout":
        return failure
    return replace(failure, reason="ConnectionTimedOut", message=_fill(_SILENT, spec))


def peer_restarted(spec: PeerSpec) -> Failure:
    """The peer made a new connection beside an established one (RFC 4724, section 5)."""
    return Failure("PeerRestarted", _fill("{peer} restarted and connected anew; look there for the cause", spec))


def internal(error: Exception, spec: PeerSpec) -> Failure:
    """A mistake of this speaker's own code."""
    text = "this speaker made a mistake with {peer}, which its log shows, and tries again: {error}"
    return Failure("InternalError", _fill(text, spec, error=_one_line(f"{type(error).__name__}: {error}")))


def hold_expired(spec: PeerSpec, seconds: float) -> Failure:
    text = "nothing came from {peer} for {seconds:g} s; look at the path to it, its authPassword, and whether it runs"
    return Failure("HoldTimerExpired", _fill(text, spec, seconds=seconds), Code.HOLD_TIMER)


def send_hold_expired(spec: PeerSpec, seconds: float) -> Failure:
    text = "{peer} read nothing of what this speaker sent for {seconds:g} s; its BGP hangs: restart it there"
    return Failure("SendHoldTimerExpired", _fill(text, spec, seconds=seconds))


def of_error(error: ProtocolError, spec: PeerSpec) -> Failure:
    """The peer broke the protocol, or its OPEN cannot be accepted."""
    known = _OF_CODE.get((error.code, error.subcode)) or _of_class(error.code)
    name = describe(error.code, error.subcode)
    what = _one_line(str(error).removeprefix(f"{name}: "))
    is_settings = error.code == Code.OPEN
    text = (
        "{peer}: {what} ({name})"
        if is_settings
        else "{peer} broke the protocol: {what} ({name}); its software is at fault"
    )
    return Failure(known.reason, _fill(text, spec, what=what, name=name), error.code, error.subcode)


def of_notification(notification: Notification, spec: PeerSpec, *, received: bool) -> Failure:
    """A NOTIFICATION came or was sent; a Hard Reset counts as what is inside (RFC 8538, section 3.1)."""
    inner = _unwrap(notification)
    code, subcode = inner.code, inner.subcode
    known = _OF_CODE.get((code, subcode)) or _of_class(code)
    name = describe(code, subcode)
    text = known.received if received else "this speaker ended the session with {peer}: {name}"
    said = shutdown_text(inner)
    message = _fill(text, spec, name=name) + (f' ("{said}")' if said else "")
    return Failure(known.reason, message, code, subcode, received)


def shutdown_text(notification: Notification) -> str:
    """What an operator wrote when shutting down or resetting, on one line (RFC 9003); empty if nothing readable."""
    if notification.code != Code.CEASE or notification.subcode not in (Cease.SHUTDOWN, Cease.RESET):
        return ""
    data = notification.data
    if not data or len(data) - 1 < data[0]:
        return ""
    return _one_line(data[1 : 1 + data[0]].decode("utf-8", "replace"))


def _unwrap(notification: Notification) -> Notification:
    is_hard = (notification.code, notification.subcode) == (Code.CEASE, Cease.HARD_RESET)
    data = notification.data
    return Notification(data[0], data[1], data[2:]) if is_hard and len(data) >= 2 else notification


def _one_line(text: str) -> str:
    """Without what moves a terminal's cursor, turns its writing direction or breaks a log line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _fill(text: str, spec: PeerSpec, **more: object) -> str:
    return text.format(
        peer=spec.address,
        port=spec.port,
        local=spec.local_address,
        local_asn=spec.local_asn,
        peer_asn=spec.peer_asn,
        hold=spec.hold_time,
        **more,
    )


class _Known(NamedTuple):
    """A reason, and what it means if the peer says so."""

    reason: str
    received: str = "{peer} ended the session: {name}"


def _of_class(code: int) -> _Known:
    return _Known(_OF_CLASS.get(code, "UnknownError"))


_SILENT = "{peer} acknowledges nothing any more; look at the path to it, and whether it is alive"
_UNWANTED = (
    "{peer} ended the connection before it sent an OPEN; is neighbour {local} in AS {local_asn} configured there, and "
    "not shut down?"
)

_OF_ERRNO: Mapping[int, tuple[str, str]] = {
    errno.ECONNREFUSED: (
        "ConnectRefused",
        "{peer} refuses connections to port {port}; configure BGP there with neighbour {local} in AS {local_asn}",
    ),
    errno.ETIMEDOUT: (
        "ConnectTimeout",
        "{peer} does not answer on port {port}; compare authPassword with the switch, look for a filter between",
    ),
    errno.EHOSTUNREACH: (
        "NoRouteToPeer",
        "{peer} is not there: nothing answers for its address; look at cable, VLAN, peerIP",
    ),
    errno.ENETUNREACH: ("NoRouteToPeer", "this node has no route to {peer}; correct peerIP, or the node's routes"),
    errno.EADDRNOTAVAIL: (
        "LocalAddressMissing",
        "this node has lost its address {local}; look at its network settings",
    ),
    errno.ENOTCONN: ("ConnectionClosed", "{peer} closed the connection; look there for the cause, it gave none"),
    errno.ECONNRESET: ("ConnectionReset", "{peer} broke the connection off; look there for a crash or restart"),
    errno.EPIPE: ("ConnectionReset", "{peer} broke the connection off; look there for a crash or restart"),
}

_OF_CLASS: Mapping[int, str] = {
    Code.HEADER: "HeaderError",
    Code.OPEN: "OpenError",
    Code.UPDATE: "UpdateError",
    Code.HOLD_TIMER: "HoldTimerExpired",
    Code.STATE_MACHINE: "StateMachineError",
    Code.CEASE: "Cease",
    Code.ROUTE_REFRESH: "RouteRefreshError",
    Code.SEND_HOLD_TIMER: "SendHoldTimerExpired",
}

_OF_CODE: Mapping[tuple[int, int], _Known] = {
    (Code.OPEN, 1): _Known("UnsupportedVersion"),
    (Code.OPEN, 2): _Known(
        "OpenBadPeerAS",
        "{peer} does not expect AS {local_asn}; correct localAsNumber, or the AS of neighbour {local} on the switch",
    ),
    (Code.OPEN, 3): _Known(
        "OpenBadID", "{peer} refuses this speaker's router id; another router has it: look on the switch which"
    ),
    (Code.OPEN, 4): _Known("UnsupportedCap", "{peer} refuses our capabilities; the next attempt offers fewer"),
    (Code.OPEN, 6): _Known(
        "UnacceptableHold", "{peer} refuses a hold time of {hold} s; change holdTimeSeconds, or the least it accepts"
    ),
    (Code.OPEN, 7): _Known(
        "UnsupportedCap",
        "{peer} refuses our capabilities; the next attempt offers fewer. Does the switch have both address families?",
    ),
    (Code.HOLD_TIMER, 0): _Known(
        "HoldTimerExpired",
        "{peer} heard nothing from this speaker for the hold time; look at the path and the node's load",
    ),
    (Code.CEASE, Cease.MAX_PREFIXES): _Known(
        "CeasePrefixLimit", "{peer} takes fewer prefixes than we announce; raise the limit of neighbour {local} there"
    ),
    (Code.CEASE, Cease.SHUTDOWN): _Known("CeaseAdminShutdown", "the session was shut down on {peer}; enable it there"),
    (Code.CEASE, Cease.DECONFIGURED): _Known(
        "CeaseDeconfigured", "{peer} has no neighbour {local} any more; configure it there, or delete the BGPPeer"
    ),
    (Code.CEASE, Cease.RESET): _Known("CeaseAdminReset", "the session was reset on {peer}; it comes back by itself"),
    (Code.CEASE, Cease.REJECTED): _Known(
        "CeaseRejected", "{peer} rejects the connection; look there for a limit of sessions or an access list"
    ),
    (Code.CEASE, Cease.CONFIG_CHANGE): _Known(
        "CeaseConfigChange", "the configuration of {peer} was changed; the session comes back by itself"
    ),
    (Code.CEASE, Cease.COLLISION): _Known(
        "CeaseCollision", "{peer} has another connection with {local}; if that lasts, a second speaker has our address"
    ),
    (Code.CEASE, Cease.RESOURCES): _Known(
        "CeaseResources", "{peer} is out of resources; look at its memory and sessions"
    ),
    (Code.CEASE, Cease.HARD_RESET): _Known("CeaseHardReset"),
    (Code.CEASE, 10): _Known(
        "CeaseBfdDown", "{peer} lost BFD with {local}; this speaker has no BFD, switch it off there"
    ),
    (Code.SEND_HOLD_TIMER, 0): _Known(
        "SendHoldTimerExpired", "{peer} could send nothing to this speaker; look at the path and the node's load"
    ),
}
