"""Tables and JSON of a run."""

from __future__ import annotations

import io
import json

import pytest

from terway_edge.lab.acts import Act
from terway_edge.lab.errors import LabError
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.learned import Learned
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.pings import Answer, End, Ping
from terway_edge.lab.pods import lab_pod
from terway_edge.lab.report import as_json, ping_matrix, table, tables, verdict
from terway_edge.lab.routes import LabRoute, compare
from terway_edge.lab.services import Call
from terway_edge.lab.sessions import Session
from terway_edge.lab.steps import Steps

A, B = End("pod-1-1", "", ("192.0.2.1", "")), End("node-2", "", ("192.0.2.2", ""))


@pytest.fixture
def outcome() -> Outcome:
    """A run in which one ping was lost and one route is wrong."""
    outcome = Outcome(Steps(io.StringIO()), nodes=2)
    layout = Layout("twt")
    for index in (2, 1):
        outcome.pod_added(lab_pod(layout, lab_node(layout, index), 1), 2.5)
    with outcome.steps.step("pings") as step:
        outcome.answers = [Answer(Ping(A, B, 4), 2, 0, 0.071), Answer(Ping(B, A, 4), 2, 1)]
        step.problem("node-2 -> pod-1-1: 1 of 2 lost", "agent.log")
    outcome.calls = [Call("pod-1-1", "svc-1", "198.19.0.1", "pod-2-1", "connection refused")]
    wanted, actual = LabRoute("10.64.2.0/24", "198.18.0.12", "uplink"), LabRoute("10.64.9.0/24")
    outcome.tables = [compare("node-1", {wanted}, {actual})]
    outcome.sessions = [Session("node-1", "peer-a", "198.18.0.1", 65001, "Connect", 2.25, 0, "refused")]
    outcome.learned = [
        Learned("switch-a", "10.64.1.0/24", ("198.18.0.11",), ("198.18.0.11", "198.18.0.12"), True, "ok"),
        Learned("switch-b", "10.64.2.0/24", (), (), False, "MISSING"),
    ]
    outcome.changes = {"appeared_nodes": 0.1, "appeared_switches": None}
    outcome.acts = [Act("node-1 killed", 500, 1, 1, "UNEXPLAINED on one")]
    return outcome


def test_columns_line_up() -> None:
    assert table(["a", "bbb"], [["cccc", "d"], ["e", "f"]]) == "a     bbb\n----  ---\ncccc  d\ne     f"


def test_matrix_shows_times_losses_and_what_was_not_tried(outcome: Outcome) -> None:
    lines = ping_matrix(outcome.answers, 4).splitlines()
    assert lines[1].split() == ["from", "/", "to", "pod-1-1", "node-2"]
    assert lines[3].split() == ["pod-1-1", ".", "0.07"]
    assert lines[4].split() == ["node-2", "LOST", "."]
    assert ping_matrix(outcome.answers, 6) == ""


def test_tables_name_what_is_wrong(outcome: Outcome) -> None:
    text = tables(outcome)
    rows = [line.split() for line in text.splitlines()]
    assert ["node-1", "unicast", "10.64.2.0/24", "198.18.0.12", "uplink", "MISSING"] in rows
    assert ["node-1", "unicast", "10.64.9.0/24", "-", "-", "UNEXPECTED"] in rows
    assert ["pod-1-1", "connection", "refused"] in rows
    assert ["node-1", "peer-a", "198.18.0.1", "65001", "Connect", "2.2", "s", "0"] in rows
    assert ["switch-a", "10.64.1.0/24", "198.18.0.11", "198.18.0.11,", "198.18.0.12", "yes", "ok"] in rows
    assert ["switch-b", "10.64.2.0/24", "-", "-", "no", "MISSING"] in rows
    assert ["node-1", "killed", "500", "1", "UNEXPLAINED", "on", "one"] in rows


def test_verdict_names_the_failed_steps(outcome: Outcome) -> None:
    assert verdict(outcome).startswith("FAILED in pings: 2 nodes, 2 pods, 4 pings sent, 1 lost")
    outcome.interrupted = True
    assert verdict(outcome).startswith("INTERRUPTED in pings")
    assert verdict(Outcome(Steps(io.StringIO()))).startswith("OK: ")


def test_json_is_one_line_with_what_scripts_need(outcome: Outcome) -> None:
    text = as_json(outcome)
    assert "\n" not in text
    content = json.loads(text)
    assert content["ok"] is False
    assert content["pings"] == {"sent": 4, "lost": 1}
    assert (content["nodes"], content["pods"]) == (2, 2)
    assert list(content["add_ms"]) == ["pod-1-1", "pod-2-1"]
    assert content["route_change_seconds"] == {"appeared_nodes": 0.1, "appeared_switches": None}
    assert content["sessions"][0]["state"] == "Connect"
    assert content["switch_routes"] == {
        "switch-a": ["10.64.1.0/24 via 198.18.0.11"],
        "switch-b": ["10.64.2.0/24 (MISSING)"],
    }
    assert content["acts"] == [
        {"name": "node-1 killed", "sent": 500, "lost": 1, "unexplained": 1, "why": "UNEXPLAINED on one"}
    ]
    assert content["steps"][0]["problems"] == ["node-2 -> pod-1-1: 1 of 2 lost (look at agent.log)"]


def test_a_step_that_raises_is_told_and_the_error_goes_on() -> None:
    progress = io.StringIO()
    steps = Steps(progress)
    with pytest.raises(LabError), steps.step("agents"):
        raise LabError("the agent ended", look_at="agent.log")
    assert not steps.ok
    assert "FAIL" in progress.getvalue()
    assert "the agent ended (look at agent.log)" in progress.getvalue()
