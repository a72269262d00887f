"""The file that turns failpoints on, for a process started with its `environ`."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from terway_edge.core.failpoints import SUFFIX, VARIABLE

for_root = pytest.mark.skipif(os.geteuid() != 0, reason="failpoints are turned on by a file of root's")
"""For what turns them on in the fast subset, which whoever is not root runs too."""

Point = tuple[str, int]
"""(name, the how-many-th time)."""


class FailpointFile:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "failpoints"
        self.environ = {VARIABLE: str(self.path)}
        self._log = self.path.with_name(self.path.name + SUFFIX)
        self.write()
        self.forget()

    def write(self, *lines: str) -> None:
        """What the file says from now on; replaced whole, so that nobody reads half of it."""
        temporary = self.path.with_suffix(".new")
        temporary.write_text("".join(f"{line}\n" for line in lines))
        temporary.chmod(0o600)
        temporary.rename(self.path)

    def forget(self) -> None:
        """Begin to note anew what is reached."""
        self._log.touch(0o600)
        with self._log.open("r+b") as log:
            log.truncate()

    def reached(self) -> list[Point]:
        """Every point that was reached since `forget`, and how often it had been by then."""
        times: Counter[str] = Counter()
        points = []
        for name in self._log.read_text().split():
            times[name] += 1
            points.append((name, times[name]))
        return points

    def wait_for(self, point: Point, timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        while point not in self.reached():
            assert time.monotonic() < deadline, f"{point} was not reached within {timeout} s"
            time.sleep(0.002)
