"""Which nodes get no new pods for their agent is dead. Pure: times are seconds of a clock that never steps.

The sign is one that costs nothing: the kubelet writes the agent's readiness into its pod's status when it changes. A
node whose kubelet is not heard of is left as it is, for what is said of its pods is as old: an edge node that is cut
off goes on serving by itself, and gets no new pods anyhow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from terway_edge.controlplane.following import World
from terway_edge.controlplane.objects import AgentSeen, NodeSeen
from terway_edge.core.node_conditions import NETWORK_UNAVAILABLE, SERVING, SILENT, network_serving, network_silent

LEAST, PERCENT = 10, 20
"""Nodes that may be marked at a time: so many, or so much of those that were served. If more agents seem dead, it is
rather the way they are looked at that is broken."""


class Judgement(NamedTuple):
    """The condition that Nodes are to have, by name. `held_back` are nodes that would be too many; `again` in seconds:
    when there may be more."""

    conditions: Mapping[str, Mapping[str, str]]
    held_back: tuple[str, ...] = ()
    again: float | None = None


class Silence:
    """One reign's memory of how long agents have been silent."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._since: dict[str, float] = {}
        self._had_pod: set[str] = set()

    def judge(self, world: World, now: float) -> Judgement:
        agents = world.agents or {}
        self._had_pod = (self._had_pod | set(agents)) & set(world.nodes)
        self._since = {
            name: self._since.get(name, now) for name, node in world.nodes.items() if self._is_silent(node, agents)
        }
        marked = [name for name, node in world.nodes.items() if _is_marked(node)]
        cleared = {name: network_serving() for name in marked if _serves(agents.get(name))}
        candidates = [name for name in self._since if _is_served(world.nodes[name])]
        due = [name for name in candidates if now >= self._since[name] + self._grace]
        served = sum(_is_served(node) for node in world.nodes.values()) + len(marked)
        room = max(max(LEAST, served * PERCENT // 100) - (len(marked) - len(cleared)), 0)
        silenced = {name: network_silent(self._why(agents.get(name))) for name in due[:room]}
        waits = [self._since[name] + self._grace - now for name in candidates if name not in due]
        return Judgement({**cleared, **silenced}, tuple(due[room:]), min(waits, default=None))

    def _is_silent(self, node: NodeSeen, agents: Mapping[str, AgentSeen]) -> bool:
        """An agent that never had a pod, as far as we saw, may be one that was started otherwise."""
        return node.is_ready and node.name in self._had_pod and not _serves(agents.get(node.name))

    def _why(self, agent: AgentSeen | None) -> str:
        what = "has no pod" if agent is None else "is not ready"
        return f"the agent of this node {what} for more than {self._grace:.0f} s; look at its pod in kube-system"


def _serves(agent: AgentSeen | None) -> bool:
    return agent is not None and agent.is_ready


def _is_served(node: NodeSeen) -> bool:
    """Whether our agent gave pods of this node their network, by its own word."""
    condition = node.conditions.get(NETWORK_UNAVAILABLE)
    return condition is not None and (condition.status, condition.reason) == ("False", SERVING)


def _is_marked(node: NodeSeen) -> bool:
    condition = node.conditions.get(NETWORK_UNAVAILABLE)
    return condition is not None and (condition.status, condition.reason) == ("True", SILENT)
