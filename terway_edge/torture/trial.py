"""What every run has: a node that is built, an agent on it, a kubelet, a judge, and a record of what came of it."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from terway_edge.lab.errors import LabError
from terway_edge.torture.case import SOON
from terway_edge.torture.judging import Judge
from terway_edge.torture.kubelet import Kubelet
from terway_edge.torture.node import TorturedNode

ENOUGH = 3
"""Tries of a case, of which one has to have an effect."""
LINES = 12
"""Of history, before a breach."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Tally:
    """Of one case: `in_vain` tries met nothing that could break, the last one `because`. `slowest` is the longest time,
    in seconds, until all was well again, `after` the variant that took it, `for_lack_of` what was not well until then.
    """

    tries: int = 0
    broken: int = 0
    slowest: float = 0.0
    after: str = ""
    for_lack_of: str = ""
    in_vain: int = 0
    because: str = ""

    def count(self, broken: int, took: float, after: str = "", for_lack_of: str = "") -> None:
        """One more try."""
        self.tries += 1
        self.broken += broken
        if took >= self.slowest:
            self.slowest, self.after, self.for_lack_of = took, after, for_lack_of


@dataclass(slots=True)
class Record:
    """What came of a node. `troubles` are sentences about the last act, after which nothing more was tried. `mode` is
    empty where a seed says which acts come."""

    kind: str
    seed: int
    tallies: dict[str, Tally] = field(default_factory=dict)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    troubles: list[str] = field(default_factory=list)
    acts: int = 0
    is_closing: bool = False
    """It has come to the calm part that ends a run by the clock."""
    seconds: float = 0.0
    evidence: str = ""
    measured: list[str] = field(default_factory=list)
    """What was measured, such as what a calm part did to the agent's descriptors, threads and memory."""
    mode: str = ""
    rate: float = 0.0
    """Pods that were wanted in a second, of a mode that is about that."""

    @property
    def replay(self) -> str:
        which = f"--mode {self.mode}" if self.mode else f"--node {self.kind} --seed {self.seed}"
        which += f" --rate {self.rate:g}" if self.rate else ""
        return f"terway-edge torture {which} --acts {self.acts}{' --closing' if self.is_closing else ''}"

    def idle(self) -> list[str]:
        """Cases of which one try after the other met nothing: what they would break was not seen to hold."""
        return [
            f"{name}: all of {tally.tries} tries were in vain; the last: {tally.because}"
            for name, tally in self.tallies.items()
            if tally.tries >= ENOUGH and tally.in_vain == tally.tries
        ]

    def tally(self, case: str) -> Tally:
        return self.tallies.setdefault(case, Tally())


class Trial(ABC):
    """A run on one node."""

    def __init__(self, node: TorturedNode, record: Record) -> None:
        self.record = record
        self._node = node
        self._judge = Judge(node)
        self._kubelet: Kubelet

    def run(self, say: Say) -> None:
        """Until it is over or something is broken. Raises LabError if the node cannot be built."""
        began = time.monotonic()
        self._node.build()
        self._node.agent.start()
        self._node.agent.wait_ready()
        self._kubelet = Kubelet(self._node)
        try:
            took, found = self._judge.settle(2 * SOON)
            self.record.tally("start").count(len(found), took, for_lack_of=self._judge.waited_for)
            self.record.troubles += found
            if not found:
                self._go(say)
            if not self.record.troubles:
                self.record.troubles += self._idle()
        except LabError as error:
            self.record.troubles.append(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, this run proves nothing: it is said, with the seed
            traceback.print_exc()
            self.record.troubles.append(f"the torture itself failed: {error!r}")
        finally:
            self._kubelet.voices.close()
            self.record.seconds = time.monotonic() - began
        if self.record.troubles:
            self.record.evidence = self._judge.keep_evidence()

    def _idle(self) -> list[str]:
        return self.record.idle() if self.record.acts else ["its time was over before anything was tried"]

    @abstractmethod
    def _go(self, say: Say) -> None:
        """Raises LabError if it cannot go on, which is a trouble."""
