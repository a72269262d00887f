"""What agents and the control plane say of a node's network, in the words that the cluster reads."""

from __future__ import annotations

from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE, network_serving, network_silent


def test_a_serving_network_is_the_opposite_of_unavailable() -> None:
    said = network_serving()
    assert (NETWORK_UNAVAILABLE, said["type"], said["status"]) == ("NetworkUnavailable", "NetworkUnavailable", "False")
    assert (said["reason"], said["message"]) == (
        "TerwayEdgeServes", "terway-edge gives pods of this node their network",
    )  # fmt: skip


def test_a_silent_agent_makes_it_unavailable_with_the_callers_message() -> None:
    assert network_silent("silent for 120 s") == {
        "type": "NetworkUnavailable",
        "status": "True",
        "reason": "TerwayEdgeAgentSilent",
        "message": "silent for 120 s",
    }
