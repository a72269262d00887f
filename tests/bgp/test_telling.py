"""Edges as events: all of them while they are rare, the last one in any case; and what silence means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp.failures import Failure
from terway_edge.backends.bgp.peering import Edge
from terway_edge.backends.bgp.suspicion import suspected
from terway_edge.backends.bgp.telling import SAME_AGAIN, TOLD, WINDOW, Telling
from terway_edge.core.addresses import Address
from terway_edge.core.ports import Event, Severity
from terway_edge.core.secret import Secret
from tests.bgp.sessions import SPEAKER

NOW = 1000.0
REFUSED = Failure("ConnectRefused", "192.0.2.1 refuses connections")
UP = Edge(SPEAKER)
LOST = Edge(SPEAKER, Failure("HoldTimerExpired", "nothing came"), was_established=True)
FAILED = Edge(SPEAKER, REFUSED)


@pytest.fixture
def telling() -> Telling:
    return Telling("n1")


WHO = "session of n1 (192.0.2.10, AS 65100) and 192.0.2.1 (AS 65001)"


@pytest.mark.parametrize(
    ("edge", "event"),
    [
        (UP, Event("Established", "BGPPeer/lan-a", f"{WHO} is established")),
        (LOST, Event("SessionLost", "BGPPeer/lan-a", f"{WHO}: HoldTimerExpired: nothing came", Severity.WARNING)),
        (
            FAILED,
            Event(
                "FailedEstablish",
                "BGPPeer/lan-a",
                f"{WHO}: ConnectRefused: 192.0.2.1 refuses connections",
                Severity.WARNING,
            ),
        ),
    ],
)
def test_each_edge_has_its_event(telling: Telling, edge: Edge, event: Event) -> None:
    assert telling.event(edge, NOW) == event


def test_the_same_failure_is_told_once_in_ten_minutes(telling: Telling) -> None:
    assert telling.event(FAILED, NOW) is not None
    for second in range(1, int(SAME_AGAIN), 5):
        assert telling.event(FAILED, NOW + second) is None
    assert telling.event(FAILED, NOW + SAME_AGAIN) is not None


def test_another_failure_is_told_at_once_and_so_is_the_same_after_a_session(telling: Telling) -> None:
    other = Edge(SPEAKER, Failure("NoRouteToPeer", "is not there"))
    for at, edge in enumerate([FAILED, other, FAILED, UP, LOST, FAILED]):
        assert telling.event(edge, NOW + at) is not None


def test_peers_do_not_hide_one_another(telling: Telling) -> None:
    second = replace(SPEAKER, name="lan-b", address=Address.parse("192.0.2.2"))
    assert telling.event(FAILED, NOW) is not None
    assert telling.event(Edge(second, REFUSED), NOW) is not None


def test_a_peer_that_is_gone_is_forgotten_without_an_event(telling: Telling) -> None:
    assert telling.event(FAILED, NOW) is not None
    assert telling.event(Edge(SPEAKER, is_gone=True), NOW) is None
    assert telling.event(FAILED, NOW) is not None


def test_a_session_that_flaps_is_told_ten_times_a_minute_and_how_it_stands_afterwards(telling: Telling) -> None:
    told = [telling.event(UP if step % 2 else LOST, NOW + step) for step in range(40)]
    assert [event is not None for event in told] == [True] * TOLD + [False] * 30
    assert telling.overdue(NOW + 39) == []
    assert telling.overdue(NOW + WINDOW - 0.1) == []
    (event,) = telling.overdue(NOW + WINDOW)
    assert event.reason == "Established"
    assert event.message.endswith("is established (29 changes before were not told: the session flaps)")
    assert telling.overdue(NOW + WINDOW) == []


def test_the_first_event_after_a_pause_says_how_many_were_kept_back(telling: Telling) -> None:
    for step in range(12):
        telling.event(UP if step % 2 else LOST, NOW + step)
    event = telling.event(UP, NOW + WINDOW + 1)
    assert event is not None
    assert "(2 changes before were not told" in event.message


@given(st.lists(st.tuples(st.sampled_from([UP, LOST, FAILED]), st.floats(0, 30)), max_size=60))
def test_never_too_many_and_the_last_state_is_told_in_the_end(edges: list[tuple[Edge, float]]) -> None:
    telling, now, told = Telling("n1"), NOW, []
    for edge, pause in edges:
        now += pause
        told += [(now, event) for event in telling.overdue(now)]
        event = telling.event(edge, now)
        told += [(now, event)] if event else []
    told += [(now + WINDOW, event) for event in telling.overdue(now + WINDOW)]
    for at, _ in told:
        assert sum(at <= other < at + WINDOW for other, _ in told) <= TOLD + 1
    if edges:
        expected = Telling("n1").event(edges[-1][0], now)
        assert expected is not None
        assert told[-1][1].reason == expected.reason
        assert told[-1][1].message.startswith(expected.message)


# --- suspicion --------------------------------------------------------------------------------------------------------

TIMEOUT = Failure("ConnectTimeout", "192.0.2.1 does not answer on port 179")


def test_a_peer_that_is_there_and_answers_nothing_may_have_another_password() -> None:
    spec = replace(SPEAKER, password=Secret(b"canary"))
    found = suspected(TIMEOUT, spec, is_on_link=True, new_unsigned=0)
    assert found.reason == "AuthSuspected"
    assert "this side signs with the password of spec.authPassword" in found.message
    assert "canary" not in found.message
    assert "neighbour 192.0.2.10" in found.message


def test_the_kernels_count_of_badly_signed_segments_is_told() -> None:
    found = suspected(TIMEOUT, SPEAKER, is_on_link=True, new_unsigned=3)
    assert "this side has no password" in found.message
    assert "this node itself dropped 3 segments" in found.message


@pytest.mark.parametrize(
    ("failure", "is_on_link"), [(TIMEOUT, False), (REFUSED, True), (Failure("NoRouteToPeer", "is not there"), True)]
)
def test_everything_else_is_what_it_looks_like(failure: Failure, is_on_link: bool) -> None:
    assert suspected(failure, SPEAKER, is_on_link=is_on_link, new_unsigned=9) is failure
