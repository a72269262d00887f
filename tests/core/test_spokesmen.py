"""One of all tells of a fault: whatever the cluster is like, and whoever knows of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.models import Condition
from terway_edge.core.spokesmen import CONTROL_PLANE, SHARED, Spokesmen
from tests.core.bgp_peers import make_peer

NODES = [f"n{number}" for number in range(6)]
speakers = st.lists(st.sampled_from([*NODES, "away"]), min_size=1, max_size=3, unique=True)
subjects = st.sampled_from(
    ["BGPPeer/p0", "BGPPeer/p1: spec.peerIP", "a.yaml: BGPPeer/p2", "a.yaml: BGPPeer/new: spec.x"]
)


@given(
    st.lists(speakers, max_size=3),
    st.sets(st.sampled_from(NODES), min_size=1),
    subjects,
    st.sampled_from(sorted(SHARED)),
)
def test_one_of_all_agents_and_the_control_plane_tells(named, nodes, subject, reason) -> None:
    peers = [make_peer(f"p{number}", localSpeakers=names) for number, names in enumerate(named)]
    fault = Condition(reason, subject, "m")
    with_api = Spokesmen(peers, nodes, CONTROL_PLANE)
    assert sum(with_api.tells(who, fault) for who in (*nodes, CONTROL_PLANE)) == 1
    with_manifests = Spokesmen(peers, nodes, min(nodes))
    assert sum(with_manifests.tells(who, fault) for who in nodes) == 1


def told_by(spokesmen: Spokesmen, fault: Condition) -> list[str]:
    return [who for who in (CONTROL_PLANE, "n1", "n2", "n3") if spokesmen.tells(who, fault)]


@pytest.mark.parametrize(("names", "teller"), [(["n2", "n1"], "n2"), (["n9", "n3"], "n3"), (["n9"], CONTROL_PLANE)])
def test_it_is_the_first_speaker_that_is_a_node(names: list[str], teller: str) -> None:
    spokesmen = Spokesmen([make_peer("p", localSpeakers=names)], {"n1", "n2", "n3"}, CONTROL_PLANE)
    assert told_by(spokesmen, Condition("PeerWarning", "BGPPeer/p", "m")) == [teller]
    assert told_by(spokesmen, Condition("InvalidObject", "p.yaml: BGPPeer/p: spec.peerIP", "m: n")) == [teller]


@pytest.mark.parametrize("subject", ["Node/n2: spec.podCIDR", "a.yaml: Node/n2"])
def test_of_a_node_its_own_agent_tells_though_it_may_never_have_been_good(subject: str) -> None:
    assert told_by(Spokesmen([], {"n1", "n3"}, CONTROL_PLANE), Condition("InvalidObject", subject, "m")) == ["n2"]


@pytest.mark.parametrize(
    "fault",
    [
        Condition("ConnectRefused", "BGPPeer/p", "no session of n1"),
        Condition("InvalidObject", "p.yaml", "is no YAML"),
        Condition("ClusterUnreachable", "Kubernetes API", "is away"),
    ],
)
def test_what_is_ones_own_is_told_by_everybody(fault: Condition) -> None:
    spokesmen = Spokesmen([make_peer("p", localSpeakers=["n1"])], {"n1"}, "n1")
    assert told_by(spokesmen, fault) == [CONTROL_PLANE, "n1", "n2", "n3"]
