"""One edge node with a real agent and real pods, whose cluster is behind a double of the Kubernetes API on its LAN.

The agent has the rights of deploy/. Pods have a /22, so that scaling up at once need not wait for released addresses.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from terway_edge.lab.api_cluster import write_kubeconfig
from terway_edge.lab.deployed import objects
from terway_edge.lab.objects import POOL_LABEL
from terway_edge.testing.apiserver import service_account
from tests.system.machine import Machine, node_manifest
from tests.system_api.site import InProcess

NAME = "n1"
POD_CIDR = "10.64.4.0/22"
SERVER = "192.0.2.20"


class ApiNode(Machine):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        try:
            self.server = InProcess(self.peer, SERVER, directory)
            self.api = self.server.api
            for value in (*objects(), node_manifest(NAME, "192.0.2.10", POD_CIDR)):
                self.api.objects.put(value)
            token = self.api.tokens.add(service_account("kube-system", "terway-edge"))
            write_kubeconfig(directory / "kubeconfig", self.server.door(), token)
            self.settings["cluster"] = {"source": "api", "kubeconfig": str(directory / "kubeconfig")}
            self.ip(f"route add {POD_CIDR} via 192.0.2.10", netns=self.peer)
            self.server.start()
        except BaseException:
            super().close()
            raise

    def close(self) -> None:
        super().close()
        self.server.stop()

    def put_nodes(self, count: int) -> None:
        """Nodes of other LANs, behind the gateway."""
        for number in range(count):
            self.api.objects.put(other_node(number))

    def rss(self) -> float:
        """MiB of the agent's memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu(self) -> float:
        """Seconds that the agent had on processors so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def holds(self) -> set[str]:
        """The pods that have a lease."""
        return {lease["container"] for lease in self.ask("leases")["leases"]}


def other_node(number: int) -> dict[str, Any]:
    high, low = divmod(number, 250)
    cidr = f"10.{128 + high}.{low}.0/24"
    return node_manifest(f"other-{number}", f"198.18.{high}.{low + 1}", cidr, **{POOL_LABEL: "np2"})
