"""One node, one seed: act after act, and after each the oracle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from terway_edge.lab.errors import LabError
from terway_edge.torture.calls import burst
from terway_edge.torture.case import Case
from terway_edge.torture.measuring import BEGIN, END, MEANWHILE, Meter
from terway_edge.torture.node import TorturedNode
from terway_edge.torture.script import MEASURE, Act, acts, closing
from terway_edge.torture.trial import Record, Say, Trial

PEAK = (0.99, 0.0, 0.0, 0.0)
"""Dice of a burst before a calm part, for what an agent keeps of what it ever needed at once."""


class Ordeal(Trial):
    """`is_over` is asked before each act with the number of those done; `closes` says that a run in which nothing was
    measured by then goes on with a short calm part."""

    def __init__(
        self, node: TorturedNode, seed: int, cases: dict[str, Case], is_over: Callable[[int], bool], *, closes: bool
    ) -> None:
        super().__init__(node, Record(node.kind, seed))
        self._cases = cases
        self._varieties = {name: case.variety for name, case in cases.items()}
        self._is_over = is_over
        self._closes = closes
        self._meter = Meter(node)

    def _go(self, say: Say) -> None:
        for act in self._acts():
            say(str(act))
            self._try(act)
            if self.record.troubles:
                break

    def _acts(self) -> Iterator[Act]:
        """Those of the seed until it is over, and what is needed to have measured something then."""
        seed = self.record.seed
        for act in acts(seed, self._varieties):
            if self._is_over(self.record.acts):
                break
            if self._meter.is_due:
                yield act._replace(case=MEASURE, detail=MEANWHILE)
            self.record.acts = act.number
            yield act
        if self._meter.is_measuring:
            yield Act(self.record.acts, MEASURE, END, 0, ())
        elif self._closes and not self.record.measured:
            self.record.is_closing = True
            yield from closing(seed, self._varieties, self.record.acts + 1)

    def _try(self, act: Act) -> None:
        began = time.monotonic()
        self._kubelet.begin_act()
        if act.case == MEASURE:
            if act.detail == BEGIN:
                burst(self._kubelet, act._replace(dice=PEAK))
            self._note(act, began, 0.0, self._meter.measure(act.detail, self.record.measured))
            return
        case = self._cases[act.case]
        try:
            case.run(self._kubelet, act)
        except LabError as error:
            self._kubelet.complaints.append(str(error))
        took, found = self._judge.settle(case.limit, by_itself=case.is_alone and not self._kubelet.has_lost)
        if not found:
            found = self._kubelet.voices.judge(self._kubelet.books.live(), were_touched=case.touches)
        self._note(act, began, took, [*self._kubelet.complaints, *found])

    def _note(self, act: Act, began: float, took: float, found: list[str]) -> None:
        waited_for = self._judge.waited_for
        tally = self.record.tally(act.case)
        tally.count(len(found), took, act.detail, waited_for)
        if self._kubelet.in_vain:
            tally.in_vain, tally.because = tally.in_vain + 1, f"{act.detail}: {self._kubelet.in_vain}"
        last = f" ({waited_for})" if waited_for and not found else ""
        last += f" (in vain: {self._kubelet.in_vain})" if self._kubelet.in_vain else ""
        self.record.history.append(f"{act}: {time.monotonic() - began:.2f} s, well {took:.2f} s after it{last}")
        self.record.troubles = found
