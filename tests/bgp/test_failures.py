"""Every way in which a session fails has a reason of its own, and a sentence that helps."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp.errors import Cease, Code, ProtocolError
from terway_edge.backends.bgp.failures import (
    Failure,
    before_open,
    connect_timeout,
    hold_expired,
    of_error,
    of_notification,
    of_os_error,
    send_hold_expired,
    shutdown_text,
)
from terway_edge.backends.bgp.messages import Notification
from tests.bgp.sessions import SPEAKER

WINDOW = "maintenance, back at 04:00, näheres: NOC ☎ 4711"


def told(text: bytes, subcode: int = Cease.SHUTDOWN) -> Notification:
    return Notification(Code.CEASE, subcode, bytes([len(text)]) + text)


def received(code: int, subcode: int = 0, data: bytes = b"") -> Failure:
    return of_notification(Notification(code, subcode, data), SPEAKER, received=True)


@pytest.mark.parametrize(
    ("number", "reason", "hint"),
    [
        (errno.ECONNREFUSED, "ConnectRefused", "configure BGP there with neighbour 192.0.2.10 in AS 65100"),
        (errno.ETIMEDOUT, "ConnectTimeout", "compare authPassword"),
        (errno.EHOSTUNREACH, "NoRouteToPeer", "cable, VLAN, peerIP"),
        (errno.ENETUNREACH, "NoRouteToPeer", "no route to 192.0.2.1"),
        (errno.EADDRNOTAVAIL, "LocalAddressMissing", "address 192.0.2.10"),
        (errno.ENOTCONN, "ConnectionClosed", "closed the connection"),
        (errno.ECONNRESET, "ConnectionReset", "broke the connection off"),
        (errno.EPIPE, "ConnectionReset", "broke the connection off"),
        (errno.EPERM, "ConnectFailed", "192.0.2.1: Operation not permitted"),
    ],
)
def test_errors_of_the_connection(number: int, reason: str, hint: str) -> None:
    failure = of_os_error(
        OSError(number, errno.errorcode[number] if number != errno.EPERM else "Operation not permitted"), SPEAKER
    )
    assert failure.reason == reason
    assert hint in failure.message
    assert (failure.code, failure.subcode, failure.received) == (0, 0, False)


def test_an_error_without_a_number_keeps_its_text() -> None:
    assert of_os_error(OSError("odd"), SPEAKER) == Failure("ConnectFailed", "192.0.2.1: odd")


def test_our_own_patience_ends_as_the_kernels_does() -> None:
    assert connect_timeout(SPEAKER) == of_os_error(OSError(errno.ETIMEDOUT, ""), SPEAKER)


def test_a_connection_closed_before_the_open_is_a_peer_without_us_in_its_configuration() -> None:
    for number in (errno.ENOTCONN, errno.ECONNRESET):
        lost = of_os_error(OSError(number, ""), SPEAKER)
        explained = before_open(lost, SPEAKER)
        assert explained.reason == lost.reason
        assert "is neighbour 192.0.2.10 in AS 65100 configured there" in explained.message
    refused = of_os_error(OSError(errno.ECONNREFUSED, ""), SPEAKER)
    assert before_open(refused, SPEAKER) is refused


@pytest.mark.parametrize(
    ("code", "subcode", "reason", "hint"),
    [
        (1, 1, "HeaderError", "Message Header Error/Connection Not Synchronized"),
        (2, 0, "OpenError", "OPEN Message Error"),
        (2, 1, "UnsupportedVersion", "Unsupported Version Number"),
        (2, 2, "OpenBadPeerAS", "does not expect AS 65100; correct localAsNumber"),
        (2, 3, "OpenBadID", "router id"),
        (2, 4, "UnsupportedCap", "next attempt offers fewer"),
        (2, 6, "UnacceptableHold", "hold time of 90 s; change holdTimeSeconds"),
        (2, 7, "UnsupportedCap", "next attempt offers fewer"),
        (2, 11, "OpenError", "Role Mismatch"),
        (3, 5, "UpdateError", "Attribute Length Error"),
        (4, 0, "HoldTimerExpired", "192.0.2.1 heard nothing"),
        (5, 2, "StateMachineError", "Unexpected Message in OpenConfirm"),
        (6, 0, "Cease", "Cease"),
        (6, 1, "CeasePrefixLimit", "raise the limit of neighbour 192.0.2.10"),
        (6, 2, "CeaseAdminShutdown", "shut down on 192.0.2.1"),
        (6, 3, "CeaseDeconfigured", "no neighbour 192.0.2.10 any more"),
        (6, 4, "CeaseAdminReset", "reset on 192.0.2.1"),
        (6, 5, "CeaseRejected", "limit of sessions or an access list"),
        (6, 6, "CeaseConfigChange", "configuration of 192.0.2.1 was changed"),
        (6, 7, "CeaseCollision", "another connection with 192.0.2.10"),
        (6, 8, "CeaseResources", "out of resources"),
        (6, 9, "CeaseHardReset", "Hard Reset"),
        (6, 10, "CeaseBfdDown", "switch it off there"),
        (6, 77, "Cease", "Cease/Subcode 77"),
        (7, 1, "RouteRefreshError", "ROUTE-REFRESH"),
        (8, 0, "SendHoldTimerExpired", "could send nothing"),
        (99, 3, "UnknownError", "Code 99/Subcode 3"),
    ],
)
def test_notifications_of_the_peer(code: int, subcode: int, reason: str, hint: str) -> None:
    failure = received(code, subcode)
    assert (failure.reason, failure.code, failure.subcode, failure.received) == (reason, code, subcode, True)
    assert hint in failure.message
    assert "192.0.2.1" in failure.message


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300), st.booleans())
def test_every_notification_is_one_line_and_one_word(code: int, subcode: int, data: bytes, is_received: bool) -> None:
    failure = of_notification(Notification(code, subcode, data), SPEAKER, received=is_received)
    assert failure.message.isprintable()
    assert failure.reason.isalnum()
    assert failure.reason[0].isupper()
    assert failure.received is is_received


def test_a_hard_reset_counts_as_what_is_inside() -> None:
    """FRR wraps what an operator does so once the N bit is agreed."""
    failure = received(6, 9, b"\x06\x02" + told(WINDOW.encode()).data)
    assert (failure.reason, failure.code, failure.subcode) == ("CeaseAdminShutdown", 6, 2)
    assert WINDOW in failure.message
    assert received(6, 9, b"\x06\x03").reason == "CeaseDeconfigured"


@pytest.mark.parametrize("data", [b"", b"\x06", b"\x06\x09\x06\x02"])
def test_a_hard_reset_with_nothing_inside_is_still_one(data: bytes) -> None:
    assert received(6, 9, data).reason == "CeaseHardReset"


@pytest.mark.parametrize("subcode", [Cease.SHUTDOWN, Cease.RESET])
def test_the_text_of_an_operator_is_shown(subcode: int) -> None:
    notification = told(WINDOW.encode(), subcode)
    assert shutdown_text(notification) == WINDOW
    assert received(6, subcode, notification.data).message.endswith(f' ("{WINDOW}")')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"", ""),
        (b"x" * 255, "x" * 255),
        (b"two\nlines\r\n", "two lines"),
        (b"\x1b[31mred\x07 \x00", "[31mred"),
        ("left\u202eright\u2028next".encode(), "left right next"),
        (b"caf\xe9 \xff", "caf\ufffd \ufffd"),
    ],
)
def test_a_text_is_made_safe_for_one_line(text: bytes, shown: str) -> None:
    assert shutdown_text(told(text)) == shown


def test_what_stands_behind_a_text_is_not_part_of_it() -> None:
    assert shutdown_text(Notification(6, 2, b"\x03abcdef")) == "abc"


@pytest.mark.parametrize(
    "notification",
    [
        Notification(6, 2),
        Notification(6, 2, b"\x05abc"),
        Notification(6, 3, b"\x03abc"),
        Notification(2, 2, b"\x03abc"),
    ],
)
def test_what_is_no_text_is_not_shown(notification: Notification) -> None:
    assert shutdown_text(notification) == ""


def test_braces_of_the_peer_are_only_braces() -> None:
    assert "{peer} {0}" in received(6, 2, told(b"{peer} {0}").data).message


def test_our_own_stop_names_what_we_sent() -> None:
    failure = of_notification(Notification(6, 1), SPEAKER, received=False)
    assert failure == Failure(
        "CeasePrefixLimit",
        "this speaker ended the session with 192.0.2.1: Cease/Maximum Number of Prefixes Reached",
        6,
        1,
    )


def test_a_wrong_as_in_the_peers_open_is_told_with_both_numbers() -> None:
    failure = of_error(ProtocolError(2, 2, "it is in AS 64999, not in peerAsNumber 65001"), SPEAKER)
    assert failure == Failure(
        "OpenBadPeerAS",
        "192.0.2.1: it is in AS 64999, not in peerAsNumber 65001 (OPEN Message Error/Bad Peer AS)",
        2,
        2,
    )


@pytest.mark.parametrize(("code", "reason"), [(1, "HeaderError"), (3, "UpdateError"), (5, "StateMachineError")])
def test_a_broken_protocol_is_the_peers_fault(code: int, reason: str) -> None:
    failure = of_error(ProtocolError(code, 1, "octets\n"), SPEAKER)
    assert (failure.reason, failure.code, failure.subcode, failure.received) == (reason, code, 1, False)
    assert failure.message.startswith("192.0.2.1 broke the protocol: octets (")
    assert failure.message.isprintable()


def test_expired_timers_tell_how_long_nothing_came_or_went() -> None:
    assert hold_expired(SPEAKER, 90).message.startswith("nothing came from 192.0.2.1 for 90 s")
    assert hold_expired(SPEAKER, 90).code == Code.HOLD_TIMER
    assert send_hold_expired(SPEAKER, 480).message.startswith(
        "192.0.2.1 read nothing of what this speaker sent for 480 s"
    )
