"""Whether all is well on a node: the oracle's word, asked until there is nothing to say or patience ends."""

from __future__ import annotations

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

    def settle(self, limit: float) -> tuple[float, list[str]]:
        """Until the oracle has nothing to say: the seconds that took, and what it still says after so many."""
        began = time.monotonic()
        self.waited_for = ""
        while True:
            found = self._look()
            took = time.monotonic() - began
            self.waited_for = found[0] if found else self.waited_for
            if not found or took > limit or _is_final(found) or not self._node.agent.runs():
                return took, found
            time.sleep(POLL)

    def keep_evidence(self) -> str:
        """The agent's log and journal, where they stay; returns the directory."""
        directory = Path(tempfile.mkdtemp(prefix="terway-edge-torture-"))
        for path in (self._node.agent.log, self._node.journal):
            if path.exists():
                shutil.copy(path, directory)
        return str(directory)

    def _look(self) -> list[str]:
        if not self._node.agent.runs():
            return [f"the agent {self._node.agent.ended()} by itself"]
        try:
            return [*map(str, check(self._node.look())), *self._node.faults()]
        except LabError as error:
            return [str(error)]


def _is_final(found: list[str]) -> bool:
    """No patience mends an address that came too early."""
    return any(each.startswith("I7 ") for each in found)
