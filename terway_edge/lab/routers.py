"""What the routers of the lab share: real BGP daemons in a namespace, asked over their own sockets without forking.

Every daemon runs with its directory as working directory and is told relative names only, so that it needs no right
to enter the directories above and no name is longer than a socket's may be.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from terway_edge.lab.errors import LabError
from terway_edge.lab.processes import Processes

READY_TIMEOUT = 15.0  # seconds
STOP_TIMEOUT = 10.0  # seconds
ASK_TIMEOUT = 10.0  # seconds for one answer
TAIL = 15  # lines of a log shown on failure


class RibPath(NamedTuple):
    """One way to a prefix in a router's BGP table; `stale`: kept from a session that was lost (RFC 4724)."""

    prefix: str
    next_hop: str
    peer: str
    valid: bool
    stale: bool


class Daemon:
    """One process that runs in `directory` and writes to a log there."""

    def __init__(self, name: str, netns: str, directory: Path, processes: Processes) -> None:
        self.name = name
        self.netns = netns
        self.directory = directory
        self.log = directory / f"{name}.log"
        self._processes = processes
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, arguments: Sequence[str]) -> None:
        self.log.unlink(missing_ok=True)
        self._process = self._processes.start(arguments, netns=self.netns, log=self.log, cwd=self.directory)

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Raises LabError if it ends or is late."""
        deadline = time.monotonic() + READY_TIMEOUT
        while not is_ready():
            if self._process is None or self._process.poll() is not None:
                raise LabError(f"{self.name} does not run: {self.tail(1)}", look_at=str(self.log))
            if time.monotonic() > deadline:
                raise LabError(f"{self.name} is not ready after {READY_TIMEOUT:.0f} s", look_at=str(self.log))
            time.sleep(0.005)

    def stop(self) -> None:
        """SIGTERM, and wait. Raises LabError if it had to be killed."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.wait()
            raise LabError(f"{self.name} did not end within {STOP_TIMEOUT:.0f} s", look_at=str(self.log)) from error
        finally:
            self._process = None

    def tail(self, lines: int = TAIL) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


class Router(ABC):
    """A BGP router in an existing namespace; `directory` is made and holds everything it writes.

    Whatever is asked raises LabError if the router does not answer.
    """

    protocol = ""
    """The origin that its routes have in the kernel, as iproute2 calls it."""

    def __init__(self, name: str, netns: str, directory: Path, processes: Processes, config: str) -> None:
        self.name = name
        self.netns = netns
        self.directory = directory
        self.config = config
        self._processes = processes
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def wait_ready(self) -> None:
        """Wait until it answers. Raises LabError if it refuses its configuration, ends or is late."""

    @abstractmethod
    def stop(self) -> None:
        """SIGTERM, and wait. Raises LabError if it had to be killed."""

    @abstractmethod
    def log_tail(self) -> str: ...

    @abstractmethod
    def vty(self, command: str) -> str:
        """The answer to a command of the router's own command line. Raises LabError if it is refused."""

    @abstractmethod
    def configure(self, lines: Sequence[str]) -> None:
        """Change the running configuration. Raises LabError naming what is refused."""

    @abstractmethod
    def paths(self, version: int) -> list[RibPath]:
        """The BGP table of IPv4 or IPv6, without the router's own routes."""

    @abstractmethod
    def sessions(self) -> dict[str, str]:
        """Peer address -> state, as RFC 4271 calls it."""

    @abstractmethod
    def prefixes_received(self, peer: str) -> int:
        """Prefixes of both families that were accepted from a peer."""

    @abstractmethod
    def last_error(self, peer: str) -> str:
        """Why the last session with a peer ended, in the router's words; empty if none did."""

    def routes(self, version: int) -> dict[str, tuple[str, ...]]:
        """Prefix -> next hops in the BGP table, each once, sorted."""
        found: dict[str, set[str]] = {}
        for path in self.paths(version):
            found.setdefault(path.prefix, set()).add(path.next_hop)
        return {prefix: tuple(sorted(next_hops)) for prefix, next_hops in found.items()}

    def kernel_routes(self, version: int) -> set[str]:
        """Prefixes that the namespace forwards because this router says so."""
        arguments = ["ip", "-j", f"-{version}", "route", "show", "proto", self.protocol]
        shown = self._processes.must(arguments, netns=self.netns)
        return {str(ipaddress.ip_network(route["dst"])) for route in json.loads(shown or "[]")}

    def stale(self, version: int) -> set[str]:
        """Prefixes with a path that is kept from a lost session."""
        return {path.prefix for path in self.paths(version) if path.stale}


def connect(path: Path) -> socket.socket:
    """A stream to a daemon's socket, however long its name. Raises OSError."""
    directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(ASK_TIMEOUT)
        connection.connect(f"/proc/self/fd/{directory}/{path.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection
