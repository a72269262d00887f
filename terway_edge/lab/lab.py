"""The run: builds LANs, cloud and routers, starts agents, plugs pods in, tries everything, takes it all away again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from terway_edge.lab import clouds, routes, topology
from terway_edge.lab.acts import Deed
from terway_edge.lab.agents import Agent
from terway_edge.lab.chaos import Chaos
from terway_edge.lab.cloud import CloudSide
from terway_edge.lab.cluster import Cluster, Manifests
from terway_edge.lab.convergence import Convergence
from terway_edge.lab.errors import LabError
from terway_edge.lab.example import LABELS, node_pools, require_installed, require_serving
from terway_edge.lab.fabric import Fabric, Kind
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import LAST_OF_FIRST_LAN, lab_lans, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import ENI_CONFIG, POOL_LABEL, eni_config_object
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.peers import SECRET, peer_object, secret_object
from terway_edge.lab.pods import LabPod, lab_pod
from terway_edge.lab.processes import Processes
from terway_edge.lab.report import add_times
from terway_edge.lab.routers import Router
from terway_edge.lab.steps import Step
from terway_edge.lab.trials import Trials

if TYPE_CHECKING:
    from terway_edge.lab.api_side import ApiSide

NODES = 5
ROUTE_LIMIT = 1.0  # seconds from a manifest's appearance to the route on every other node and at the routers
SETTLE_LIMIT = 2.0  # seconds; links of removed pods are reaped in the background
POLL = 0.01


@dataclass(frozen=True, slots=True)
class Options:
    """`pods` per node; `keep` leaves pods and agents up; `example` gives the last node of the first LAN to the example
    backend; `switch` is whose BGP the switches speak; `chaos` breaks things at the end. `api` puts the cluster behind
    the Kubernetes API: of a double, or of the server of `kubeconfig`.
    """

    pods: int = 3
    keep: bool = False
    example: bool = False
    switch: Kind = "frr"
    chaos: bool = False
    api: bool = False
    kubeconfig: Path | None = None


class Lab:
    """One run. Building blocks are made as the steps are taken; nothing is removed here (the guardian does that)."""

    def __init__(self, layout: Layout, options: Options, processes: Processes, outcome: Outcome) -> None:
        self._layout = layout
        self._options = options
        self._processes = processes
        self._outcome = outcome
        self._lans = lab_lans(layout)
        self._nodes = [lab_node(layout, index) for index in range(1, NODES + 1)]
        self._cloud = CloudSide(layout, processes)
        self._all: list[Host] = [*self._nodes, *self._cloud.nodes]
        self._pods = [lab_pod(layout, node, n) for node in self._all for n in range(1, options.pods + 1)]
        self._api = self._api_side() if options.api else None
        self._cluster: Cluster
        self._agents: dict[str, Agent] = {}
        self._trials = Trials(self._nodes, self._pods, self._agents, self._cloud, outcome, processes)
        self._fabric: Fabric
        self._routers: list[Router] = []
        self._convergence: Convergence
        self._password = secrets.token_hex(8)

    def run(self) -> None:
        """Take every step. What is not as it should be is a problem of its step; raises LabError if none can follow."""
        try:
            self._take_every_step()
        finally:
            if self._api:
                self._api.close()

    def _take_every_step(self) -> None:
        if self._options.example:
            with self._step("the example backend is installed"):
                require_installed()
        self._build()
        self._start_routers()
        self._start_agents()
        self._establish()
        self._add_pods()
        self._trials.ping()
        self._trials.call_services()
        self._trials.spoof()
        self._trials.compare_routes(self._cluster)
        self._trials.check()
        self._trials.ask_oracle()
        self._trials.ask_agents(self._convergence)
        if self._api:
            self._api.look(self._pods)
            self._api.silence()
        self._add_and_remove_a_node()
        if self._options.chaos:
            self._break_things()
            self._trials.ask_oracle()
            self._trials.ask_agents(self._convergence)
            if self._api:
                self._api.look(self._pods)
        self._trials.ask_cloud()
        if not self._options.keep:
            self._delete_pods()
            self._stop_agents()
        if self._api and not self._options.keep:
            self._api.stop_control_plane()
        if self._api:
            self._api.ask()
        if not self._options.keep:
            self._stop_others()

    def tails(self) -> list[tuple[str, str]]:
        """(path, last lines) of every agent's and router's log that says something."""
        logs = [(str(agent.log), agent.tail()) for agent in self._agents.values()]
        logs += [(str(router.directory), router.log_tail()) for router in self._routers]
        logs += [(self._cloud.process.log, self._cloud.process.tail())] if self._outcome.applied else []
        logs += self._api.tails() if self._api else []
        return [(path, tail) for path, tail in logs if tail]

    def _api_side(self) -> ApiSide:
        from terway_edge.lab.api_side import ApiSide  # brings the client library

        return ApiSide(self._options.kubeconfig, self._all, self._layout, self._outcome, self._processes)

    def _step(self, name: str) -> AbstractContextManager[Step]:
        return self._outcome.steps.step(name)

    def _build(self) -> None:
        with self._step("network namespaces, bridges, links") as step:
            topology.build(self._nodes, self._processes)
            topology.join(self._layout, self._lans, self._processes)
            self._cloud.build()
            step.detail = f"{len(self._nodes)} nodes on {len(self._lans)} LANs, {len(self._cloud.nodes)} in the cloud"
        with self._step("routes as terway-edge plan prints them") as step:
            self._outcome.applied = self._cloud.apply_plan()
            lines = sum(len(each.lines) for each in self._outcome.applied)
            step.detail = f"{lines} lines on {len(self._outcome.applied)} devices"
        with self._step("the cloud's API answers"):
            self._cloud.process.wait_ready()
        if self._api:
            self._api.start()
        with self._step("cluster manifests") as step:
            self._cluster = self._api.cluster if self._api else Manifests(self._layout.manifests)
            for node in self._nodes:
                self._cluster.put(node, LABELS if self._is_example(node) else None)
            for host in self._cloud.nodes:
                self._cluster.put(host)
            self._cluster.put_object(ENI_CONFIG, eni_config_object())
            for lan in self._lans:
                self._cluster.put_object(lan.peer, peer_object(lan, POOL_LABEL))
            self._cluster.put_object(SECRET, secret_object(self._password))
            step.detail = self._cluster.place
        self._outcome.nodes = len(self._all)
        if self._api:
            self._api.start_control_plane()

    def _start_routers(self) -> None:
        with self._step("BGP routers started, LANs reach each other") as step:
            speakers = [node for node in self._nodes if node.is_speaker]
            self._fabric = Fabric(self._layout, self._options.switch, speakers, self._processes, self._password)
            self._routers = self._fabric.routers
            self._fabric.start()
            names = [switch.lan.switch for switch in self._fabric.switches]
            step.detail = f"{' and '.join(names)} ({self._options.switch}), core (frr)"
        self._convergence = Convergence(self._nodes, self._agents, self._fabric, self._processes)

    def _start_agents(self) -> None:
        pools = node_pools() if self._options.example else ()
        with self._step("agents started and ready") as step:
            for node in self._all:
                directory = self._layout.node_dir(node.name)
                self._agents[node.name] = Agent(node, directory, self._cluster, self._processes, pools)
                if node.domain == clouds.ENS:
                    self._cloud.give_key(node.name)
                self._agents[node.name].start()
            for agent in self._agents.values():
                agent.wait_ready()
            step.detail = f"{len(self._agents)} agents publish their network and answer STATUS"
        if self._api:
            self._api.agents_are_ready()
        if self._options.example:
            with self._step(f"the example backend serves node-{LAST_OF_FIRST_LAN}"):
                require_serving(self._agents[f"node-{LAST_OF_FIRST_LAN}"])

    def _establish(self) -> None:
        with self._step("BGP sessions established") as step:
            step.detail = f"{len(self._convergence.wait_sessions())} sessions"
        with self._step("switches learned where pods are") as step:
            try:
                self._convergence.wait_learned()
            finally:
                self._outcome.learned = self._convergence.learned()
            step.detail = f"{len(self._outcome.learned)} prefixes"

    def _add_pods(self) -> None:
        with self._step("pods plugged in (CNI ADD)") as step:
            topology.make_namespaces([pod.netns for pod in self._pods], self._processes)
            self._on_every_node(self._add)
            step.detail = f"{len(self._pods)} pods, {add_times([ms for _, ms in self._outcome.added])}"

    def _add(self, pod: LabPod) -> None:
        self._cluster.put_pod(pod)
        begin = time.monotonic()
        self._agents[pod.node.name].runtime.add(pod)
        self._outcome.pod_added(pod, (time.monotonic() - begin) * 1000)
        for family in pod.node.families:
            if not pod.address(family):
                raise LabError(f"the result of ADD for {pod.name} has no IPv{family} address: {pod.result}")

    def _add_and_remove_a_node(self) -> None:
        extra = lab_node(self._layout, NODES + 1)
        wanted = set(extra.pod_cidrs)
        with self._step("a node joins: its routes appear") as step:
            begin = time.monotonic()
            self._cluster.put(extra)
            self._wait_routes(step, begin, wanted.issubset, "appeared")
        with self._step("a node leaves: its routes vanish") as step:
            begin = time.monotonic()
            self._cluster.remove(extra)
            self._wait_routes(step, begin, wanted.isdisjoint, "vanished")

    def _wait_routes(self, step: Step, begin: float, good: Callable[[Iterable[str]], bool], what: str) -> None:
        """A problem for each node and router that is late."""
        done, late = self._convergence.wait_prefixes(begin, good, ROUTE_LIMIT)
        for name in late:
            look_at = str(self._agents[name].log) if name in self._agents else str(self._layout.router_dir(name))
            step.problem(f"{name}: routes have not {what} within {ROUTE_LIMIT} s", look_at)
        places = {"nodes": [node.name for node in self._nodes], "switches": [lan.switch for lan in self._lans]}
        for where, names in places.items():
            times = [done[name] for name in names if name in done]
            self._outcome.changes[f"{what}_{where}"] = round(max(times), 3) if len(times) == len(names) else None
        if not late:
            slowest = {where: max(done[name] for name in names) for where, names in places.items()}
            step.detail = ", ".join(f"on all {where} after {t * 1000:.0f} ms" for where, t in slowest.items())

    def _break_things(self) -> None:
        Chaos(
            self._agents,
            self._pods,
            self._cluster,
            self._fabric,
            self._cloud.process,
            self._convergence,
            self._outcome,
            self._layout,
            self._processes,
            self._break_api,
        ).run()

    def _break_api(self) -> list[Deed]:
        if self._api is None:
            return []
        from terway_edge.lab.api_chaos import ApiChaos

        return ApiChaos(
            self._api, self._agents, self._pods, self._convergence, self._outcome, self._layout, self._processes
        ).run()

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
        self._cluster.remove_pod(pod)

    def _left_overs(self) -> list[tuple[Host, str]]:
        left: list[tuple[Host, str]] = []
        for node in self._all:
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

    def _stop_others(self) -> None:
        with self._step("routers and cloud stopped (SIGTERM)"):
            self._fabric.stop()
            self._cloud.process.stop()
            if self._api:
                self._api.stop()

    def _is_example(self, node: Host) -> bool:
        return self._options.example and node.index == LAST_OF_FIRST_LAN

    def _on_every_node(self, work: Callable[[LabPod], None]) -> None:
        """Pods of one node one after the other, nodes side by side, as kubelets do."""

        def one_node(node: Host) -> None:
            for pod in self._pods:
                if pod.node is node:
                    work(pod)

        with ThreadPoolExecutor(len(self._all)) as executor:
            list(executor.map(one_node, self._all))
