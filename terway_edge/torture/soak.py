"""T52: pods come and go steadily, with GC and BGP, for hours if wanted: nothing that the agent has may grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from terway_edge.torture.books import Pod
from terway_edge.torture.calls import collect
from terway_edge.torture.case import SOON
from terway_edge.torture.edge import EdgeNode
from terway_edge.torture.measuring import MINUTE, SPARE, leaks
from terway_edge.torture.process import Usage
from terway_edge.torture.script import SLOTS, Act
from terway_edge.torture.trial import Record, Say, Trial

RATE = 5.0
"""Pods that come, and pods that go, in a second, if nothing is said."""
SIDE_BY_SIDE = 10.0
"""Pods in a second for which one after the other is enough; at three times as many three come and go at once."""
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
    """`is_over` is asked before each pod with the number of those that came, `seconds` is how long that will take,
    `rate` how many come in a second, if the machine is fast enough."""

    def __init__(self, node: EdgeNode, is_over: Callable[[int], bool], seconds: float, rate: float = RATE) -> None:
        super().__init__(node, Record(node.kind, 0, mode="soak", rate=rate))
        self._edge = node
        self._is_over = is_over
        self._rate = rate
        self._lanes = min(SLOTS, max(1, round(rate / SIDE_BY_SIDE)))
        self._period = min(MINUTE, seconds / SAMPLES)
        self._samples: list[Sample] = []

    def _go(self, say: Say) -> None:
        for slot in range(SLOTS):
            self._kubelet.start_pod(slot)
        due = began = time.monotonic()
        while not self._is_over(self.record.acts) and not self.record.troubles:
            end = time.monotonic() + self._period
            while time.monotonic() < end and not self._is_over(self.record.acts) and not self._kubelet.complaints:
                # A second late at most: it is no burst that is wanted.
                due = max(due + self._next() / self._rate, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))
            self._sample(say)
        rate = self.record.acts / (time.monotonic() - began)
        if self._samples:
            first, last = warm(self._samples), self._samples[-1]
            self.record.measured += [str(first), str(last), memory(first, last)]
            self.record.troubles += growth(first, last)
        self.record.measured.append(f"{rate:.1f} pods came and went in a second, of {self._rate:g} that were wanted")

    def _next(self) -> int:
        """As many as there are lanes, or as there are to come, go, and others come in their places: how many."""
        before, kubelet = self.record.acts, self._kubelet
        numbers = [number for number in range(before, before + self._lanes) if not self._is_over(number)]
        began = time.monotonic()
        self._exchange({number % SLOTS: kubelet.books.slots[number % SLOTS] for number in numbers})
        took = time.monotonic() - began
        for _ in numbers:
            self.record.tally("DEL and ADD").count(len(kubelet.complaints), took)
        self.record.acts += len(numbers)
        if self.record.acts // BESIDE > before // BESIDE:
            collect(kubelet, Act(self.record.acts, "GC", "all are there", 0, ()))
            self.record.tally("GC").count(len(kubelet.complaints), time.monotonic() - began - took)
            self._edge.turn_neighbour()
        return len(numbers)

    def _exchange(self, pods: Mapping[int, Pod]) -> None:
        """DEL of these, by their slots, then ADD of as many. Namespaces come and go meanwhile, for they take longer."""
        kubelet, began = self._kubelet, time.monotonic()
        deletes = [kubelet.shim.start("DEL", old) for old in pods.values()]
        fresh = [kubelet.new_pod() for _ in pods]
        for old, call in zip(pods.values(), deletes, strict=True):
            deleted = call.finish()
            kubelet.expect(deleted.ok, f"of {old.name}: {deleted}")
            kubelet.note_deleted(old, began)
        adds = [kubelet.begin_add(new) for new in fresh]
        for old in pods.values():
            kubelet.remove(old)
        for slot, new, call in zip(pods, fresh, adds, strict=True):
            added = kubelet.end_add(new, call)
            kubelet.expect(added.ok, f"of {new.name}: {added}")
            if added.ok:
                kubelet.books.slots[slot] = new
                kubelet.talk(new)

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


def memory(first: Sample, last: Sample) -> str:
    """What the pods between both cost, for people: what is less than it was is told as such."""
    pods, grown = last.pods - first.pods, last.usage.memory - first.usage.memory
    each = f", {1000 * grown / pods:+.1f} KiB a thousand pods" if pods else ""
    return f"memory after the warm-up: {grown:+} KiB in {pods} pods{each}"


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
