"""The run: builds the LAN, starts the agents, plugs pods in, tries everything, takes pods and agents away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from terway_edge.lab import pings, routes, services, topology
from terway_edge.lab.agents import Agent
from terway_edge.lab.cluster import POOL, Manifests
from terway_edge.lab.errors import LabError
from terway_edge.lab.example import EXAMPLE_POOL, node_pools, require_installed, require_serving
from terway_edge.lab.layout import Layout
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.pods import LabPod, lab_pod
from terway_edge.lab.processes import Processes
from terway_edge.lab.report import add_times
from terway_edge.lab.steps import Step
from terway_edge.lab.topology import LabNode, lab_node

NODES = 3
ROUTE_LIMIT = 1.0  # seconds from a manifest's appearance to the route on every other node
SETTLE_LIMIT = 2.0  # seconds; links of removed pods are reaped in the background
POLL = 0.01


@dataclass(frozen=True, slots=True)
class Options:
    """`pods` per node; `keep` leaves pods and agents up; `example` gives the last node to the example backend."""

    pods: int = 3
    keep: bool = False
    example: bool = False


class Lab:
    """One run. Building blocks are made as the steps are taken; nothing is removed here (the guardian does that)."""

    def __init__(self, layout: Layout, options: Options, processes: Processes, outcome: Outcome) -> None:
        self._layout = layout
        self._options = options
        self._processes = processes
        self._outcome = outcome
        self._nodes = [lab_node(layout, index) for index in range(1, NODES + 1)]
        self._pods = [lab_pod(layout, node, n) for node in self._nodes for n in range(1, options.pods + 1)]
        self._manifests: Manifests
        self._agents: dict[str, Agent] = {}

    def run(self) -> None:
        """Take every step. What is not as it should be is a problem of its step; raises LabError if none can follow."""
        if self._options.example:
            with self._step("the example backend is installed"):
                require_installed()
        self._build()
        self._start_agents()
        self._add_pods()
        self._ping()
        self._call_services()
        self._compare_routes()
        self._check()
        self._ask_agents()
        self._add_and_remove_a_node()
        if not self._options.keep:
            self._delete_pods()
            self._stop_agents()

    def tails(self) -> list[tuple[str, str]]:
        """(path, last lines) of every agent's log that says something."""
        return [(str(agent.log), tail) for agent in self._agents.values() if (tail := agent.tail())]

    def _step(self, name: str) -> AbstractContextManager[Step]:
        return self._outcome.steps.step(name)

    def _build(self) -> None:
        with self._step("network namespaces, bridge, links") as step:
            topology.build(self._layout, self._nodes, self._processes)
            step.detail = f"{len(self._nodes)} nodes on one LAN"
        with self._step("cluster manifests") as step:
            self._manifests = Manifests(self._layout.manifests)
            for node in self._nodes:
                self._manifests.put(node, self._pool(node))
            step.detail = str(self._layout.manifests)
        self._outcome.nodes = len(self._nodes)

    def _start_agents(self) -> None:
        pools = node_pools() if self._options.example else ()
        with self._step("agents started and ready") as step:
            for node in self._nodes:
                directory = self._layout.node_dir(node.name)
                self._agents[node.name] = Agent(node, directory, self._layout.manifests, self._processes, pools)
                self._agents[node.name].start()
            for agent in self._agents.values():
                agent.wait_ready()
            step.detail = f"{len(self._agents)} agents publish their network and answer STATUS"
        if self._options.example:
            with self._step("the example backend serves the last node"):
                require_serving(self._agents[self._nodes[-1].name])

    def _add_pods(self) -> None:
        with self._step("pods plugged in (CNI ADD)") as step:
            topology.make_namespaces([pod.netns for pod in self._pods], self._processes)
            self._on_every_node(self._add)
            step.detail = f"{len(self._pods)} pods, {add_times([ms for _, ms in self._outcome.added])}"

    def _add(self, pod: LabPod) -> None:
        begin = time.monotonic()
        self._agents[pod.node.name].runtime.add(pod)
        self._outcome.pod_added(pod, (time.monotonic() - begin) * 1000)
        for family in (4, 6):
            if not pod.address(family):
                raise LabError(f"the result of ADD for {pod.name} has no IPv{family} address: {pod.result}")

    def _ping(self) -> None:
        nodes = [pings.End(node.name, node.netns, node.addresses) for node in self._nodes]
        pods = [pings.End(pod.name, pod.netns, (pod.address(4), pod.address(6))) for pod in self._pods]
        with self._step("pings: pods, nodes, both families") as step:
            self._outcome.answers = pings.run(pings.matrix(nodes, pods), self._processes)
            step.detail = f"{self._outcome.sent} sent, {self._outcome.lost} lost"
            for answer in self._outcome.answers:
                if answer.lost:
                    step.problem(
                        f"{answer.ping.source.name} -> {answer.ping.target.name} ({answer.ping.address}): "
                        f"{answer.lost} of {answer.sent} lost: {answer.why}"
                    )

    def _call_services(self) -> None:
        with self._step("services by DNAT") as step:
            wanted = services.services(self._pods)
            for node in self._nodes:
                services.program(node, wanted, self._processes)
            self._outcome.calls = services.call_all(wanted, self._pods)
            step.detail = f"{len(self._outcome.calls)} calls"
            for call in self._outcome.calls:
                if call.why:
                    step.problem(
                        f"{call.client} -> {call.service} ({call.address}), endpoint {call.target}: {call.why}"
                    )

    def _compare_routes(self) -> None:
        with self._step("routes as the manifests say") as step:
            manifests = self._manifests.nodes()
            for node in self._nodes:
                wanted = routes.expected(node.name, manifests, self._pods)
                table = routes.compare(node.name, wanted, routes.read(node.netns, self._processes))
                self._outcome.tables.append(table)
                log = str(self._agents[node.name].log)
                for route in table.missing:
                    step.problem(f"{node.name} lacks {route}", log)
                for route in table.unexpected:
                    step.problem(f"{node.name} has {route}, which no manifest asks for", log)
            step.detail = f"{sum(len(table.actual) for table in self._outcome.tables)} routes"

    def _check(self) -> None:
        with self._step("CNI CHECK of every pod, STATUS of every node") as step:
            for node in self._nodes:
                with _noted(step):
                    self._agents[node.name].runtime.status()
            for pod in self._pods:
                with _noted(step):
                    self._agents[pod.node.name].runtime.check(pod)

    def _ask_agents(self) -> None:
        """What the agents think of themselves must be what the lab has seen: nothing is wrong."""
        with self._step("agents have nothing to complain about") as step:
            for agent in self._agents.values():
                for complaint in agent.complaints():
                    step.problem(f"{agent.node.name}: {complaint}", str(agent.log))

    def _add_and_remove_a_node(self) -> None:
        extra = lab_node(self._layout, NODES + 1)
        wanted = set(extra.pod_cidrs)
        with self._step("a node joins: its routes appear") as step:
            begin = time.monotonic()
            self._manifests.put(extra)
            self._outcome.route_appeared = self._wait_routes(step, begin, wanted.issubset, f"routes to {extra.name}")
        with self._step("a node leaves: its routes vanish") as step:
            begin = time.monotonic()
            self._manifests.remove(extra)
            self._outcome.route_vanished = self._wait_routes(
                step, begin, wanted.isdisjoint, f"no route to {extra.name}"
            )

    def _wait_routes(self, step: Step, begin: float, good: Callable[[Iterable[str]], bool], what: str) -> float | None:
        """Seconds until the prefixes of every node are good, or None and a problem for each node that is late."""
        waiting = list(self._nodes)
        while True:
            waiting = [n for n in waiting if not good({r.prefix for r in routes.read(n.netns, self._processes)})]
            elapsed = time.monotonic() - begin
            if not waiting:
                step.detail = f"on all nodes after {elapsed * 1000:.0f} ms"
                return round(elapsed, 3)
            if elapsed > ROUTE_LIMIT:
                for node in waiting:
                    step.problem(
                        f"{node.name}: {what} expected within {ROUTE_LIMIT} s", str(self._agents[node.name].log)
                    )
                return None
            time.sleep(POLL)

    def _delete_pods(self) -> None:
        with self._step("pods unplugged (CNI DEL)") as step:
            self._on_every_node(self._delete)
            step.detail = f"{len(self._pods)} pods"
        with self._step("no pod link and no pod route is left") as step:
            deadline = time.monotonic() + SETTLE_LIMIT
            while (left := self._left_overs()) and time.monotonic() < deadline:
                time.sleep(POLL)
            for node, what in left:
                step.problem(f"{node.name} still has {what}", str(self._agents[node.name].log))

    def _delete(self, pod: LabPod) -> None:
        self._agents[pod.node.name].runtime.delete(pod)
        topology.delete_namespace(pod.netns, self._processes)

    def _left_overs(self) -> list[tuple[LabNode, str]]:
        left: list[tuple[LabNode, str]] = []
        for node in self._nodes:
            left += [(node, f"link {name}") for name in topology.pod_links(node.netns, self._processes)]
            left += [
                (node, f"route {route}")
                for route in routes.ordered(routes.read(node.netns, self._processes))
                if route.link == routes.POD_LINK
            ]
        return left

    def _stop_agents(self) -> None:
        with self._step("agents stopped (SIGTERM)"):
            for agent in self._agents.values():
                agent.terminate()
            for agent in self._agents.values():
                agent.wait()

    def _pool(self, node: LabNode) -> str:
        return EXAMPLE_POOL if self._options.example and node is self._nodes[-1] else POOL

    def _on_every_node(self, work: Callable[[LabPod], None]) -> None:
        """Pods of one node one after the other, nodes side by side, as kubelets do."""

        def one_node(node: LabNode) -> None:
            for pod in self._pods:
                if pod.node is node:
                    work(pod)

        with ThreadPoolExecutor(len(self._nodes)) as executor:
            list(executor.map(one_node, self._nodes))


@contextmanager
def _noted(step: Step) -> Iterator[None]:
    """A refusal in the body is a problem of the step and does not keep the others from being asked."""
    try:
        yield
    except LabError as error:
        step.problem(str(error), error.look_at)
