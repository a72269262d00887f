"""The real agent processes, one per node, each in its node's namespace with a configuration of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from terway_edge.cni.wire import WireError, call
from terway_edge.lab.cluster import Cluster
from terway_edge.lab.configuring import settings
from terway_edge.lab.errors import LabError
from terway_edge.lab.hosts import Host
from terway_edge.lab.processes import Processes
from terway_edge.lab.runtime import Runtime
from terway_edge.lab.sessions import Session, read

READY_TIMEOUT = 20.0  # seconds; two busy cores start three interpreters in about two
STOP_TIMEOUT = 10.0  # seconds; the agent's own promise for SIGTERM
TAIL = 15  # lines of a log shown on failure


class Agent:
    """One agent; `directory` gets config.yaml, agent.log and everything the agent writes."""

    def __init__(
        self,
        node: Host,
        directory: Path,
        cluster: Cluster,
        processes: Processes,
        node_pools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.node = node
        self.runtime = Runtime(node.netns, directory, processes)
        self.log = directory / "agent.log"
        self._directory = directory
        self._config = directory / "config.yaml"
        self._processes = processes
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("run", "state", "bin", "net.d"):
            (directory / name).mkdir(mode=0o700, parents=True)
        content = settings(node, directory, cluster.section(node, directory), node_pools)
        self._config.write_text(yaml.safe_dump(content, sort_keys=False))

    def start(self) -> None:
        command = [sys.executable, "-m", "terway_edge.cli.main", "agent", "--config", str(self._config)]
        where = {f"TERWAY_EDGE_{name.upper()}": str(self._directory / name) for name in ("run", "state")}
        self._process = self._processes.start(command, netns=self.node.netns, log=self.log, environ=where)

    def wait_ready(self) -> None:
        """Wait until the network is published and STATUS is good. Raises LabError if the agent ends or is late.

        STATUS alone does not tell: the shim answers it for an agent that has just gone.
        """
        deadline = time.monotonic() + READY_TIMEOUT
        while not (self._answers() and self.runtime.ready()):
            if self._process is not None and (status := self._process.poll()) is not None:
                raise self._failure(f"ended with {status} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(f"is not ready after {READY_TIMEOUT:.0f} s")
            time.sleep(0.02)

    def terminate(self) -> None:
        """SIGTERM; wait() tells how it ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self) -> None:
        """Raises LabError unless the agent ends with 0 in the time it promises."""
        if self._process is None:
            return
        try:
            status = self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise self._failure(f"did not end within {STOP_TIMEOUT:.0f} s of SIGTERM") from error
        if status:
            raise self._failure(f"ended with {status} after SIGTERM")

    def complaints(self) -> list[str]:
        """What the agent itself finds wrong: conditions, and routes that differ from what it wants."""
        conditions = [
            f"condition {c['reason']} of {c['subject']}: {c['message']}" for c in self.ask("status")["conditions"]
        ]
        routes = [
            f"route {r['prefix']} {r['state']}: wanted '{r['desired']}', actual '{r['actual']}'"
            for r in self.ask("routes")["routes"]
            if r["state"] != "ok"
        ]
        return conditions + routes

    def unrest(self) -> list[str]:
        """What an ENI node complains about, and what it has asked of the cloud and not got yet."""
        coming = ("coming", "waiting", "enis on their way", "enis leaving")
        details = [plugin["details"] for plugin in self.ask("status")["plugins"]]
        open_ = [f"{self.node.name}: {key} {found[key]}" for found in details for key in coming if found.get(key)]
        return open_ + self.complaints()

    def plugins(self) -> list[str]:
        """Names of the plugins the agent has loaded without an error."""
        return [plugin["name"] for plugin in self.ask("plugins")["plugins"] if not plugin["error"]]

    def backend(self) -> str:
        """Name of the backend that serves new pods of the node."""
        return str(self.ask("status")["backend"])

    def sessions(self) -> list[Session]:
        """Its BGP sessions as it tells of them."""
        return read(self.ask("bgp peers"))

    def _answers(self) -> bool:
        try:
            self.ask("status")
        except LabError:
            return False
        return True

    def ask(self, query: str) -> dict[str, Any]:
        """The agent's answer to a query of the command line. Raises LabError."""
        socket = self._directory / "run" / "cni.sock"
        try:
            reply = call(str(socket), {"TERWAY_EDGE_QUERY": query})
        except WireError as error:
            raise self._failure(f"does not answer '{query}': {error}") from error
        if reply.status:
            raise self._failure(f"refuses '{query}': {reply.payload.decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(reply.payload)
        return answer

    def tail(self) -> str:
        """The last lines of the log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])

    def _failure(self, what: str) -> LabError:
        return LabError(f"the agent of {self.node.name} {what}", look_at=str(self.log))
