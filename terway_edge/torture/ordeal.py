"""One node, one seed: act after act, and after each the oracle."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from terway_edge.lab.errors import LabError
from terway_edge.testing.oracle import check
from terway_edge.torture.calls import burst
from terway_edge.torture.case import SOON, Case
from terway_edge.torture.kubelet import Kubelet
from terway_edge.torture.measuring import Meter
from terway_edge.torture.node import TorturedNode
from terway_edge.torture.script import MEASURE, Act, acts

LINES = 12
"""Of history, before a breach."""
POLL = 0.02
PEAK = (0.99, 0.0, 0.0, 0.0)
"""Dice of a burst before a calm part: an agent keeps as many sockets as it ever needed at once."""


@dataclass(slots=True)
class Tally:
    """Of one case: `slowest` is the longest time, in seconds, until all was well again, `after` the variant that took
    it, `for_lack_of` what was not well until then."""

    tries: int = 0
    broken: int = 0
    slowest: float = 0.0
    after: str = ""
    for_lack_of: str = ""


@dataclass(slots=True)
class Record:
    """What came of a node. `troubles` are sentences about the last act, after which nothing more was tried."""

    kind: str
    seed: int
    tallies: dict[str, Tally] = field(default_factory=dict)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    troubles: list[str] = field(default_factory=list)
    acts: int = 0
    seconds: float = 0.0
    evidence: str = ""
    growth: list[str] = field(default_factory=list)
    """What each calm part did to the agent's descriptors, threads and memory."""

    @property
    def replay(self) -> str:
        return f"terway-edge torture --node {self.kind} --seed {self.seed} --acts {self.acts}"


class Ordeal:
    """`is_over` is asked before each act with the number of those done."""

    def __init__(self, node: TorturedNode, seed: int, cases: dict[str, Case], is_over: Callable[[int], bool]) -> None:
        self.record = Record(node.kind, seed)
        self._node = node
        self._cases = cases
        self._is_over = is_over
        self._waited_for = ""
        self._kubelet: Kubelet
        self._meter: Meter

    def run(self, say: Callable[[str], None]) -> None:
        """Until it is over or something is broken. Raises LabError if the node cannot be built."""
        began = time.monotonic()
        self._node.build()
        self._node.agent.start()
        self._node.agent.wait_ready()
        self._kubelet = Kubelet(self._node)
        self._meter = Meter(self._node)
        try:
            self._note(Act(0, "start", "", 0, ()), began, *self._settle(2 * SOON))
            for act in self._acts():
                if self._is_over(self.record.acts) or self.record.troubles:
                    break
                say(str(act))
                self._try(act)
            if self._meter.is_measuring and not self.record.troubles:
                self._try(Act(self.record.acts, MEASURE, "end", 0, ()))
        finally:
            self.record.seconds = time.monotonic() - began
        if self.record.troubles:
            self.record.evidence = self._keep_evidence()

    def _acts(self) -> Iterator[Act]:
        return acts(self.record.seed, {name: case.variety for name, case in self._cases.items()})

    def _try(self, act: Act) -> None:
        began = time.monotonic()
        self.record.acts = act.number
        self._kubelet.complaints.clear()
        if act.case == MEASURE:
            if act.detail == "begin":
                burst(self._kubelet, act._replace(dice=PEAK))
            self._note(act, began, 0.0, self._meter.measure(act.detail, self.record.growth))
            return
        case = self._cases[act.case]
        try:
            case.run(self._kubelet, act)
        except LabError as error:
            self._kubelet.complaints.append(str(error))
        took, found = self._settle(case.limit)
        self._note(act, began, took, [*self._kubelet.complaints, *found])

    def _settle(self, limit: float) -> tuple[float, list[str]]:
        """Until the oracle has nothing to say: the seconds that took, and what it still says after so many."""
        began = time.monotonic()
        self._waited_for = ""
        while True:
            found = self._look()
            took = time.monotonic() - began
            self._waited_for = found[0] if found else self._waited_for
            if not found or took > limit or _is_final(found) or not self._node.agent.runs():
                return took, found
            time.sleep(POLL)

    def _look(self) -> list[str]:
        if not self._node.agent.runs():
            return [f"the agent {self._node.agent.ended()} by itself"]
        try:
            return [*map(str, check(self._node.look())), *self._node.faults()]
        except LabError as error:
            return [str(error)]

    def _note(self, act: Act, began: float, took: float, found: list[str]) -> None:
        tally = self.record.tallies.setdefault(act.case, Tally())
        tally.tries += 1
        tally.broken += len(found)
        if took >= tally.slowest:
            tally.slowest, tally.after, tally.for_lack_of = took, act.detail, self._waited_for
        last = f" ({self._waited_for})" if self._waited_for and not found else ""
        self.record.history.append(f"{act}: {time.monotonic() - began:.2f} s, well {took:.2f} s after it{last}")
        self.record.troubles = found

    def _keep_evidence(self) -> str:
        """The agent's log and journal, where they stay; returns the directory."""
        directory = Path(tempfile.mkdtemp(prefix="terway-edge-torture-"))
        for path in (self._node.agent.log, self._node.journal):
            if path.exists():
                shutil.copy(path, directory)
        return str(directory)


def _is_final(found: list[str]) -> bool:
    """No patience mends an address that came too early."""
    return any(each.startswith("I7 ") for each in found)
