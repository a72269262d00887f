"""Sessions as status entries, conditions, metrics, and tables of the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from terway_edge.backends.bgp.answers import Picture, answer
from terway_edge.backends.bgp.cli import add_commands
from terway_edge.backends.bgp.metrics import BgpCollector
from terway_edge.backends.bgp.planner import Plan
from terway_edge.backends.bgp.status import conditions_of, details_of, status_entry
from terway_edge.core.models import Condition
from tests.bgp.clusters import node, peer, view
from tests.bgp.pictures import DOWN, NOW, REFUSED, UP, down, established, picture

# --- status, conditions, metrics --------------------------------------------------------------------------------------

WALL = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_a_status_entry_says_what_the_answer_says() -> None:
    assert status_entry(UP, UP.states[0], WALL) == {
        "speaker": "n1",
        "localAddress": "192.0.2.11",
        "state": "Established",
        "since": "2026-03-01T11:58:58Z",
        "prefixesAnnounced": 6,
        "prefixesReceived": 3,
        "flaps": 2,
        "negotiated": {
            "holdTimeSeconds": 90,
            "families": ["IPv4", "IPv6"],
            "gracefulRestart": True,
            "survivesNotification": True,
        },
        "lastError": "",
    }
    entry = status_entry(DOWN, DOWN.states[0], WALL)
    assert (entry["negotiated"], entry["lastError"]) == (None, f"ConnectRefused: {REFUSED.message}")


@pytest.mark.parametrize("later", [0.04, 0.5, 0.96, 7.0])
def test_the_same_state_has_the_same_entry_later(later: float) -> None:
    """Else it would be written again and again."""
    state = established(since=NOW - 61.04)
    first = status_entry(UP, state, WALL + timedelta(seconds=1.02))
    assert status_entry(replace(UP, now=NOW + later), state, WALL + timedelta(seconds=1.02 + later)) == first


def test_conditions_are_about_sessions_that_fail() -> None:
    assert conditions_of("n1", [established(), down(failure=None)]) == []
    assert conditions_of("n1", [down()]) == [
        Condition("ConnectRefused", "BGPPeer/lan-a", f"no session of n1 with 192.0.2.1: {REFUSED.message}")
    ]
    (condition,) = conditions_of("n1", [established(is_over_limit=True)])
    assert condition.reason == "TooManyPrefixes"


def test_details_count() -> None:
    assert details_of([established(), down()]) == {"sessions": 2, "established": 1, "prefixes": 6}
    assert details_of([]) == {"sessions": 0, "established": 0, "prefixes": 0}


def test_metrics_are_made_when_asked_for() -> None:
    states = [established()]
    registry = CollectorRegistry()
    registry.register(BgpCollector("n1", lambda: states))
    labels = '{address="192.0.2.1",peer="lan-a",speaker="n1"}'

    def shown() -> dict[str, float]:
        lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    assert shown() == {
        f"terway_edge_bgp_session_up{labels}": 1,
        f"terway_edge_bgp_announced_prefixes{labels}": 6,
        f"terway_edge_bgp_received_prefixes{labels}": 3,
        f"terway_edge_bgp_session_flaps_total{labels}": 2,
    }
    states[:] = [down()]
    assert shown()[f"terway_edge_bgp_session_up{labels}"] == 0
    states.clear()
    assert shown() == {}


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A command with answers of a picture: exit status and output."""

    def call(shown: Picture, *words: str) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        add_commands(parser)
        arguments = parser.parse_args(words)
        arguments.ask = lambda question: json.loads(json.dumps(answer(shown, question)))
        return arguments.run(arguments), capsys.readouterr().out

    return call


Run = Callable[..., tuple[int, str]]


def test_the_table_of_peers(run: Run) -> None:
    assert run(UP, "peers") == (
        0,
        "PEER   SPEAKER  ADDRESS    LOCAL AS  PEER AS  STATE        SINCE  ANNOUNCED  RECEIVED  LAST ERROR\n"
        "lan-a  n1       192.0.2.1  65100     65001    Established  61s    6          3         -\n",
    )
    status, text = run(DOWN, "peers")
    assert (status, "refuses connections" in text) == (1, True)
    assert run(picture(), "peers") == (0, "this node speaks to no peer: no BGPPeer names it\n")


def test_the_table_of_routes(run: Run) -> None:
    status, text = run(UP, "routes")
    heads, first, *_ = text.splitlines()
    assert status == 0
    assert heads.split() == ["PREFIX", "NEXT", "HOP", "ORIGIN", "PEER", "ADDRESS", "STATE"]
    assert first.split() == ["10.1.1.0/24", "192.0.2.11", "n1", "lan-a", "192.0.2.1", "Established"]
    assert run(picture(plan=Plan((), (), {})), "routes") == (0, "nothing is announced by this node\n")


def test_the_table_of_an_explanation(run: Run) -> None:
    status, text = run(UP, "explain", "10.1.2.7")
    assert status == 0
    assert text.splitlines()[1].split() == ["10.1.2.0/24", "n2", "lan-a", "192.0.2.1", "192.0.2.12", "n1", "yes", "-"]
    status, text = run(DOWN, "explain", "10.1.2.7")
    assert (status, "NO" in text.split(), "refuses connections" in text) == (1, True, True)
    status, text = run(
        picture(seen=view([node(1), node(2), node(3)], peer(localSpeakers=["n2"]))), "explain", "10.1.2.7"
    )
    assert (status, "not a speaker" in text) == (1, True)
    assert run(UP, "explain", "8.8.8.8")[0] == 1


def test_the_switchs_side_is_printed_as_it_is(run: Run) -> None:
    assert run(UP, "switch-config", "lan-a") == (0, answer(UP, ["switch-config", "lan-a", "frr"])["text"])
    assert (
        run(UP, "switch-config", "lan-a", "--for", "bird")[1] == answer(UP, ["switch-config", "lan-a", "bird"])["text"]
    )


@pytest.mark.parametrize("words", [["peers"], ["routes"], ["explain", "10.1.2.7"]])
def test_answers_as_json(run: Run, words: list[str]) -> None:
    _, text = run(UP, *words, "--json")
    assert json.loads(text) == json.loads(json.dumps(answer(UP, words)))
