"""Tables and JSON of a run."""

from __future__ import annotations

import io
import json

import pytest

from terway_edge.lab.acts import Act
from terway_edge.lab.cloud_process import CloudReport, Eni
from terway_edge.lab.errors import LabError
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.learned import Learned
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.picture import PICTURE
from terway_edge.lab.pings import Answer, End, Ping
from terway_edge.lab.pods import lab_pod
from terway_edge.lab.report import as_json, ping_matrix, tables, verdict
from terway_edge.lab.routes import LabRoute, compare
from terway_edge.lab.services import Call
from terway_edge.lab.sessions import Session
from terway_edge.lab.steps import Steps
from terway_edge.lab.text import table
from terway_edge.lab.way import Applied

A, B = End("pod-1-1", "", ("192.0.2.1", ""), "lan-a"), End("node-2", "", ("192.0.2.2", ""), "ens")


@pytest.fixture
def outcome() -> Outcome:
    """A run in which one ping was lost and one route is wrong."""
    outcome = Outcome(Steps(io.StringIO()), nodes=2)
    layout = Layout("twt")
    for index in (2, 1):
        pod = lab_pod(layout, lab_node(layout, index), 1)
        pod.result = {"ips": [{"address": f"10.64.{index}.1/32"}]}
        outcome.pod_added(pod, 2.5)
    with outcome.steps.step("pings") as step:
        outcome.answers = [Answer(Ping(A, B, 4), 2, 0, 0.071), Answer(Ping(B, A, 4), 2, 1)]
        step.problem("node-2 -> pod-1-1: 1 of 2 lost", "agent.log")
    outcome.calls = [Call("pod-1-1", "svc-1", "198.19.0.1", "pod-2-1", "connection refused")]
    wanted, actual = LabRoute("10.64.2.0/24", "172.16.0.12", "uplink"), LabRoute("10.64.9.0/24")
    outcome.tables = [compare("node-1", {wanted}, {actual})]
    outcome.sessions = [Session("node-1", "peer-a", "172.16.0.1", 65001, "Connect", 2.25, 0, "refused")]
    outcome.learned = [
        Learned("switch-a", "10.64.1.0/24", ("172.16.0.11",), ("172.16.0.11", "172.16.0.12"), True, "ok"),
        Learned("switch-b", "10.64.2.0/24", (), (), False, "MISSING"),
    ]
    outcome.changes = {"appeared_nodes": 0.1, "appeared_switches": None}
    outcome.applied = [
        Applied(
            "gateway", "", ("ip route replace 192.0.2.0/24 via 198.51.100.1", "ip route replace unreachable 10.0.0.0/8")
        )
    ]
    eni = Eni("eni-1", "i-1", "Secondary", "InUse", "vsw-1", "00:16:3e:00:00:01", "eth1", ("10.64.1.9", "10.64.1.1"))
    outcome.cloud = CloudReport(
        {"ecs:AttachNetworkInterface": 2}, {"Throttling": 1}, 4, ["eni-1 is wrong"], ["eni-2"], [eni]
    )
    outcome.foreign, outcome.spoofs = 7, [("vpc", 3, 2)]
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
    assert ["node-1", "unicast", "10.64.2.0/24", "172.16.0.12", "uplink", "MISSING"] in rows
    assert ["node-1", "unicast", "10.64.9.0/24", "-", "-", "UNEXPECTED"] in rows
    assert ["pod-1-1", "connection", "refused"] in rows
    assert ["node-1", "peer-a", "172.16.0.1", "65001", "Connect", "2.2", "s", "0"] in rows
    assert ["switch-a", "10.64.1.0/24", "172.16.0.11", "172.16.0.11,", "172.16.0.12", "yes", "ok"] in rows
    assert ["switch-b", "10.64.2.0/24", "-", "-", "no", "MISSING"] in rows
    assert ["node-1", "killed", "500", "1", "UNEXPLAINED", "on", "one"] in rows


def test_domains_and_the_cloud_are_told(outcome: Outcome) -> None:
    rows = [line.split() for line in tables(outcome).splitlines()]
    assert ["lan-a", ".", "0/2", "0.07"] in rows
    assert ["ens", "1/2", "0.00", "."] in rows
    assert ["gateway", "192.0.2.0/24", "via", "198.51.100.1"] in rows
    assert ["unreachable", "10.0.0.0/8"] in rows
    assert ["i-1", "eth1", "eni-1", "Secondary", "vsw-1", "00:16:3e:00:00:01", "2", "1"] in rows
    assert ["2", "ecs:AttachNetworkInterface"] in rows
    assert ["refused", "calls", "1", "Throttling"] in rows
    assert ["violations", "eni-1", "is", "wrong"] in rows
    assert ["ENIs", "of", "nobody", "eni-2"] in rows
    assert ["packets", "dropped", "7,", "for", "a", "source", "that", "the", "ENI", "does", "not", "own"] in rows
    assert ["2", "of", "3", "that", "vpc", "was", "sent", "on", "purpose"] in rows
    assert PICTURE in tables(outcome)


def test_what_is_long_is_shown_when_asked_for_or_wrong(outcome: Outcome) -> None:
    titles = ["IPv4: mean round trip", "Services by DNAT", "Routes (protocol 158)", "What the switches say"]
    assert [title in tables(outcome) for title in titles] == [False, True, True, True]
    outcome.calls = [call._replace(why="") for call in outcome.calls]
    outcome.tables = [compare("node-1", set(), set())]
    outcome.learned = outcome.learned[:1]
    assert [title in tables(outcome) for title in titles] == [False] * 4
    assert [title in tables(outcome, everything=True) for title in titles] == [True, True, False, True]


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
        "switch-a": ["10.64.1.0/24 via 172.16.0.11"],
        "switch-b": ["10.64.2.0/24 (MISSING)"],
    }
    assert content["acts"] == [
        {"name": "node-1 killed", "sent": 500, "lost": 1, "unexplained": 1, "why": "UNEXPLAINED on one"}
    ]
    assert content["domains"][0] == {
        "source": "lan-a", "target": "ens", "family": 4, "sent": 2, "lost": 0, "milliseconds": 0.071,
    }  # fmt: skip
    assert list(content["plan"]) == ["gateway"]
    assert content["cloud"]["enis"][0]["pods"] == 1
    assert content["cloud"]["spoofed"] == [{"network": "vpc", "sent": 3, "dropped": 2}]
    assert content["steps"][0]["problems"] == ["node-2 -> pod-1-1: 1 of 2 lost (look at agent.log)"]


def test_a_step_that_raises_is_told_and_the_error_goes_on() -> None:
    progress = io.StringIO()
    steps = Steps(progress)
    with pytest.raises(LabError), steps.step("agents"):
        raise LabError("the agent ended", look_at="agent.log")
    assert not steps.ok
    assert "FAIL" in progress.getvalue()
    assert "the agent ended (look at agent.log)" in progress.getvalue()
