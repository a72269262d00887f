"""A LAN with a real switch, nodes with real agents, and their cluster behind a double of the Kubernetes API.

    node-1, node-2 (agents) -- switch: FRR, and the API server at its address

Agents have the rights of deploy/, kubectl those of an administrator.
"""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from terway_edge.lab.agents import Agent
from terway_edge.lab.api_cluster import ApiCluster
from terway_edge.lab.api_server import ApiReport, current_cluster
from terway_edge.lab.fabric import Switch
from terway_edge.lab.lans import lab_lans, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import POOL_LABEL
from terway_edge.lab.processes import Processes, new_token
from terway_edge.lab.sockets import socket_in
from terway_edge.lab.topology import build
from terway_edge.testing.apiserver import ADMIN, ApiServer, Server, Settings, self_signed, write_kubeconfig
from tests.deploy.tools import DEPLOY, kubectl

PAGE = Path(__file__).parents[1] / "cluster" / "bgppeer.yaml"
"""The manifests of the product's page, byte for byte."""
PASSWORD = "mySecretValue"
PORT = 6443


class InProcess:
    """`terway_edge.lab.api_server.ApiServer` of a server that the test runs itself."""

    is_ours = True

    def __init__(self, netns: str, address: str, directory: Path) -> None:
        self.netns, self.kubeconfig = netns, directory / "admin.kubeconfig"
        self.api, certificate = ApiServer(Settings(rbac=True)), self_signed(address)
        listening = socket_in(netns, socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # to be back while old connections linger
        listening.bind((address, PORT))
        listening.listen()
        self.server = Server(self.api, listening, certificate.context())
        token = self.api.tokens.add(ADMIN)
        write_kubeconfig(self.kubeconfig, self.server.url, token=token, authority=certificate.certificate)

    def start(self) -> None:
        self.server.start()

    def wait_ready(self) -> None: ...

    def door(self) -> dict[str, Any]:
        return current_cluster(self.kubeconfig)

    def cut(self) -> None:
        self.server.away()

    def mend(self) -> None:
        self.server.back()

    def report(self) -> ApiReport | None:
        return None

    def stop(self) -> None:
        self.server.close()

    def tail(self) -> str:
        return ""


class Site:
    """`closing` ends what it starts."""

    def __init__(self, layout: Layout, closing: ExitStack) -> None:
        self.processes = Processes(new_token(layout))
        self.lan = lab_lans(layout)[0]
        self.nodes = {index: lab_node(layout, index) for index in (1, 2)}
        build(list(self.nodes.values()), self.processes)
        layout.api.mkdir()
        self._home = layout.root
        self.server = InProcess(self.lan.netns, self.lan.gateways[0], layout.api)
        closing.callback(self.server.stop)
        self.server.start()
        self.cluster = ApiCluster(self.server, layout)
        closing.callback(self.cluster.close)
        self.switch = Switch(self.lan, list(self.nodes.values()), "frr", layout, self.processes, PASSWORD)
        closing.callback(self.switch.router.stop)
        self.agents: dict[int, Agent] = {}
        self.layout, self._closing = layout, closing

    def install(self) -> list[str]:
        """What kubectl says to the product's manifests and to the page's."""
        for node in self.nodes.values():
            self.cluster.put(node, {POOL_LABEL: "npxxx"})
        return [self.kubectl("apply", "-k", str(DEPLOY)), self.kubectl("apply", "-f", str(PAGE))]

    def start(self, *strangers: int) -> None:
        """The switch and all agents. Of strangers the switch has another password."""
        self.switch.router.start()
        self.switch.router.wait_ready()
        for index in strangers:
            self.switch.set_password(self.nodes[index], "another")
        for index, node in self.nodes.items():
            agent = self.agents[index] = Agent(node, self.layout.node_dir(node.name), self.cluster, self.processes)
            agent.start()
            self._closing.callback(self._end, agent)
        for agent in self.agents.values():
            agent.wait_ready()

    @staticmethod
    def _end(agent: Agent) -> None:
        agent.terminate()
        agent.wait()

    def kubectl(self, *arguments: str) -> str:
        done = self.try_kubectl(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"KUBECONFIG": str(self.server.kubeconfig), "HOME": str(self._home)}
        return self.processes.run([kubectl(), *arguments], netns=self.lan.netns, environ=environ)

    def described(self) -> list[list[str]]:
        """The events that `kubectl describe` shows: type, reason, age, source, message."""
        text = self.kubectl("describe", "bgppeers", "peer")
        rows = text.partition("\nEvents:\n")[2].splitlines()[2:]
        return [_fields(row) for row in rows]


def _fields(row: str) -> list[str]:
    """Ages have single blanks inside, columns are two or more apart."""
    return [field.strip() for field in row.strip().split("  ") if field.strip()]
