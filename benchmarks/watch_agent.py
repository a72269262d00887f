"""The agent with a probe on its event loop: `python -m benchmarks.watch_agent FILE ARGUMENTS OF TERWAY-EDGE`.

The probe wants to be called every `EVERY` seconds and notes how late it is; when the agent has ended FILE has a line
for each call: its time (ns of the monotonic clock) and the seconds it was late.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from terway_edge.cli.main import main as terway_edge

EVERY = 0.01


class Probe(asyncio.DefaultEventLoopPolicy):
    """As the default policy, and every loop is measured from its first moment on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, float]] = []

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        self._again(loop)
        return loop

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + EVERY
        loop.call_at(due, self._note, loop, due)

    def _note(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.found.append((time.monotonic_ns(), loop.time() - due))
        self._again(loop)


def main() -> int:
    path, arguments = Path(sys.argv[1]), sys.argv[2:]
    probe = Probe()
    asyncio.set_event_loop_policy(probe)
    try:
        return terway_edge(arguments)
    finally:
        path.write_text("".join(f"{at} {late}\n" for at, late in probe.found))


if __name__ == "__main__":
    sys.exit(main())
