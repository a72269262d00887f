"""The API server's side of the lab: it is started, filled, and asked what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

from terway_edge.lab.api_client import Object
from terway_edge.lab.api_cluster import NODES, ApiCluster
from terway_edge.lab.api_server import ApiServer, DoubleServer, GivenServer
from terway_edge.lab.clouds import CONTROL_ADDRESS
from terway_edge.lab.control_plane import LEASE, ControlPlane, is_led
from terway_edge.lab.convergence import wait_until_none
from terway_edge.lab.deployed import CONTROL_PLANE
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import LAST_OF_FIRST_LAN, LabNode
from terway_edge.lab.layout import Layout
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch
from terway_edge.lab.written import Objects, Written, faults, network_condition, written

PEERS = "/apis/network.openyurt.io/v1alpha1/bgppeers"
PODS, EVENTS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/events"
WRITE_LIMIT = 25.0  # seconds; a request that gets no answer is given up after 10
MARK_LIMIT = 10.0  # seconds until a node is marked, or is not any more
SILENT = f"node-{LAST_OF_FIRST_LAN}"
"""Whose agent seems to be dead for a moment: a node that is no speaker."""


class ApiSide:
    """Every method may raise LabError."""

    def __init__(
        self, kubeconfig: Path | None, nodes: Sequence[Host], layout: Layout, outcome: Outcome, processes: Processes
    ) -> None:
        """:param kubeconfig: of the API server; None: the double."""
        layout.api.mkdir(mode=0o700)
        self._nodes, self._layout, self._outcome, self._processes = nodes, layout, outcome, processes
        self.server: ApiServer = (
            GivenServer(kubeconfig, layout, processes) if kubeconfig else DoubleServer(layout, processes)
        )
        self._cluster: ApiCluster | None = None
        self._control_plane: ControlPlane | None = None

    @property
    def cluster(self) -> ApiCluster:
        """Once it was started."""
        assert self._cluster is not None
        return self._cluster

    def start(self) -> None:
        with self._outcome.steps.step("the Kubernetes API answers, BGPPeer is defined, roles are given") as step:
            self.server.start()
            self._lay_way()
            self.server.wait_ready()
            self._cluster = ApiCluster(self.server, self._layout)
            who = "a double" if self.server.is_ours else str(self.server.kubeconfig)
            step.detail = f"{self.cluster.place} ({who}), {self.cluster.deploy()} objects of deploy/ created"

    def start_control_plane(self) -> None:
        """Unless the cluster has one, which is left to its own devices."""
        with self._outcome.steps.step("the control plane is started") as step:
            if is_led(self.cluster.client.get(LEASE), datetime.now(UTC)):
                step.detail = "the cluster has one already"
                return
            self.cluster.expect(LEASE)
            directory = self._layout.api / "controlplane"
            directory.mkdir(mode=0o700)
            login = self.cluster.login(CONTROL_PLANE, directory)
            self._control_plane = ControlPlane(self._layout, login, self._processes)
            self._control_plane.start()
            for node in self._nodes:
                self.cluster.put_agent(node)

    def agents_are_ready(self) -> None:
        """As their kubelets say it."""
        if self._control_plane is not None:
            for node in self._nodes:
                self.cluster.say_of_agent(node, is_ready=True)

    def silence(self) -> None:
        """An agent seems to be dead, and is back: the control plane says so of its node."""
        if self._control_plane is None:
            return
        with self._outcome.steps.step("a node whose agent is silent gets no new pods") as step:
            node = next(each for each in self._nodes if each.name == SILENT)
            times = []
            for is_ready, wanted in ((False, "True, TerwayEdgeAgentSilent"), (True, "False, TerwayEdgeServes")):
                begin = monotonic()
                self.cluster.say_of_agent(node, is_ready=is_ready)
                wait_until_none(partial(self._differs, wanted), MARK_LIMIT)
                times.append(monotonic() - begin)
            step.detail = (
                f"{SILENT} is marked after {times[0]:.1f} s, and not any more {times[1]:.1f} s after it is back"
            )

    def _differs(self, wanted: str) -> list[str]:
        """What is said of the silent node's network, if not that."""
        has = network_condition(self.cluster.client.get(f"{NODES}/{SILENT}") or {})
        return [] if has == wanted else [f"Node/{SILENT}: NetworkUnavailable is {has}, should be {wanted}"]

    def look(self, pods: Sequence[LabPod]) -> None:
        """What agents wrote is as it should be, soon."""
        with self._outcome.steps.step("agents wrote what users look for") as step:

            def wrong() -> list[str]:
                self._outcome.written = self.written(pods)
                return faults(self._outcome.written)

            wait_until_none(wrong, WRITE_LIMIT)
            step.detail = f"{len(self._outcome.written)} status entries, events, conditions and annotations"

    def ask(self) -> None:
        with self._outcome.steps.step("the API server has nothing to complain about") as step:
            report = self._outcome.api = self.server.report()
            if report is None:
                step.detail = "it does not tell"
                return
            for told in (*report.forbidden, *report.malformed):
                step.problem(told)
            step.detail = f"{report.made} requests, none forbidden or malformed" if step.ok else ""

    def stop_control_plane(self) -> None:
        if self._control_plane is not None:
            self._control_plane.stop()

    def stop(self) -> None:
        self.server.stop()

    def tails(self) -> list[tuple[str, str]]:
        """(path, last lines) of logs."""
        own = [(f"{self._layout.api}/controlplane", self._control_plane.tail())] if self._control_plane else []
        return [(str(self._layout.api), self.server.tail()), *own]

    def close(self) -> None:
        """In whatever state things are."""
        if self._cluster is not None:
            self._cluster.close()

    def written(self, pods: Sequence[LabPod]) -> list[Written]:
        client = self.cluster.client
        peers, nodes, their_pods = (_by_name(client.items(path)) for path in (PEERS, NODES, PODS))
        return written(Objects(peers, nodes, their_pods, client.items(EVENTS)), self._nodes, pods)

    def _lay_way(self) -> None:
        """Before an agent knows anything, its node must reach the API server."""
        for node in self._nodes:
            if isinstance(node, LabNode):
                batch(node.netns, [f"route add {CONTROL_ADDRESS}/32 via {node.lan.gateways[0]}"], self._processes)


def _by_name(items: Sequence[Object]) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in items}
