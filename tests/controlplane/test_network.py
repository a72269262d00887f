"""Condition NetworkUnavailable of nodes whose agent is dead."""

from __future__ import annotations

import asyncio

import pytest

from terway_edge.controlplane.network import Network
from terway_edge.controlplane.silence import LEAST
from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE, SERVING, SILENT
from terway_edge.testing.apiserver import ApiServer
from terway_edge.testing.events import RecordedEvents
from tests.controlplane.world import DirectApi, cluster, conditions_of, put_agent, set_condition, world_of

GRACE = 120.0


class Rig:
    """A controller, and nodes that an agent serves."""

    def __init__(self, *nodes: str) -> None:
        self.server: ApiServer = cluster(*nodes)
        self.events = RecordedEvents()
        self.network = Network(GRACE, DirectApi(self.server), self.events, lambda: 1_700_000_000.0)
        for name in nodes:
            set_condition(self.server, name, NETWORK_UNAVAILABLE, "False", SERVING)
            put_agent(self.server, name, ready=True)

    def turn(self, now: float) -> float:
        return asyncio.run(self.network.turn(world_of(self.server), now))

    def condition(self, node: str = "n1") -> tuple[str, str]:
        found = conditions_of(self.server, node)[NETWORK_UNAVAILABLE]
        return found["status"], found["reason"]


@pytest.fixture
def rig() -> Rig:
    return Rig("n1", "n2")


def test_a_node_whose_agent_is_silent_for_long_gets_no_new_pods_until_it_is_back(rig):
    put_agent(rig.server, "n1", ready=False)
    assert rig.turn(0.0) == 60.0
    rig.turn(119.0)
    assert rig.condition() == ("False", SERVING)
    rig.turn(120.0)
    assert rig.condition() == ("True", SILENT)
    assert rig.condition("n2") == ("False", SERVING)
    assert conditions_of(rig.server, "n1")["Ready"]["status"] == "True", "other conditions stay"
    put_agent(rig.server, "n1", ready=True)
    rig.turn(130.0)
    assert rig.condition() == ("False", SERVING)
    assert rig.events.reasons("Node/n1") == ["AgentSilent", "AgentBack"]


def test_an_agent_that_was_away_for_a_moment_only_is_nothing(rig):
    put_agent(rig.server, "n1", ready=False)
    rig.turn(0.0)
    put_agent(rig.server, "n1", ready=True)
    rig.turn(100.0)
    put_agent(rig.server, "n1", ready=False)
    assert rig.turn(110.0) == 60.0
    rig.turn(200.0)
    assert rig.condition() == ("False", SERVING)
    assert rig.turn(215.0) == 15.0


def test_a_node_that_is_cut_off_is_left_as_it_is(rig):
    """Its kubelet's word is old, about itself and about its pods, which the controller-manager says are not ready."""
    set_condition(rig.server, "n1", "Ready", "Unknown", "NodeStatusUnknown")
    put_agent(rig.server, "n1", ready=False)
    for now in (0.0, 500.0):
        rig.turn(now)
    assert rig.condition() == ("False", SERVING)
    set_condition(rig.server, "n1", "Ready", "True")
    rig.turn(510.0)
    assert rig.condition() == ("False", SERVING), "time that it was cut off does not count"
    rig.turn(630.0)
    assert rig.condition() == ("True", SILENT)


def test_a_mark_stays_while_the_node_is_cut_off(rig):
    put_agent(rig.server, "n1", ready=False)
    for now in (0.0, 120.0):
        rig.turn(now)
    set_condition(rig.server, "n1", "Ready", "Unknown")
    rig.turn(500.0)
    assert rig.condition() == ("True", SILENT)


def test_an_agent_whose_pod_is_gone_is_silent_but_one_that_never_had_one_is_not(rig):
    rig.turn(0.0)
    rig.server.objects.delete("Pod", "terway-edge-n1", "kube-system")
    for now in (1.0, 130.0):
        rig.turn(now)
    assert rig.condition() == ("True", SILENT)
    alone = Rig("n1")
    alone.server.objects.delete("Pod", "terway-edge-n1", "kube-system")
    for now in (0.0, 500.0):
        alone.turn(now)
    assert alone.condition() == ("False", SERVING), "it may run without Kubernetes"


@pytest.mark.parametrize(("status", "reason"), [("False", "CalicoIsUp"), ("True", "NoRouteCreated")])
def test_what_others_say_is_theirs(rig, status, reason):
    set_condition(rig.server, "n1", NETWORK_UNAVAILABLE, status, reason)
    put_agent(rig.server, "n1", ready=False)
    for now in (0.0, 500.0):
        rig.turn(now)
    put_agent(rig.server, "n1", ready=True)
    rig.turn(501.0)
    assert rig.condition() == (status, reason)
    assert not rig.server.log.calls("get nodes"), "nor is it looked at"


def test_what_changed_since_it_was_seen_is_left_alone(rig):
    put_agent(rig.server, "n1", ready=False)
    rig.turn(0.0)
    old = world_of(rig.server)
    set_condition(rig.server, "n1", NETWORK_UNAVAILABLE, "False", "CalicoIsUp")
    asyncio.run(rig.network.turn(old, 200.0))
    assert rig.condition() == ("False", "CalicoIsUp")


def test_so_many_at_once_are_rather_a_mistake():
    names = [f"n{index:02}" for index in range(LEAST + 5)]
    rig = Rig(*names)
    for name in names:
        put_agent(rig.server, name, ready=False)
    for now in (0.0, 200.0, 260.0):
        rig.turn(now)
    marked = [name for name in names if rig.condition(name)[0] == "True"]
    assert len(marked) == LEAST
    put_agent(rig.server, marked[0], ready=True)
    rig.turn(320.0)
    assert sum(rig.condition(name)[0] == "True" for name in names) == LEAST
    assert rig.condition(marked[0]) == ("False", SERVING)


def test_agents_that_cannot_be_seen_are_not_judged(rig):
    old = world_of(rig.server)._replace(agents=None)
    for now in (0.0, 500.0):
        asyncio.run(rig.network.turn(old, now))
    assert rig.condition() == ("False", SERVING)
