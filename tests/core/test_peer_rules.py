"""Laws of several BGPPeers: who is in force for what, and what is told about the others."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.models import Node
from terway_edge.core.peer_rules import effective_peers, peer_conditions
from tests.core.bgp_peers import make_peer

NODES = tuple(
    Node(f"node-{n}", {"pool": "a"}, (Address.parse(f"172.16.0.1{n}"),), (Prefix.parse(f"10.{n}.0.0/24"),))
    for n in (1, 2, 3)
)
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


@st.composite
def peer_sets(draw: st.DrawFn) -> list[BgpPeer]:
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True))
    return [
        make_peer(
            name,
            draw(st.sampled_from(["", OLD, NEW])),
            localSpeakers=draw(st.lists(st.sampled_from(["n1", "n2", "n3"]), min_size=1, unique=True)),
            peerIP=draw(st.sampled_from(["172.16.0.1", "172.16.0.2"])),
        )
        for name in names
    ]


@given(peer_sets(), st.integers())
def test_every_claim_has_exactly_one_owner_the_oldest(peers: list[BgpPeer], seed: int) -> None:
    found = effective_peers(peers)
    claims = [(speaker, peer.spec.peer_ip) for peer in found for speaker in peer.spec.local_speakers]
    assert len(set(claims)) == len(claims)
    for peer in peers:
        for speaker in peer.spec.local_speakers:
            rivals = [p for p in peers if speaker in p.spec.local_speakers and p.spec.peer_ip == peer.spec.peer_ip]
            owner = min(rivals, key=lambda rival: (rival.created, rival.name))
            (winner,) = [p for p in found if speaker in p.spec.local_speakers and p.spec.peer_ip == peer.spec.peer_ip]
            assert (winner.name, winner.created) == (owner.name, owner.created)
    assert [(p.created, p.name) for p in found] == sorted((p.created, p.name) for p in found)
    assert effective_peers(found) == found
    shuffled = random.Random(seed).sample(peers, len(peers))
    assert effective_peers(shuffled) == found


@given(peer_sets())
def test_whoever_lost_a_claim_is_told_once_for_each_winner(peers: list[BgpPeer]) -> None:
    kept = {peer.name: set(peer.spec.local_speakers) for peer in effective_peers(peers)}
    told = [condition for condition in peer_conditions(peers, NODES) if condition.reason == "Conflict"]
    assert len(told) == len(set(told))
    losers = {peer.subject for peer in peers if set(peer.spec.local_speakers) - kept.get(peer.name, set())}
    assert {condition.subject for condition in told} == losers


def reasons(*peers: BgpPeer, nodes: tuple[Node, ...] = NODES) -> list[tuple[str, str]]:
    found = peer_conditions(peers, nodes)
    assert all(";" in condition.message for condition in found), "a condition says what to do"
    return [(condition.reason, condition.subject) for condition in found]


def test_a_good_peer_says_nothing() -> None:
    assert reasons(make_peer()) == []
    assert reasons() == []


def test_a_conflict_names_both_and_only_the_speakers_lost() -> None:
    old = make_peer("old", OLD, localSpeakers=["node-1", "node-2"], gateway="172.16.0.254")
    new = make_peer("new", NEW, localSpeakers=["node-2", "node-3"])
    (condition,) = peer_conditions([new, old], NODES)
    assert condition == (
        "Conflict",
        "BGPPeer/new",
        "BGPPeer/old and BGPPeer/new both let node-2 peer with 172.16.0.1: BGPPeer/old came first and is in force "
        "there; delete one, or give them different speakers",
    )
    first, second = effective_peers([new, old])
    assert first is old
    assert (second.name, second.spec.local_speakers) == ("new", ("node-3",))
    assert second.spec.model_copy(update={"local_speakers": new.spec.local_speakers}) == new.spec


def test_an_object_that_lost_all_is_not_in_force() -> None:
    assert effective_peers([make_peer("b"), make_peer("a")]) == (make_peer("a"),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"localSpeakers": ["node-1", "node-9"]}, "SpeakerNotFound"),
        ({"localSpeakers": ["node-1"]}, "PeerWarning"),
        ({"peerIP": "172.16.0.13"}, "PeerIsNode"),
        ({"peerIP": "10.2.0.1"}, "PeerInPodCIDR"),
        ({"nodeSelector": "pool == 'b'"}, "NothingSelected"),
    ],
)
def test_what_does_not_fit_the_nodes_is_told(changes: dict[str, object], reason: str) -> None:
    assert reasons(make_peer(**changes)) == [(reason, "BGPPeer/peer")]


def test_a_switch_has_one_as_number() -> None:
    peers = [
        make_peer("a", localSpeakers=["node-1", "node-2"], peerAsNumber=1),
        make_peer("b", localSpeakers=["node-3", "node-4"], peerAsNumber=2),
        make_peer("c", localSpeakers=["node-3", "node-4"], peerAsNumber=2, peerIP="172.16.0.2"),
    ]
    nodes = (*NODES, Node("node-4", {}, (), ()))
    assert reasons(*peers, nodes=nodes) == [("PeerAsDiffers", "BGPPeer/b")]


def test_a_peer_that_keeps_some_speakers_keeps_its_identity() -> None:
    old = make_peer("old", OLD, localSpeakers=["node-1"])
    new = replace(make_peer("new", NEW, localSpeakers=["node-1", "node-2"]), uid="u-2")
    (_, found) = effective_peers([old, new])
    assert (found.uid, found.spec.local_speakers) == ("u-2", ("node-2",))


def test_what_is_told_of_one_peer_hides_nothing_of_another() -> None:
    found = peer_conditions(
        [
            make_peer("a", OLD, localSpeakers=["x", "y"], peerIP="172.16.0.2"),
            make_peer("b", NEW, localSpeakers=["node-1"]),
            make_peer("c", NEW, localSpeakers=["node-1", "node-2"], peerIP="172.16.0.2"),
            make_peer("d", NEW, localSpeakers=["x", "y"], peerIP="172.16.0.2"),
        ],
        NODES,
    )
    told = {(each.reason, each.subject[-1]): each.message for each in found}
    assert {("SpeakerNotFound", "a"), ("PeerWarning", "b"), ("Conflict", "d")} <= told.keys()
    assert told["SpeakerNotFound", "a"].startswith("the cluster has no Node x, y, so nobody speaks there;")
    assert "BGPPeer/a and BGPPeer/d both let x, y peer with 172.16.0.2" in told["Conflict", "d"]
