"""A peer with faulty software costs no session where RFC 7606 can do without, and never more than the session."""

from __future__ import annotations

from contextlib import suppress

import pytest

from terway_edge.backends.bgp.messages import Notification
from terway_edge.backends.bgp.wish import Wish
from tests.interop import places
from tests.interop.damage import BORNE, FATAL, NEXT_HOP, NLRI, PATH, update
from tests.interop.scripted import lives
from tests.interop.stage import Stage, pod_routes, spec_of
from tests.interop.waiting import until

pytestmark = pytest.mark.root

PEER = places.SWITCH[0]


def test_s37_what_rfc_7606_bears_costs_no_session(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.session()
    before = stage.site.processes.must(["ip", "route", "show", "table", "all"], netns=stage.site.nodes[1])
    dead = []
    for name, octets in BORNE.items():
        connection.send(octets)
        if not lives(connection, pod_routes()):
            dead.append(name)
            connection = peer.session()
    assert len(BORNE) >= 64
    assert dead == []
    assert [edge.reason for edge in speaker.edges()] == [""]
    assert stage.site.processes.must(["ip", "route", "show", "table", "all"], netns=stage.site.nodes[1]) == before


def test_s37_a_route_with_a_fault_counts_as_withdrawn(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker(most_received=1000)
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.session()
    connection.send(update(*PATH))
    until(lambda: speaker.state(PEER).received == 1, "the route is counted")
    connection.send(update(NEXT_HOP, nlri=NLRI))
    until(lambda: speaker.state(PEER).received == 0, "the route is not counted any more")
    assert lives(connection, pod_routes())


def test_s37_what_cannot_be_borne_ends_the_session_with_its_reason(stage: Stage) -> None:
    peer, speaker = stage.scripted(), stage.speaker(longest_pause=0.01)
    speaker.want(Wish(spec_of(), pod_routes()))
    for name, (octets, code, subcode) in FATAL.items():
        connection = peer.session()
        assert lives(connection, pod_routes())
        connection.send(octets)
        rest = connection.rest()
        last = rest[-1] if rest else None
        assert isinstance(last, Notification), name
        assert (last.code, last.subcode) == (code, subcode), name
    until(lambda: len(speaker.edges()) >= 2 * len(FATAL), "every end was told")
    told = [(edge.code, edge.subcode) for edge in speaker.edges() if edge.was_established]
    assert told == [(code, subcode) for _, code, subcode in FATAL.values()]
    assert not any(edge.received for edge in speaker.edges())


@pytest.mark.parametrize("octets", [b"\x00" * 4096, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\xff" * 100000])
def test_t48_what_is_no_bgp_at_all_is_refused(stage: Stage, octets: bytes) -> None:
    peer, speaker = stage.scripted(), stage.speaker(longest_pause=0.01)
    speaker.want(Wish(spec_of(), pod_routes()))
    connection = peer.accept()
    with suppress(ConnectionResetError, BrokenPipeError):  # who refuses the first octets need not read the last ones
        connection.send(octets)
    rest = connection.rest()
    if len(octets) <= 4096:  # else unread octets turn the end of the connection into a reset
        assert isinstance(rest[-1], Notification)
        assert rest[-1].code == 1
    peer.session()
    until(lambda: speaker.state(PEER).state == "Established", "the next connection is as good as any")
