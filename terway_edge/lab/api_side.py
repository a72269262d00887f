"""The API server's side of the lab: it is started, filled, and asked what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from terway_edge.lab.api_client import Object
from terway_edge.lab.api_cluster import NODES, ApiCluster
from terway_edge.lab.api_server import ApiServer, DoubleServer, GivenServer
from terway_edge.lab.clouds import CONTROL_ADDRESS
from terway_edge.lab.convergence import wait_until_none
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import LabNode
from terway_edge.lab.layout import Layout
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch
from terway_edge.lab.written import Objects, Written, faults, written

PEERS = "/apis/network.openyurt.io/v1alpha1/bgppeers"
PODS, EVENTS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/events"
WRITE_LIMIT = 40.0  # seconds; a request that gets no answer is given up after 30


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

    def stop(self) -> None:
        self.server.stop()

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
