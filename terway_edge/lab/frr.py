"""FRR's bgpd, with zebra and the kernel's routes or alone, told and asked over its vty socket.

The socket speaks as vtysh does: a command and a NUL there, the text, three NULs and a status byte back.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terway_edge.lab.errors import LabError
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Daemon, RibPath, Router, connect

DAEMONS = Path("/usr/lib/frr")
USER = "frr"
SUCCESS, WARNING = 0, 1
REFUSED = " on config line "
COMMON = ["--vty_socket", ".", "-P", "0", "--log", "stdout"]
ZEBRA = [str(DAEMONS / "zebra"), *COMMON, "-f", "/dev/null", "-i", "./zebra.pid", "-z", "./zserv.api"]
# FRR makes names of files absolute, and user frr may not walk down to the directory.
BGPD = [str(DAEMONS / "bgpd"), *COMMON, "-f", "/proc/self/cwd/bgpd.conf", "-i", "./bgpd.pid"]


class Frr(Router):
    """`config` is the text of bgpd.conf; without `kernel` bgpd runs alone and takes every next hop for valid."""

    protocol = "bgp"

    def __init__(
        self, name: str, netns: str, directory: Path, processes: Processes, config: str, *, kernel: bool = True
    ) -> None:
        super().__init__(name, netns, directory, processes, config)
        self._bgpd = Daemon("bgpd", netns, directory, processes)
        self._zebra = Daemon("zebra", netns, directory, processes) if kernel else None

    def start(self) -> None:
        """Raises LabError if zebra does not come up."""
        shutil.chown(self.directory, USER, USER)
        path = self.directory / "bgpd.conf"
        path.touch(mode=0o600)
        path.write_text(self.config)
        shutil.chown(path, USER, USER)
        if self._zebra is None:
            self._bgpd.start([*BGPD, "-n", "-Z"])
            return
        self._zebra.start(ZEBRA)
        self._zebra.wait_until((self.directory / "zserv.api").is_socket)
        self._bgpd.start([*BGPD, "-z", "./zserv.api"])

    def wait_ready(self) -> None:
        self._bgpd.wait_until(self._answers)
        refused = [line for line in self._bgpd.log.read_text().splitlines() if REFUSED in line]
        if refused:
            raise LabError(f"router {self.name} refuses its configuration: {'; '.join(refused)}")

    def stop(self) -> None:
        self._bgpd.stop()
        if self._zebra is not None:
            self._zebra.stop()
        for name in ("bgpd.vty", "zebra.vty", "zserv.api"):
            (self.directory / name).unlink(missing_ok=True)

    def log_tail(self) -> str:
        return self._bgpd.tail()

    def vty(self, command: str) -> str:
        status, text = self._ask([command])[-1]
        if status not in (SUCCESS, WARNING):
            raise LabError(f"router {self.name} refuses '{command}': {text.strip()}")
        return text

    def json(self, command: str) -> dict[str, Any]:
        """The answer to a `show ... json`."""
        answer: dict[str, Any] = json.loads(self.vty(command))
        return answer

    def configure(self, lines: Sequence[str]) -> None:
        """Lines as after `configure terminal`."""
        commands = ["configure terminal", *lines]
        for command, (status, text) in zip(commands, self._ask(commands), strict=True):
            if status != SUCCESS:
                raise LabError(f"router {self.name} refuses '{command}': {text.strip()}")

    def paths(self, version: int) -> list[RibPath]:
        table = self.json(f"show bgp ipv{version} unicast json").get("routes", {})
        return [
            _path(prefix, path) for prefix, paths in table.items() for path in paths if path["peerId"] != "(unspec)"
        ]

    def sessions(self) -> dict[str, str]:
        return {peer: neighbour["bgpState"] for peer, neighbour in self._neighbours().items()}

    def prefixes_received(self, peer: str) -> int:
        families = self._neighbour(peer)["addressFamilyInfo"].values()
        return sum(int(family["acceptedPrefixCounter"]) for family in families)

    def last_error(self, peer: str) -> str:
        neighbour = self._neighbour(peer)
        parts = [neighbour.get("lastResetDueTo", ""), neighbour.get("lastNotificationReason", "")]
        return ": ".join(part for part in parts if part)

    def _neighbour(self, peer: str) -> dict[str, Any]:
        neighbours = self._neighbours()
        if peer not in neighbours:
            raise LabError(f"router {self.name} has no neighbour {peer}")
        return neighbours[peer]

    def _neighbours(self) -> dict[str, dict[str, Any]]:
        shown = self.json("show bgp neighbors json")
        return {peer: neighbour for peer, neighbour in shown.items() if isinstance(neighbour, dict)}

    def _answers(self) -> bool:
        try:
            self._ask([])
        except LabError:
            return False
        return True

    def _ask(self, commands: Sequence[str]) -> list[tuple[int, str]]:
        try:
            with connect(self.directory / "bgpd.vty") as connection:
                return [_exchange(connection, command) for command in ("enable", *commands)][1:]
        except OSError as error:
            look_at = str(self._bgpd.log)
            raise LabError(
                f"router {self.name} does not answer: {os.strerror(error.errno or 0)}", look_at=look_at
            ) from error


def _exchange(connection: socket.socket, command: str) -> tuple[int, str]:
    """Status and text of one command. Raises OSError."""
    connection.sendall(command.encode() + b"\0")
    answer = bytearray()
    while len(answer) < 4 or answer[-4:-1] != b"\0\0\0":
        part = connection.recv(1 << 18)
        if not part:
            raise ConnectionResetError
        answer += part
    return answer[-1], answer[:-4].decode()


def _path(prefix: str, path: dict[str, Any]) -> RibPath:
    # The link-local next hop that may come second is for forwarding only (RFC 2545).
    next_hop = next(hop["ip"] for hop in path["nexthops"] if hop.get("scope") != "link-local")
    return RibPath(prefix, next_hop, path["peerId"], path.get("valid", False), path.get("stale", False))
