"""Pods that come for a moment, while something is broken."""

from __future__ import annotations

import time

from terway_edge.lab import topology
from terway_edge.lab.agents import Agent
from terway_edge.lab.layout import Layout
from terway_edge.lab.pods import lab_pod
from terway_edge.lab.processes import Processes

FIRST = 100
"""The number of the first of them, above those of all others."""


def come_and_go(agent: Agent, count: int, layout: Layout, processes: Processes) -> float:
    """Add pods, then delete them; the seconds that the slowest ADD took. Raises LabError if one is refused."""
    pods = [lab_pod(layout, agent.node, FIRST + n) for n in range(count)]
    topology.make_namespaces([pod.netns for pod in pods], processes)
    slowest = 0.0
    for pod in pods:
        begin = time.monotonic()
        agent.runtime.add(pod)
        slowest = max(slowest, time.monotonic() - begin)
    for pod in pods:
        agent.runtime.delete(pod)
        topology.delete_namespace(pod.netns, processes)
    return slowest
