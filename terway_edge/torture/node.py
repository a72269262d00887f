"""A node that is tortured: its agent, its shim, and what can be seen of it. Subclasses say what it stands on."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from terway_edge.lab.hosts import Host
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.testing.oracle import Picture
from terway_edge.testing.oracle.inside import inside
from terway_edge.testing.oracle.node import JOURNAL, NodeReader
from terway_edge.torture.books import Books, by_key
from terway_edge.torture.process import DIRECTORIES, AgentProcess
from terway_edge.torture.shim import Shim

COOLDOWN = 2.0  # seconds; short, so that addresses come back within a run
GRACE = 2.0
SETTINGS: Mapping[str, Any] = {
    "ipam": {"cooldown_seconds": COOLDOWN},
    "gc": {"period_seconds": 1, "grace_seconds": GRACE},
    "routes": {"resync_seconds": 5},
}
HIT, NO_HIT = "Flush is complete", "Nothing to flush"
"""What `ip -s ... flush` says of what it found."""
DISK = "1m"
"""Of the state directory, a file system of its own that an act fills."""


class TorturedNode(ABC):
    """`kind` is edge, cloud or ens. Whatever asks the node raises LabError if it cannot be asked."""

    kind = ""
    has_failpoints = True

    def __init__(self, host: Host, layout: Layout, processes: Processes, token: str, disk: str = DISK) -> None:
        """:param disk: size of the state directory, as mount(8) takes it"""
        self.host = host
        self.layout = layout
        self.processes = processes
        self._disk = disk
        self.directory = layout.node_dir(host.name)
        self.books = Books(layout.netns(host.name))
        self.shim = Shim(host.netns, self.directory, token)
        self.agent: AgentProcess
        self.reader: NodeReader

    def build(self) -> None:
        """Everything but the agent's start."""
        self.build_surroundings()
        for name in DIRECTORIES:
            (self.directory / name).mkdir(mode=0o700, parents=True)
        state = self.directory / "state"
        options = f"size={self._disk},mode=0700"
        self.processes.must(["mount", "-t", "tmpfs", "-o", options, "terway-edge-torture", str(state)])
        settings = {**self.settings(), **SETTINGS}
        settings["routes"] = {**self.settings().get("routes", {}), **SETTINGS["routes"]}
        self.agent = AgentProcess(
            self.host.netns, self.directory, settings, self.processes, has_failpoints=self.has_failpoints
        )
        self.reader = NodeReader(self.host.netns, self.agent.state_dir, self.agent.ask, self.processes)

    @abstractmethod
    def build_surroundings(self) -> None:
        """Namespaces, peers, and the objects of the cluster."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The content of config.yaml, but for what all tortured nodes have."""

    @abstractmethod
    def surroundings(self, shown: list[str]) -> Mapping[str, Any]:
        """What of a Picture only this kind of node has; `shown` is what `ip` said."""

    @abstractmethod
    def faults(self) -> list[str]:
        """What is wrong in quiet, and no invariant is about."""

    def look(self) -> Picture:
        """Raises LabError if the agent does not answer."""
        return self.judge(self.reader.show())

    def judge(self, shown: list[str]) -> Picture:
        """With what was seen of the kernel just now. Raises LabError if the agent does not answer."""
        books, at = self.books, time.monotonic()
        picture = self.reader.picture(by_key(books.live()), books.told, shown)
        books.seen(picture.leases, at)
        return replace(
            picture,
            inside=inside({pod.key: pod.netns for pod in books.live()}),
            unsure=frozenset(pod.key for pod in books.unsure),
            ported=frozenset(pod.key for pod in books.live() if pod.port),
            is_guarded=True,
            reuses=tuple(books.reuses),
            cooldown=COOLDOWN,
            **self.surroundings(shown),
        )

    def run(self, *lines: str) -> str:
        """Commands in the node's namespace, as somebody else there gives them; returns what one of them did not do, or
        nothing."""
        done = self.processes.run(["sh", "-ec", "\n".join(lines)], netns=self.host.netns)
        if done.returncode:
            return f"'{'; '.join(lines)}' ended with {done.returncode}: {done.stderr.strip()}"
        return f"'{'; '.join(lines)}' hit nothing" if NO_HIT in done.stdout and HIT not in done.stdout else ""

    @property
    def journal(self) -> Path:
        return self.agent.state_dir / JOURNAL

    def namespaces(self) -> set[str]:
        """Those of pods that exist."""
        return {name for name in self.layout.namespaces() if name.startswith(f"{self.host.netns}-p")}


def fill(directory: Path) -> Path:
    """Take all the room there is; returns the file to remove."""
    filler = directory / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for size in (1 << 16, 1 << 12, 1):
            while True:
                try:
                    os.write(descriptor, b"x" * size)
                except OSError:
                    break
    finally:
        os.close(descriptor)
    return filler
