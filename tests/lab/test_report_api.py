"""What is shown of the API."""

from __future__ import annotations

import io

from terway_edge.lab.api_server import ApiReport
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.report_api import api_json, wrote
from terway_edge.lab.steps import Steps
from terway_edge.lab.written import Written

SPEAKER = Written("BGPPeer/peer-a", "status of node-1", "Established, 6 prefixes")
POD = Written("Pod/pod-c1-1", "annotation x", "192.168.64.1")
BAD = Written("Node/node-1", "condition NetworkUnavailable", "True", "should be False")


def outcome(*rows: Written) -> Outcome:
    return Outcome(Steps(io.StringIO()), written=list(rows))


def test_what_speakers_wrote_and_what_is_wrong_is_shown_and_all_the_rest_on_request() -> None:
    told = outcome(SPEAKER, POD, BAD)
    rows = wrote(told, everything=False).splitlines()[3:]
    assert [row.split("  ")[0] for row in rows] == [SPEAKER.where, BAD.where]
    assert POD.where in wrote(told, everything=True)
    assert rows[1].endswith("True                     should be False")


def test_nothing_without_an_api() -> None:
    assert (wrote(outcome(), everything=True), api_json(outcome())) == ("", None)


def test_json_has_requests_if_the_server_tells() -> None:
    told = outcome(SPEAKER)
    assert api_json(told) == {"written": [SPEAKER._asdict()], "requests": None}
    told.api = ApiReport({"list nodes": 2}, [], [])
    assert api_json(told) == {
        "written": [SPEAKER._asdict()],
        "requests": {"calls": {"list nodes": 2}, "forbidden": [], "malformed": []},
    }
