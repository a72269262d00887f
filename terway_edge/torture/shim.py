"""Calls of the real shim, as a runtime executes it; several may run at once, and each may be killed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import netns_path
from terway_edge.lab.processes import MARK
from terway_edge.lab.runtime import load_network
from terway_edge.torture.books import Pod

NETWORK_LIMIT = 5.0  # seconds
POLL = 0.005
PATIENCE = 70.0  # seconds; the longest of the shim's own budgets is 60


class Answer(NamedTuple):
    """How a call ended. `code` is the CNI error's, 0 with success, -1 if what was printed is no CNI error."""

    command: str
    status: int
    text: str
    code: int
    seconds: float

    @property
    def ok(self) -> bool:
        return self.status == 0

    def __str__(self) -> str:
        said = "success" if self.ok else f"status {self.status}, code {self.code}: {self.text.strip()[:300]}"
        return f"{self.command} after {self.seconds:.2f} s: {said}"


class Call:
    """One that runs."""

    def __init__(self, command: str, arguments: list[str], environ: Mapping[str, str], stdin: bytes) -> None:
        self.command = command
        self._began = time.monotonic()
        self._ended = 0.0
        self._process = subprocess.Popen(
            arguments, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._process.stdin
        try:
            self._process.stdin.write(stdin)
            self._process.stdin.close()
        except BrokenPipeError:  # it needs no stdin, or ended before it read all
            pass

    @property
    def pid(self) -> int:
        return self._process.pid

    def note_end(self) -> None:
        """It ends now, for all that is told of its time; otherwise it does when `finish` sees it."""
        self._ended = time.monotonic()

    def is_done(self) -> bool:
        return self._process.poll() is not None

    def finish(self) -> Answer:
        """Raises LabError if it does not end."""
        self._process.stdin = None
        try:
            out, err = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise LabError(f"the shim did not end {PATIENCE:.0f} s after {self.command}") from error
        text = (out or err).decode(errors="replace")
        status = self._process.returncode
        seconds = (self._ended or time.monotonic()) - self._began
        return Answer(self.command, status, text, _code(text) if status else 0, seconds)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._process.stdin = None
        self._process.kill()
        self._process.communicate()


class Shim:
    """The shim of a node, installed by its agent below `directory`."""

    def __init__(self, netns: str, directory: Path, token: str) -> None:
        self._netns = netns
        self._bin = directory / "bin"
        self._conf = directory / "net.d"
        self._environ = {
            "PATH": os.environ["PATH"],
            MARK: token,
            "TERWAY_EDGE_RUN": str(directory / "run"),
            "TERWAY_EDGE_STATE": str(directory / "state"),
            "CNI_PATH": str(self._bin),
        }

    def configuration(self, pod: Pod | None = None) -> dict[str, Any]:
        """What the runtime sends on stdin. Raises LabError if there is no network in time: an agent that has just begun
        publishes it a moment after it can serve."""
        deadline = time.monotonic() + NETWORK_LIMIT
        while (network := load_network(self._conf)) is None:
            if time.monotonic() > deadline:
                raise LabError(f"no CNI configuration in {self._conf}")
            time.sleep(POLL)
        content = {key: value for key, value in network.plugin.items() if key != "capabilities"}
        content |= {"name": network.name, "cniVersion": network.version}
        if pod and pod.port:
            mapping = {"hostPort": pod.port, "containerPort": 80, "protocol": "tcp"}
            content["runtimeConfig"] = {"portMappings": [mapping]}
        if pod and pod.result:
            content["prevResult"] = pod.result
        return content

    def start(
        self,
        command: str,
        pod: Pod | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        budget: float = 0.0,
    ) -> Call:
        """:param environ: in place of the pod's
        :param stdin: in place of the configuration
        :param budget: seconds, if less than the shim's own
        """
        environ = self._environ | (pod.environ() if pod else {}) | {"CNI_COMMAND": command} | dict(environ or {})
        if budget:
            environ["TERWAY_EDGE_BUDGET_MS"] = str(int(budget * 1000))
        content = json.dumps(self.configuration(pod)).encode() if stdin is None else stdin
        arguments = ["nsenter", f"--net={netns_path(self._netns)}", str(self._bin / "terway-edge")]
        return Call(environ["CNI_COMMAND"], arguments, environ, content)


def _code(text: str) -> int:
    try:
        return int(json.loads(text)["code"])
    except (ValueError, KeyError, TypeError):
        return -1
