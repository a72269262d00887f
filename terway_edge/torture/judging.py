"""Whether all is well on a node: the oracle's word, asked until there is nothing to say or patience ends."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from pathlib import Path

from terway_edge.lab.errors import LabError
from terway_edge.testing.oracle import check
from terway_edge.torture.node import TorturedNode

POLL = 0.02


class Judge:
    """`waited_for` is what was not well until the last `settle` ended, if anything."""

    def __init__(self, node: TorturedNode) -> None:
        self._node = node
        self.waited_for = ""

    def settle(self, limit: float, *, by_itself: bool = False) -> tuple[float, list[str]]:
        """Until the oracle has nothing to say: the seconds that took, and what it still says after so many.

        :param by_itself: nobody broke anything, so what the agent finds to mend until then it has left itself
        """
        began = time.monotonic()
        self.waited_for = ""
        repairs = self._repairs() if by_itself else 0
        while True:
            found = self._look()
            took = time.monotonic() - began
            self.waited_for = found[0] if found else self.waited_for
            if final := _final(found):
                return took, final
            if not found or took > limit or not self._node.agent.runs():
                return took, found or (self._own_faults(repairs) if by_itself else [])
            time.sleep(POLL)

    def keep_evidence(self) -> str:
        """The agent's log and journal, where they stay; returns the directory."""
        directory = Path(tempfile.mkdtemp(prefix="terway-edge-torture-"))
        for path in (self._node.agent.log, self._node.journal):
            if path.exists():
                shutil.copy(path, directory)
        return str(directory)

    def _own_faults(self, repairs: float) -> list[str]:
        """What was not well and went away because the agent looked for damage, and not by what did it."""
        is_mended = self.waited_for and repairs < self._repairs() < math.inf
        told = "the agent mended it, and nobody had broken it: see 'put right' in its log"
        return [f"{self.waited_for}; {told}"] if is_mended else []

    def _repairs(self) -> float:
        """Infinite if the agent does not answer."""
        try:
            return self._node.agent.repairs()
        except LabError:  # which a look tells as well
            return math.inf

    def _look(self) -> list[str]:
        if not self._node.agent.runs():
            return [f"the agent {self._node.agent.ended()} by itself"]
        try:
            return [*map(str, check(self._node.look())), *self._node.faults()]
        except LabError as error:
            return [str(error)]


def _final(found: list[str]) -> list[str]:
    """What no patience mends: an address that came too early. All else may be about to be well."""
    return [each for each in found if each.startswith("I7 ")]
