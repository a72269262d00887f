"""Pods that ping each other without a pause, and which of their packets were lost when.

ping(8) prints the time of every answer (`-D`); what was not answered was sent between the answers around it.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes

INTERVAL = 0.02  # seconds between echo requests
END_WITHIN = 5.0  # seconds for ping's summary

_ANSWER = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+) ", re.MULTILINE)


class Packet(NamedTuple):
    """`at` is the time it was sent or answered (seconds since the epoch)."""

    at: float
    is_lost: bool


class Stream:
    """Echo requests from a pod to another; made running."""

    def __init__(self, source: LabPod, target: LabPod, family: int, directory: Path, processes: Processes) -> None:
        self.source = source
        self.target = target
        self.family = family
        self._log = directory / f"ping{family}-{source.name}-{target.name}.log"
        arguments = ["ping", f"-{family}", "-n", "-D", "-i", str(INTERVAL), target.address(family)]
        self._process = processes.start(arguments, netns=source.netns, log=self._log)

    def __str__(self) -> str:
        return f"{self.source.name} -> {self.target.name} (IPv{self.family})"

    @property
    def answered(self) -> int:
        """Answers so far."""
        return len(_ANSWER.findall(self._log.read_text()))

    def stop(self) -> list[Packet]:
        """End it; every packet in the order of sending."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return packets(self._log.read_text())


def packets(output: str) -> list[Packet]:
    """Read what ping printed; what it had sent after the last answer is left out: it may be on its way."""
    answers = {int(number): float(at) for at, number in _ANSWER.findall(output)}
    found: list[Packet] = []
    previous = at = min(answers.values(), default=0.0)
    lost = 0
    for number in range(1, max(answers, default=0) + 1):
        if number not in answers:
            lost += 1
            continue
        at = answers[number]
        step = (at - previous) / (lost + 1)
        found += [Packet(previous + step * n, True) for n in range(1, lost + 1)]
        found.append(Packet(at, False))
        previous, lost = at, 0
    return found


def between(found: Sequence[Packet], begin: float, end: float) -> tuple[int, int]:
    """Packets sent and lost from `begin` until before `end`."""
    inside = [packet.is_lost for packet in found if begin <= packet.at < end]
    return len(inside), sum(inside)
