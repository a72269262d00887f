"""Sessions as agents tell of them, judged."""

from __future__ import annotations

from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.sessions import Session, faults, read

LAYOUT = Layout("twt")
NODES = [lab_node(LAYOUT, index) for index in (1, 2, 3, 4)]
GOOD = [
    Session("node-1", "peer-a", "172.16.0.1", 65001, "Established", 1.5, 6, ""),
    Session("node-2", "peer-a", "172.16.0.1", 65001, "Established", 1.5, 6, ""),
    Session("node-4", "peer-b", "172.16.1.1", 65002, "Established", 1.5, 2, ""),
]
SPEAKERS = ("node-1", "node-2", "node-4")


def test_an_answer_is_read() -> None:
    row = {
        "peer": "peer-a",
        "speaker": "node-1",
        "address": "172.16.0.1",
        "local_asn": 65010,
        "peer_asn": 65001,
        "state": "Connect",
        "since_seconds": 3,
        "announced": 0,
        "received": 0,
        "last_error": None,
    }
    assert read({"peers": [row]}) == [Session("node-1", "peer-a", "172.16.0.1", 65001, "Connect", 3.0, 0, "")]


def test_nothing_is_wrong_with_good_sessions() -> None:
    assert faults(NODES, SPEAKERS, GOOD) == []


def test_a_missing_a_strange_and_a_silent_session_are_told() -> None:
    strange = Session("node-3", "peer-a", "172.16.0.1", 65001, "Established", 1.0, 6, "")
    down = GOOD[1]._replace(state="Connect", announced=0, last_error="refused")
    assert faults(NODES, SPEAKERS, [GOOD[0], down, strange]) == [
        "session of node-2 with 172.16.0.1 (peer-a): Connect, 0 prefixes, last error: refused; "
        "expected Established with AS 65001, 6 prefixes",
        "node-4 has no session with 172.16.1.1",
        "session of node-3 with 172.16.0.1 (peer-a): Established, 6 prefixes; nobody asked for it",
    ]


def test_too_few_prefixes_are_told() -> None:
    (fault,) = faults(NODES, ["node-4"], [GOOD[2]._replace(announced=1)])
    assert "1 prefixes; expected Established with AS 65002, 2 prefixes" in fault


def test_only_the_speakers_that_were_asked_for_count() -> None:
    assert faults(NODES, ["node-1"], GOOD[:1]) == []
