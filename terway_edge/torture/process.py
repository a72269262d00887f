"""The agent's process: started, asked, signalled and measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from terway_edge.cni.wire import WireError, call
from terway_edge.core.failpoints import SUFFIX, VARIABLE
from terway_edge.lab.errors import LabError
from terway_edge.lab.processes import Processes

READY_LIMIT = 30.0  # seconds
STOP_LIMIT = 30.0  # seconds that a pod has to end; the agent leaves after 26 whatever holds it
RACE_LIMIT = 15.0  # seconds; a second agent waits some seconds for the first one to end
POLL = 0.01
TAIL = 30
DIRECTORIES = ("run", "state", "bin", "net.d")


class Usage(NamedTuple):
    """What a process has: open descriptors but for those of netlink sockets, threads, resident memory in KiB, netlink
    sockets of its network namespace."""

    descriptors: int
    threads: int
    memory: int
    netlink: int = 0


class AgentProcess:
    """At most one at a time that counts; `directory` gets everything it writes."""

    def __init__(
        self,
        netns: str,
        directory: Path,
        settings: Mapping[str, Any],
        processes: Processes,
        *,
        has_failpoints: bool = True,
    ) -> None:
        """:param has_failpoints: without, the agent runs as it does elsewhere, and nothing can be armed"""
        self.log = directory / "agent.log"
        self.run_dir, self.state_dir = directory / "run", directory / "state"
        self._netns = netns
        self._processes = processes
        self._has_failpoints = has_failpoints
        self._process: subprocess.Popen[bytes] | None = None
        self._failpoints = directory / "failpoints"
        self._armed, self._was_hit = "", False
        self._config = directory / "config.yaml"
        self._config.write_text(yaml.safe_dump(dict(settings), sort_keys=False))
        self.arm("")

    def arm(self, line: str) -> None:
        """The only failpoint there is from now on; none if empty. What was reached before is forgotten, but for
        `was_hit`."""
        self._was_hit = self.was_hit() and not line
        self._armed = line.partition(" ")[0]
        temporary = self._failpoints.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(f"{line}\n" if line else "")
        temporary.rename(self._failpoints)
        self._reached = len(self._reached_lines())

    def reached(self, name: str) -> int:
        """How often a failpoint was reached since something was armed."""
        return self._reached_lines()[self._reached :].count(name)

    def was_hit(self) -> bool:
        """Whether what was armed last has been reached since, be it armed still or not."""
        return self._was_hit or bool(self._armed and self.reached(self._armed))

    def wait_reached(self, name: str) -> None:
        """Until somebody waits at a failpoint that is armed. Raises LabError if nobody comes."""
        if not self.comes_to(name, RACE_LIMIT):
            raise LabError(f"nobody came to failpoint {name}", look_at=str(self.log))

    def comes_to(self, name: str, limit: float) -> bool:
        """The same, in so many seconds; False if nobody does."""
        deadline = time.monotonic() + limit
        while not self.reached(name):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def _reached_lines(self) -> list[str]:
        path = self._failpoints.with_name(self._failpoints.name + SUFFIX)
        return path.read_text().splitlines() if path.exists() else []

    def spawn(self) -> subprocess.Popen[bytes]:
        """One more process of this agent, whatever others there are."""
        command = [sys.executable, "-m", "terway_edge.cli.main", "agent", "--config", str(self._config)]
        environ = {"TERWAY_EDGE_RUN": str(self.run_dir), "TERWAY_EDGE_STATE": str(self.state_dir)}
        if self._has_failpoints:
            environ[VARIABLE] = str(self._failpoints)
        return self._processes.start(command, netns=self._netns, log=self.log, environ=environ)

    def start(self) -> None:
        self._process = self.spawn()

    def race(self, other: subprocess.Popen[bytes]) -> tuple[bool, int]:
        """Until one of two processes of this agent has ended; whether that was `other`, and its exit status. The one
        that is left is the agent. Raises LabError if both go on."""
        assert self._process is not None
        deadline = time.monotonic() + RACE_LIMIT
        while time.monotonic() < deadline:
            if other.poll() is not None:
                return True, other.returncode
            if self._process.poll() is not None:
                ended, self._process = self._process, other
                return False, ended.returncode
            time.sleep(POLL)
        other.kill()
        other.wait()
        raise LabError(f"two agents run at once for {RACE_LIMIT:.0f} s", look_at=str(self.log))

    def is_stopped(self) -> bool:
        """By a signal, as SIGSTOP."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ended(self) -> str:
        """How it ended, for people."""
        return f"ended with {self._process.returncode}" if self._process else "was never started"

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP, and wait until no thread moves any more."""
        self.signal(signal.SIGSTOP)
        while self.runs() and not self.is_stopped():
            time.sleep(POLL)

    def wait(self, limit: float = STOP_LIMIT) -> int:
        """The exit status. Raises LabError if it does not end."""
        assert self._process is not None
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"the agent does not end within {limit:.0f} s", look_at=str(self.log)) from error

    def kill(self) -> None:
        """SIGKILL, and wait."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask(self, query: str) -> dict[str, Any]:
        """The answer to a query of the command line. Raises LabError."""
        try:
            reply = call(str(self.run_dir / "cni.sock"), {"TERWAY_EDGE_QUERY": query})
        except WireError as error:
            raise LabError(f"the agent does not answer '{query}': {error}", look_at=str(self.log)) from error
        if reply.status:
            raise LabError(f"the agent refuses '{query}': {reply.payload.decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(reply.payload)
        return answer

    def is_ready(self) -> bool:
        """It answers, and it could serve a pod."""
        try:
            return bool(self.ask("status")["ready"])
        except LabError:
            return False

    def repairs(self) -> int:
        """How many things of its own it has put right since it began. Raises LabError."""
        return sum(self.ask("status")["repairs"].values())

    def wait_ready(self) -> None:
        """Raises LabError if it ends, or is late."""
        deadline = time.monotonic() + READY_LIMIT
        while not self.is_ready():
            if not self.runs():
                raise LabError(f"the agent {self.ended()} before it was ready", look_at=str(self.log))
            if time.monotonic() > deadline:
                raise LabError(f"the agent is not ready after {READY_LIMIT:.0f} s", look_at=str(self.log))
            time.sleep(POLL)

    def usage(self) -> Usage:
        """Raises OSError if it does not run."""
        process = Path(f"/proc/{self.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        lines = (process / "net" / "netlink").read_text().splitlines()[1:]
        netlink = {f"socket:[{line.split()[-1]}]" for line in lines}
        targets = [_target(path) for path in (process / "fd").iterdir()]
        lent = sum(target in netlink for target in targets)
        return Usage(len(targets) - lent, int(status["Threads"]), int(status["VmRSS"].split()[0]), lent)

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:]) if self.log.exists() else ""


def _target(descriptor: Path) -> str:
    """Empty if it was closed meanwhile."""
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:
        return ""
