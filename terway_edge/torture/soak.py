"""T52: pods come and go steadily, with GC and BGP, for hours if wanted: nothing that the agent has may grow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from terway_edge.torture.calls import collect
from terway_edge.torture.case import SOON
from terway_edge.torture.edge import EdgeNode
from terway_edge.torture.measuring import MINUTE, SPARE, leaks
from terway_edge.torture.process import Usage
from terway_edge.torture.script import SLOTS, Act
from terway_edge.torture.trial import Record, Say, Trial

RATE = 5.0  # pods that come, and pods that go, in a second
BESIDE = 25
"""Pods between two collections, and between two changes of what BGP tells."""
LOG = 20
"""Bytes of log per pod, at most: what goes well is not worth a line, each neighbour that comes or goes is."""
GROWTH = 1.05
SAMPLES = 5
"""Of a run, at least."""
WARM = 2000
"""Pods until caches of the agent, some of which hold a thousand entries, are full; of shorter runs a third must do."""


class Sample(NamedTuple):
    """In quiet, with a pod in each slot: what the agent uses, namespaces, connections that the node tracks, bytes that
    the agent has logged and keeps as its journal, and pods that came by then."""

    usage: Usage
    namespaces: int
    connections: int
    log: int
    journal: int
    pods: int

    def __str__(self) -> str:
        descriptors, threads, memory, netlink = self.usage
        return (
            f"{self.pods} pods: {descriptors} descriptors, {netlink} netlink sockets, {threads} threads, "
            f"{memory / 1024:.1f} MiB, {self.namespaces} namespaces, {self.connections} connections, "
            f"{self.log} bytes of log, {self.journal} of journal"
        )


class Soak(Trial):
    """`is_over` is asked before each pod with the number of those that came, `seconds` is how long that will take."""

    def __init__(self, node: EdgeNode, is_over: Callable[[int], bool], seconds: float) -> None:
        super().__init__(node, Record(node.kind, 0, mode="soak"))
        self._edge = node
        self._is_over = is_over
        self._period = min(MINUTE, seconds / SAMPLES)
        self._samples: list[Sample] = []

    def _go(self, say: Say) -> None:
        for slot in range(SLOTS):
            self._kubelet.start_pod(slot)
        due = began = time.monotonic()
        while not self._is_over(self.record.acts) and not self.record.troubles:
            end = time.monotonic() + self._period
            while time.monotonic() < end and not self._is_over(self.record.acts) and not self._kubelet.complaints:
                due = max(due + 1 / RATE, time.monotonic() - 1)  # a second late at most: it is no burst that is wanted
                time.sleep(max(0.0, due - time.monotonic()))
                self._next()
            self._sample(say)
        rate = self.record.acts / (time.monotonic() - began)
        if self._samples:
            first, last = warm(self._samples), self._samples[-1]
            self.record.measured += [str(first), str(last)]
            self.record.troubles += growth(first, last)
        self.record.measured.append(f"{rate:.1f} pods came and went in a second")

    def _next(self) -> None:
        """A pod goes and another one comes in its place."""
        self.record.acts += 1
        number, kubelet = self.record.acts, self._kubelet
        began = time.monotonic()
        slot = number % SLOTS
        kubelet.stop_pod(kubelet.books.slots[slot])
        kubelet.start_pod(slot)
        self.record.tally("DEL and ADD").count(len(kubelet.complaints), time.monotonic() - began)
        if number % BESIDE == 0:
            collect(kubelet, Act(number, "GC", "all are there", slot, ()))
            self._edge.turn_neighbour()

    def _sample(self, say: Say) -> None:
        took, found = self._judge.settle(SOON)
        voices = self._kubelet.voices.judge(self._kubelet.books.live(), were_touched=False)
        self.record.tally("quiet").count(len(found), took, for_lack_of=self._judge.waited_for)
        self.record.troubles += [*self._kubelet.complaints, *found, *voices]
        node = self._node
        connections = node.processes.must(["conntrack", "-C"], netns=node.host.netns)
        log, journal = (path.stat().st_size for path in (node.agent.log, node.journal))
        self._samples.append(
            Sample(node.agent.usage(), len(node.namespaces()), int(connections), log, journal, self.record.acts)
        )
        self.record.history.append(str(self._samples[-1]))
        say(self.record.history[-1])


def warm(samples: list[Sample]) -> Sample:
    """The first one after the warm-up."""
    enough = min(WARM, samples[-1].pods / 3)
    return next(sample for sample in samples if sample.pods >= enough)


def growth(first: Sample, last: Sample) -> list[str]:
    """What became more, and more than chance."""
    complaints = leaks(first.usage, last.usage)
    if last.namespaces != first.namespaces:
        complaints.append(f"{first.namespaces} namespaces became {last.namespaces}")
    if last.connections > GROWTH * first.connections + SPARE:
        complaints.append(f"{first.connections} tracked connections became {last.connections}")
    if last.log - first.log > LOG * (last.pods - first.pods):
        complaints.append(f"{last.log - first.log} bytes of log about {last.pods - first.pods} pods")
    return complaints
