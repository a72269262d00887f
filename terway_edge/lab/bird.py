"""BIRD 2, told and asked over its control socket.

The socket speaks in lines (birdc does the same): `CODE-text` and lines that begin with a blank go on, `CODE text`
ends the answer; codes from 8000 are errors.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from terway_edge.lab.errors import LabError
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Daemon, RibPath, Router, connect

LAST = re.compile(rb"(?:^|\n)(\d{4}) [^\n]*\n$")
FIRST_ERROR = 8000
ROUTE = re.compile(
    r"^(?P<prefix>[0-9a-f:.]+/\d+)?\s+(?P<kind>unicast|unreachable|blackhole|prohibit) \[(?P<protocol>\S+) "
)
COMMAND = ["bird", "-f", "-c", "bird.conf", "-s", "bird.ctl"]


class Bird(Router):
    """`config` is the text of bird.conf, whole: routes reach the kernel if it says so. The log is taken care of."""

    protocol = "bird"

    def __init__(self, name: str, netns: str, directory: Path, processes: Processes, config: str) -> None:
        super().__init__(name, netns, directory, processes, config)
        self._bird = Daemon("bird", netns, directory, processes)

    def start(self) -> None:
        self._write(self.config)
        self._bird.start(COMMAND)

    def wait_ready(self) -> None:
        self._bird.wait_until(self._answers)

    def stop(self) -> None:
        self._bird.stop()

    def log_tail(self) -> str:
        return self._bird.tail()

    def vty(self, command: str) -> str:
        """As birdc prints it, without codes."""
        try:
            with connect(self.directory / "bird.ctl") as connection:
                _answer(connection)  # the greeting
                connection.sendall(command.encode() + b"\n")
                code, text = _answer(connection)
        except OSError as error:
            look_at = str(self._bird.log)
            raise LabError(
                f"router {self.name} does not answer: {os.strerror(error.errno or 0)}", look_at=look_at
            ) from error
        if code >= FIRST_ERROR:
            raise LabError(f"router {self.name} refuses '{command}': {text.strip()}")
        return text

    def configure(self, lines: Sequence[str]) -> None:
        """The whole new configuration: BIRD compares and touches only what differs."""
        self._write("\n".join([*lines, ""]))
        self.vty("configure")

    def paths(self, version: int) -> list[RibPath]:
        """BIRD 2.0 does not mark stale routes: all of a peer count until its restart is over."""
        peers = {block.name: block for block in self._protocols()}
        shown = self.vty(f"show route table master{version} all where source = RTS_BGP")
        return [
            RibPath(prefix, next_hop, peers[protocol].peer, kind == "unicast", peers[protocol].is_restarting)
            for prefix, kind, protocol, next_hop in _routes(shown)
        ]

    def sessions(self) -> dict[str, str]:
        return {block.peer: block.value("BGP state") for block in self._protocols()}

    def prefixes_received(self, peer: str) -> int:
        return sum(int(routes.split()[0]) for routes in self._protocol(peer).values("Routes"))

    def last_error(self, peer: str) -> str:
        return self._protocol(peer).value("Last error")

    def _protocol(self, peer: str) -> Protocol:
        found = next((block for block in self._protocols() if block.peer == peer), None)
        if found is None:
            raise LabError(f"router {self.name} has no neighbour {peer}")
        return found

    def _protocols(self) -> list[Protocol]:
        return _protocols(self.vty("show protocols all"))

    def _answers(self) -> bool:
        try:
            self.vty("show status")
        except LabError:
            return False
        return True

    def _write(self, config: str) -> None:
        path = self.directory / "bird.conf"
        path.touch(mode=0o600)
        path.write_text(f"log stderr all;\n{config}")


class Protocol:
    """What `show protocols all` tells of one BGP protocol."""

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self.name = name
        self._lines = lines

    @property
    def peer(self) -> str:
        return self.value("Neighbor address")

    @property
    def is_restarting(self) -> bool:
        return any("Neighbor graceful restart active" in line for line in self._lines)

    def value(self, key: str) -> str:
        """What stands behind a key; empty if it is not there."""
        return next(iter(self.values(key)), "")

    def values(self, key: str) -> list[str]:
        pairs = (line.strip().partition(":") for line in self._lines)
        return [value.strip() for found, _, value in pairs if found == key]


def _answer(connection: socket.socket) -> tuple[int, str]:
    """Code and text of one answer. Raises OSError."""
    answer = bytearray()
    while not (last := LAST.search(answer)):
        part = connection.recv(1 << 18)
        if not part:
            raise ConnectionResetError
        answer += part
    return int(last[1]), re.sub(r"(?m)^(\d{4}[- ]| )", "", answer.decode())


def _protocols(shown: str) -> list[Protocol]:
    """The blocks of BGP protocols: a line that begins with name and kind, then indented ones."""
    blocks: dict[str, list[str]] = {}
    name = ""
    for line in shown.splitlines():
        if not line[:1].isspace():
            name, kind, *_ = [*line.split(), "", ""]
            if kind == "BGP":
                blocks[name] = []
        if name in blocks:
            blocks[name].append(line)
    return [Protocol(name, lines) for name, lines in blocks.items()]


def _routes(shown: str) -> Iterator[tuple[str, str, str, str]]:
    """Prefix, kind, protocol and BGP next hop of every path; only the first path of a prefix names it."""
    prefix = kind = protocol = ""
    for line in shown.splitlines():
        if found := ROUTE.match(line):
            prefix = found["prefix"] or prefix
            kind, protocol = found["kind"], found["protocol"]
        elif line.strip().startswith("BGP.next_hop:"):
            yield prefix, kind, protocol, line.split(":", 1)[1].split()[0]
