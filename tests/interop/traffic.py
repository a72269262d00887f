"""What happens to packets and to the kernel's routes while a test does its worst."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from terway_edge.lab.processes import Processes
from tests.interop.waiting import until

INTERVAL = 0.005  # seconds between two echo requests
STOP_TIMEOUT = 10.0  # seconds
MARKER = "203.0.113.0/32"

_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")


class Counted(NamedTuple):
    sent: int
    lost: int


class Pings:
    """ping(8) from a namespace to an address, from the first answer until `end`."""

    def __init__(self, netns: str, address: str, log: Path, processes: Processes) -> None:
        command = ["ping", "-n", "-i", str(INTERVAL), "-W", "1", address]
        self._address = address
        self._log = log
        self._process = processes.start(command, netns=netns, log=log)
        self.wait_for(1)

    @property
    def answered(self) -> int:
        return self._log.read_text().count(" bytes from ")

    def wait_for(self, count: int) -> None:
        """Until so many were answered."""
        until(
            lambda: self.answered >= count,
            lambda: f"{count} answers of {self._address}: {self._log.read_text()[-300:]}",
        )

    def end(self) -> Counted:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(STOP_TIMEOUT)
        summary = _SUMMARY.search(self._log.read_text())
        assert summary, self._log.read_text()[-300:]
        return Counted(int(summary[1]), int(summary[1]) - int(summary[2]))


class RouteMonitor:
    """`ip monitor route` in a namespace: what the kernel says of changes to its main tables."""

    def __init__(self, netns: str, log: Path, processes: Processes) -> None:
        self._netns = netns
        self._log = log
        self._processes = processes
        self._process: subprocess.Popen[bytes] = processes.start(["ip", "monitor", "route"], netns=netns, log=log)
        self._markers = 0
        until(self._is_awake, "ip monitor tells of a route")

    def deleted(self) -> list[str]:
        """The prefixes whose routes were removed so far, in order."""
        self._pass()
        lines = (line.split() for line in self._log.read_text().splitlines())
        return [words[1] for words in lines if len(words) > 1 and words[0] == "Deleted" and "table" not in words]

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(STOP_TIMEOUT)

    def _is_awake(self) -> bool:
        self._mark()
        return "table 77" in self._log.read_text()

    def _pass(self) -> None:
        """Until everything that happened before is in the log: a route of ours has come and gone."""
        seen = self._log.read_text().count("table 77")
        self._mark()
        until(lambda: self._log.read_text().count("table 77") >= seen + 2, "ip monitor tells of a route")

    def _mark(self) -> None:
        lines = f"route add {MARKER} dev lo table 77\nroute del {MARKER} dev lo table 77\n"
        self._processes.must(["ip", "-batch", "-"], netns=self._netns, stdin=lines)
