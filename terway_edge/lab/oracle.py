"""The oracle's word on every node of the lab. It is of the testing kit, which what is shipped does not need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from terway_edge.lab.agents import Agent
from terway_edge.lab.pods import IFNAME, LabPod
from terway_edge.lab.processes import Processes
from terway_edge.testing.oracle import Breach, check
from terway_edge.testing.oracle.node import NodeReader


def breaches(
    agents: Mapping[str, Agent], pods: Sequence[LabPod], processes: Processes
) -> Iterator[tuple[Agent, Breach]]:
    """Of leases, stores, kernels and pools, if these pods are all there are. Raises LabError."""
    for agent in agents.values():
        mine = [pod for pod in pods if pod.node is agent.node]
        live = {(pod.container_id, IFNAME): frozenset(pod.addresses) for pod in mine}
        reader = NodeReader(agent.node.netns, agent.log.parent / "state", agent.ask, processes)
        told = {address for pod in mine for address in pod.addresses}
        for breach in check(reader.picture(live, told, reader.show())):
            yield agent, breach
