"""Who reaches whom: many runs of ping(8), each in its own namespace, several at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from terway_edge.lab.processes import Processes

COUNT = 2
INTERVAL = 0.02  # seconds between echo requests
WAIT = 1  # seconds for the last answer
PARALLEL = 16

_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")
_TIMES = re.compile(r"= [\d.]+/([\d.]+)/")


class End(NamedTuple):
    """A place a ping starts from or goes to; `addresses` are v4 and v6, empty where it has none."""

    name: str
    netns: str
    addresses: tuple[str, str]
    domain: str = ""

    def has(self, family: int) -> bool:
        return bool(self.addresses[family == 6])


class Ping(NamedTuple):
    source: End
    target: End
    family: int

    @property
    def address(self) -> str:
        return self.target.addresses[self.family == 6]


class Answer(NamedTuple):
    """What became of a ping: echo requests sent and lost, mean round trip in ms, and why it failed if it did."""

    ping: Ping
    sent: int
    lost: int
    milliseconds: float = 0.0
    why: str = ""


def matrix(nodes: Sequence[End], pods: Sequence[End], hosts: Sequence[End] = ()) -> list[Ping]:
    """Every pod to every other pod, every node to every pod and back, every other host to all of them and back: in the
    families that both ends have."""
    pairs = [(source, target) for source in pods for target in pods if source is not target]
    pairs += [pair for node in nodes for pod in pods for pair in ((node, pod), (pod, node))]
    pairs += [pair for host in hosts for end in (*nodes, *pods) for pair in ((host, end), (end, host))]
    pairs += [(source, target) for source in hosts for target in hosts if source is not target]
    return [
        Ping(source, target, family)
        for source, target in pairs
        for family in (4, 6)
        if source.has(family) and target.has(family)
    ]


def run(pings: Sequence[Ping], processes: Processes) -> list[Answer]:
    """Send them all; the answers are in the order of the pings."""
    with ThreadPoolExecutor(PARALLEL) as executor:
        return list(executor.map(lambda ping: _send(ping, processes), pings))


def parse(ping: Ping, status: int, stdout: str, stderr: str) -> Answer:
    """Read the summary of iputils ping; without one (no route, no such address) every request counts as lost."""
    summary = _SUMMARY.search(stdout)
    if summary is None:
        why = stderr.strip() or f"ping ended with {status} and no summary"
        return Answer(ping, COUNT, COUNT, why=why)
    sent, received = int(summary[1]), int(summary[2])
    times = _TIMES.search(stdout)
    why = "" if received == sent == COUNT else _reason(stdout)
    return Answer(ping, max(sent, COUNT), max(sent, COUNT) - received, float(times[1]) if times else 0.0, why)


def _send(ping: Ping, processes: Processes) -> Answer:
    if not ping.address:
        return Answer(ping, COUNT, COUNT, why=f"{ping.target.name} has no IPv{ping.family} address")
    arguments = ["ping", f"-{ping.family}", "-n", "-c", str(COUNT), "-i", str(INTERVAL), "-W", str(WAIT), ping.address]
    done = processes.run(arguments, netns=ping.source.netns)
    return parse(ping, done.returncode, done.stdout, done.stderr)


def _reason(stdout: str) -> str:
    """The first complaint of a router on the way ("From 172.16.0.11 icmp_seq=1 Destination Host Unreachable")."""
    complaint = next((line for line in stdout.splitlines() if line.startswith("From ")), "")
    return complaint or "no answer"
