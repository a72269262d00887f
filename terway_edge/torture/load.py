"""T51: a node is filled with as many pods as kubelet allows, all at once, and emptied again; round after round."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from terway_edge.lab import topology
from terway_edge.lab.errors import LabError
from terway_edge.torture.case import SOON
from terway_edge.torture.edge import EdgeNode
from terway_edge.torture.shim import PATIENCE, Answer, Call
from terway_edge.torture.trial import Record, Say, Trial

PODS = 250
EACH_WAY = 10.0  # seconds for all of them


class Load(Trial):
    """`is_over` is asked before each round with the number of those done."""

    def __init__(self, node: EdgeNode, is_over: Callable[[int], bool], pods: int = PODS) -> None:
        super().__init__(node, Record(node.kind, 0, mode="load"))
        self._is_over = is_over
        self._pods = pods
        self._seconds: dict[str, list[float]] = {"ADD": [], "DEL": []}
        self._walls: dict[str, list[float]] = {"ADD": [], "DEL": []}

    def _go(self, say: Say) -> None:
        names = [self._node.books.new_pod().netns for _ in range(self._pods)]
        topology.make_namespaces(names, self._node.processes)
        while not self._is_over(self.record.acts) and not self.record.troubles:
            self.record.acts += 1
            self._round(names)
            line = ", ".join(f"{command} {walls[-1]:.2f} s" for command, walls in self._walls.items() if walls)
            say(f"{self.record.acts:4} {line}")
            self.record.history.append(f"round {self.record.acts}: {line}")
        for command in self._walls:
            self.record.measured += self._told(command)

    def _round(self, namespaces: list[str]) -> None:
        books, kubelet = self._node.books, self._kubelet
        pods = [replace(books.new_pod(), netns=netns) for netns in namespaces]
        calls = self._all("ADD", [partial(kubelet.begin_add, pod) for pod in pods])
        self._count("ADD", [kubelet.end_add(pod, call) for pod, call in zip(pods, calls, strict=True)])
        books.slots.update(enumerate(pod for pod in pods if pod.addresses))
        self._settle("full")
        began = time.monotonic()
        calls = self._all("DEL", [partial(kubelet.shim.start, "DEL", pod) for pod in pods])
        self._count("DEL", [call.finish() for call in calls])
        for pod in pods:
            kubelet.note_deleted(pod, began)
        self._settle("empty")

    def _all(self, command: str, starts: Iterable[Callable[[], Call]]) -> list[Call]:
        began = time.monotonic()
        calls = at_once(starts)
        took = time.monotonic() - began
        self._walls[command].append(took)
        if took > EACH_WAY:
            self.record.troubles.append(f"{len(calls)} {command}s took {took:.1f} s, more than {EACH_WAY:.0f}")
        return calls

    def _count(self, command: str, answers: list[Answer]) -> None:
        for answer in answers:
            self.record.tally(command).count(not answer.ok, answer.seconds)
            self._seconds[command].append(answer.seconds)
        self.record.troubles += [str(answer) for answer in answers if not answer.ok]

    def _settle(self, what: str) -> None:
        took, found = self._judge.settle(SOON)
        self.record.tally(what).count(len(found), took, for_lack_of=self._judge.waited_for)
        self.record.troubles += [*self._kubelet.complaints, *found]

    def _told(self, command: str) -> list[str]:
        """Of all rounds but the first, if there are more."""
        skipped = len(self._walls[command]) > 1
        walls, seconds = self._walls[command][skipped:], self._seconds[command][skipped * self._pods :]
        if not walls:
            return []
        middle, late = (1000 * percentile(seconds, share) for share in (0.5, 0.99))
        return [
            f"{self._pods} {command}s at once, {len(walls)} times: all within {percentile(walls, 0.5):.2f} s (at most "
            f"{max(walls):.2f}), each p50 {middle:.0f} ms, p99 {late:.0f} ms"
        ]


def at_once(starts: Iterable[Callable[[], Call]]) -> list[Call]:
    """As fast as they can be started; when all have ended, each knows when it did. Raises LabError if one does not."""
    calls = []
    with selectors.DefaultSelector() as running:
        for start in starts:
            call = start()
            calls.append(call)
            running.register(os.pidfd_open(call.pid), selectors.EVENT_READ, call)
            _note_ends(running, 0.0)
        while running.get_map():
            if not _note_ends(running, PATIENCE):
                raise LabError(f"{len(running.get_map())} calls did not end within {PATIENCE:.0f} s")
    return calls


def _note_ends(running: selectors.BaseSelector, patience: float) -> int:
    ready = running.select(patience)
    for key, _ in ready:
        key.data.note_end()
        running.unregister(key.fd)
        os.close(key.fd)
    return len(ready)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
