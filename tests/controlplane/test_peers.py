"""Conditions of BGPPeers, and entries that nobody takes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from terway_edge.cluster.api.bodies import field_manager, speaker_status
from terway_edge.cluster.api.transport import Query
from terway_edge.controlplane.peer_conditions import condition_of, verdicts
from terway_edge.controlplane.peers import Peers
from terway_edge.core.ports import StatusEntry
from terway_edge.testing.apiserver import ApiServer
from tests.controlplane.world import DirectApi, cluster, put_agent, put_node, world_of

NOW = 1_700_000_000.0


def put_peer(server: ApiServer, *speakers: str, name: str = "peer") -> None:
    spec = {"localSpeakers": list(speakers), "localAsNumber": 65010, "peerIP": "172.16.0.1", "peerAsNumber": 65001}
    metadata = {"name": name}
    server.objects.put(
        {
            "apiVersion": "network.openyurt.io/v1alpha1",
            "kind": "BGPPeer",
            "metadata": metadata,
            "spec": {**spec, "nodeSelector": "all()"},
        }
    )


def say(server: ApiServer, node: str, state: str = "Established", error: str = "", name: str = "peer") -> None:
    """As the agent of a speaker writes its entry."""
    body = speaker_status(StatusEntry("BGPPeer", name, node, {"state": state, "lastError": error}))
    server.objects.apply(body, field_manager(node), force=True, subresource="status")


def status(server: ApiServer, name: str = "peer") -> dict[str, Any]:
    return server.objects.get("BGPPeer", name).get("status", {})


def speakers(server: ApiServer) -> list[str]:
    return [each["node"] for each in status(server).get("speakers", [])]


@pytest.fixture
def server() -> ApiServer:
    found = cluster("n1", "n2", "n3")
    put_peer(found, "n1", "n2")
    return found


def judge(server: ApiServer) -> tuple[str, str, str]:
    return verdicts(world_of(server))["peer"]


# --- the decision -------------------------------------------------------------------------------------------------


def test_true_if_all_speakers_have_a_session(server):
    say(server, "n1")
    say(server, "n2")
    assert judge(server) == ("True", "AllEstablished", "2 of 2 speakers have a session with 172.16.0.1")


def test_false_if_one_has_none_and_why(server):
    say(server, "n1")
    say(server, "n2", "Active", "ConnectRefused: nobody listens there")
    text = "1 of 2 speakers have a session with 172.16.0.1; n2: ConnectRefused: nobody listens there"
    assert judge(server) == ("False", "NotEstablished", text)
    say(server, "n2", "Connect")
    assert "n2: no session yet" in judge(server)[2]


def test_unknown_while_one_has_said_nothing(server):
    say(server, "n1")
    assert judge(server)[:2] == ("Unknown", "SpeakerSilent")
    assert "n2: it has not said anything yet" in judge(server)[2]


@pytest.mark.parametrize("ready", ["Unknown", "False"])
def test_unknown_if_a_speakers_node_is_not_ready(server, ready):
    say(server, "n1")
    say(server, "n2")
    put_node(server, "n2", ready)
    assert judge(server)[:2] == ("Unknown", "SpeakerSilent")
    assert "n2: what it said is old, for its Node is not ready" in judge(server)[2]


def test_unknown_if_a_speakers_agent_is_not_ready(server):
    say(server, "n1")
    say(server, "n2")
    put_agent(server, "n1", ready=True)
    put_agent(server, "n2", ready=False)
    assert judge(server)[:2] == ("Unknown", "SpeakerSilent")


def test_what_is_down_is_told_before_what_is_unknown(server):
    say(server, "n2", "Idle")
    assert judge(server)[0] == "False"


def test_a_speaker_that_is_no_node_or_an_older_peers_is_down(server):
    say(server, "n1")
    put_peer(server, "n1", "gone", name="zz")
    say(server, "n1", name="zz")
    found = verdicts(world_of(server))["zz"]
    assert found.status == "False"
    assert "n1: an older BGPPeer lets it speak with the same peerIP; gone: there is no such Node" in found.message


# --- what is written ----------------------------------------------------------------------------------------------


def test_the_condition_is_written_once_and_entries_are_left_alone(server):
    api = DirectApi(server)
    peers = Peers(api, lambda: NOW)
    say(server, "n1")
    say(server, "n2")
    asyncio.run(peers.turn(world_of(server), 0.0))
    (condition,) = status(server)["conditions"]
    assert (condition["type"], condition["status"], condition["observedGeneration"]) == ("Established", "True", 1)
    assert condition["lastTransitionTime"] == "2023-11-14T22:13:20Z"
    assert speakers(server) == ["n1", "n2"]
    asyncio.run(peers.turn(world_of(server), 1.0))
    assert len(api.written) == 1, "it is so already"


def test_the_time_is_that_of_the_last_change_of_status(server):
    now = NOW
    peers = Peers(DirectApi(server), lambda: now)
    say(server, "n1", "Active", "x")
    asyncio.run(peers.turn(world_of(server), 0.0))
    now += 60
    say(server, "n1", "Active", "y")
    asyncio.run(peers.turn(world_of(server), 60.0))
    first = condition_of(world_of(server).peers["peer"])
    assert "n1: y" in first.message
    assert first.last_transition_time == "2023-11-14T22:13:20Z"
    say(server, "n1")
    say(server, "n2")
    asyncio.run(peers.turn(world_of(server), 120.0))
    assert condition_of(world_of(server).peers["peer"]).last_transition_time == "2023-11-14T22:14:20Z"


def test_words_alone_are_not_written_all_the_time(server):
    api = DirectApi(server)
    peers = Peers(api, lambda: NOW)
    for second, error in enumerate("abcdefghijkl"):
        say(server, "n1", "Active", error)
        again = asyncio.run(peers.turn(world_of(server), float(second)))
    told = [body["status"]["conditions"][0]["message"] for _, _, body in api.written]
    assert [text.partition("n1: ")[2][0] for text in told] == ["a", "f", "k"]
    assert again == 4.0


def test_entries_of_who_is_no_speaker_any_more_go_after_a_while(server):
    peers = Peers(DirectApi(server), lambda: NOW)
    for node in ("n1", "n2", "n3"):
        say(server, node)
    put_peer(server, "n1", "n2")
    assert asyncio.run(peers.turn(world_of(server), 0.0)) == 60.0
    assert speakers(server) == ["n1", "n2", "n3"], "its agent may do it itself"
    asyncio.run(peers.turn(world_of(server), 60.0))
    assert speakers(server) == ["n1", "n2"]


def test_the_entry_of_a_node_that_was_deleted_goes(server):
    peers = Peers(DirectApi(server), lambda: NOW)
    say(server, "n2")
    server.objects.delete("Node", "n2")
    for second in (0.0, 61.0):
        asyncio.run(peers.turn(world_of(server), second))
    assert speakers(server) == []
    assert [each["type"] for each in status(server)["conditions"]] == ["Established"]


def test_who_becomes_a_speaker_meanwhile_keeps_its_entry(server):
    peers = Peers(DirectApi(server), lambda: NOW)
    say(server, "n3")
    old = world_of(server)
    asyncio.run(peers.turn(old, 0.0))
    put_peer(server, "n1", "n3")
    asyncio.run(peers.turn(old, 61.0))
    assert speakers(server) == ["n3"]


def test_who_becomes_a_speaker_at_the_last_moment_keeps_its_entry_too(server):
    class Racing(DirectApi):
        async def get(self, path: str, query: Query = ()) -> bytes:
            found = await super().get(path, query)
            put_peer(self.server, "n1", "n3")
            return found

    peers = Peers(Racing(server), lambda: NOW)
    say(server, "n3")
    old = world_of(server)
    for second in (0.0, 61.0):
        asyncio.run(peers.turn(old, second))
    assert speakers(server) == ["n3"]


def test_a_peer_that_was_deleted_meanwhile_is_no_error(server):
    peers = Peers(DirectApi(server), lambda: NOW)
    say(server, "n3")
    old = world_of(server)
    server.objects.delete("BGPPeer", "peer")
    for second in (0.0, 61.0):
        assert asyncio.run(peers.turn(old, second)) > 0
