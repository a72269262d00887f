"""What is tried once everything runs: pings, services, routes, the runtime's questions, what agents and cloud say.

What is not as it should be is a problem of its step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from terway_edge.lab import oracle, pings, routes, services
from terway_edge.lab.agents import Agent
from terway_edge.lab.cloud import CloudSide
from terway_edge.lab.cluster import Cluster
from terway_edge.lab.convergence import Convergence
from terway_edge.lab.errors import LabError
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import LabNode
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.steps import Step

AGREE_LIMIT = 5.0  # seconds
POLL = 0.05


class Trials:
    """All of the lab: `nodes` and `pods` of every domain, `edge` the nodes of the LANs."""

    def __init__(
        self,
        edge: Sequence[LabNode],
        pods: Sequence[LabPod],
        agents: Mapping[str, Agent],
        cloud: CloudSide,
        outcome: Outcome,
        processes: Processes,
    ) -> None:
        self._edge = edge
        self._nodes: list[Host] = [*edge, *cloud.nodes]
        self._pods = pods
        self._agents = agents
        self._cloud = cloud
        self._outcome = outcome
        self._processes = processes

    def ping(self) -> None:
        nodes = [pings.End(node.name, node.netns, node.addresses, node.domain) for node in self._nodes]
        pods = [pings.End(pod.name, pod.netns, (pod.address(4), pod.address(6)), pod.node.domain) for pod in self._pods]
        with self._step("pings: pods, nodes, hosts, all domains") as step:
            self._outcome.answers = pings.run(pings.matrix(nodes, pods, self._cloud.hosts()), self._processes)
            step.detail = f"{self._outcome.sent} sent, {self._outcome.lost} lost"
            for answer in self._outcome.answers:
                if answer.lost:
                    step.problem(
                        f"{answer.ping.source.name} -> {answer.ping.target.name} ({answer.ping.address}): "
                        f"{answer.lost} of {answer.sent} lost: {answer.why}"
                    )

    def call_services(self) -> None:
        with self._step("services by DNAT") as step:
            edge = [pod for pod in self._pods if pod.node in self._edge]
            beyond = [pod for pod in self._pods if pod.node not in self._edge]
            wanted = services.services([edge[0], edge[-1], beyond[0]])
            for node in self._nodes:
                services.program(node, wanted, self._processes)
            self._outcome.calls = services.call_all(wanted, self._pods)
            step.detail = f"{len(self._outcome.calls)} calls"
            for call in self._outcome.calls:
                if call.why:
                    step.problem(
                        f"{call.client} -> {call.service} ({call.address}), endpoint {call.target}: {call.why}"
                    )

    def compare_routes(self, cluster: Cluster) -> None:
        with self._step("routes as the manifests say") as step:
            nodes = cluster.nodes()
            for node in self._edge:
                wanted = routes.expected(node, nodes, self._pods)
                table = routes.compare(node.name, wanted, routes.read(node.netns, self._processes))
                self._outcome.tables.append(table)
                log = str(self._agents[node.name].log)
                for route in table.missing:
                    step.problem(f"{node.name} lacks {route}", log)
                for route in table.unexpected:
                    step.problem(f"{node.name} has {route}, which no manifest asks for", log)
            step.detail = f"{sum(len(table.actual) for table in self._outcome.tables)} routes"

    def check(self) -> None:
        with self._step("CNI CHECK of every pod, STATUS of every node") as step:
            for node in self._nodes:
                with _noted(step):
                    self._agents[node.name].runtime.status()
            for pod in self._pods:
                with _noted(step):
                    self._agents[pod.node.name].runtime.check(pod)

    def ask_oracle(self) -> None:
        """Of links that were deleted a moment ago something may be left."""
        with self._step("leases, stores, kernels and pools agree") as step:
            deadline = time.monotonic() + AGREE_LIMIT
            while found := list(oracle.breaches(self._agents, self._pods, self._processes)):
                if time.monotonic() > deadline:
                    break
                time.sleep(POLL)
            for agent, breach in found:
                step.problem(f"{agent.node.name}: {breach}", str(agent.log))
            step.detail = f"{len(self._pods)} pods on {len(self._agents)} nodes"

    def ask_agents(self, convergence: Convergence) -> None:
        """What the agents think of themselves must be what the lab has seen: nothing is wrong."""
        with self._step("agents have nothing to complain about") as step:
            self._outcome.sessions = convergence.wait_sessions()
            for agent in self._agents.values():
                for complaint in agent.complaints():
                    step.problem(f"{agent.node.name}: {complaint}", str(agent.log))

    def spoof(self) -> None:
        """Pods of all domains have talked to each other, so whatever the cloud threw away until now is a fault."""
        with self._step("the cloud drops what its sender does not own") as step:
            self._count_foreign(step)
            own = self._cloud.nodes[1].name
            source = next(pod.address(4) for pod in self._pods if pod.node.name == own)
            self._outcome.spoofs = self._cloud.spoof(source)
            for network, sent, dropped in self._outcome.spoofs:
                if dropped != sent:
                    step.problem(f"{network} dropped {dropped} of {sent} packets with the source {source}")
            sent, dropped = (sum(counts) for counts in zip(*(spoof[1:] for spoof in self._outcome.spoofs), strict=True))
            step.detail = f"{self._outcome.foreign} packets until now, {dropped} of {sent} spoofed ones"

    def ask_cloud(self) -> None:
        with self._step("the cloud has nothing to complain about") as step:
            report = self._outcome.cloud = self._cloud.report()
            for violation in report.violations:
                step.problem(violation, self._cloud.process.log)
            for eni in report.orphans:
                step.problem(f"{eni} is attached to no instance", self._cloud.process.log)
            self._count_foreign(step)
            step.detail = f"{report.made} calls, {len(report.enis)} ENIs"

    def _count_foreign(self, step: Step) -> None:
        spoofed = sum(dropped for _, _, dropped in self._outcome.spoofs)
        self._outcome.foreign = self._cloud.foreign() - spoofed
        if self._outcome.foreign:
            step.problem(f"{self._outcome.foreign} packets had a source that their ENI does not own")

    def _step(self, name: str) -> AbstractContextManager[Step]:
        return self._outcome.steps.step(name)


@contextmanager
def _noted(step: Step) -> Iterator[None]:
    """A refusal in the body is a problem of the step and does not keep the others from being asked."""
    try:
        yield
    except LabError as error:
        step.problem(str(error), error.look_at)
