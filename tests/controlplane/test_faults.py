"""The control plane tells of BGPPeers that have no speaker, and of no other."""

from __future__ import annotations

import asyncio

import pytest

from terway_edge.controlplane.faults import Faults
from terway_edge.core.ports import Problem
from terway_edge.testing import RecordedEvents
from terway_edge.testing.apiserver import ApiServer
from tests.controlplane.test_peers import put_peer
from tests.controlplane.world import cluster, put_node, world_of


@pytest.fixture
def server() -> ApiServer:
    return cluster("n1", "n2")


class Rig:
    def __init__(self) -> None:
        self.events = RecordedEvents()
        self.faults = Faults(self.events)

    def turn(self, server: ApiServer, *problems: Problem) -> list[tuple[str, str]]:
        """What is told by that."""
        before = len(self.events.seen)
        asyncio.run(self.faults.turn(world_of(server)._replace(problems=problems), 0.0))
        return [(event.reason, event.subject) for event in self.events.seen[before:]]


def test_a_peer_whose_speakers_are_no_nodes_is_told_of_once_and_when_that_is_over(server: ApiServer) -> None:
    rig = Rig()
    put_peer(server, "n8", "n9")
    assert rig.turn(server) == [("SpeakerNotFound", "BGPPeer/peer")]
    assert rig.turn(server) == []
    put_node(server, "n8")
    put_node(server, "n9")
    assert rig.turn(server) == [("SpeakerNotFoundResolved", "BGPPeer/peer")]


def test_what_a_speaker_goes_on_telling_of_is_not_over(server: ApiServer) -> None:
    rig = Rig()
    put_peer(server, "n8", "n9")
    rig.turn(server)
    put_node(server, "n8")
    assert rig.turn(server) == []
    put_node(server, "n9")
    assert rig.turn(server) == [], "it is n8 that says so"


def test_a_peer_that_has_a_speaker_is_its_speakers_business(server: ApiServer) -> None:
    put_peer(server, "n9", "n1")
    assert Rig().turn(server, Problem("BGPPeer/peer: spec.peerIP", "is a network")) == []


def test_a_peer_that_could_never_be_read_is_told_of(server: ApiServer) -> None:
    rig = Rig()
    assert rig.turn(server, Problem("BGPPeer/new: spec.peerIP", "is a network")) == [
        ("InvalidObject", "BGPPeer/new: spec.peerIP")
    ]
    assert rig.turn(server) == [("InvalidObjectResolved", "BGPPeer/new: spec.peerIP")]


def test_a_speaker_whose_node_has_no_agent_tells_nothing(server: ApiServer) -> None:
    put_peer(server, "n1", "n2")
    for name in ("n1", "n2"):
        server.objects.patch("Node", name, {"metadata": {"labels": {"k8s.aliyun.com/ignore-by-terway": "true"}}})
    told = Rig().turn(server, Problem("BGPPeer/peer: spec.peerIP", "is a network"))
    assert told == [("InvalidObject", "BGPPeer/peer: spec.peerIP")]
