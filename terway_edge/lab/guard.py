"""The guardian: a forked process that removes the lab when the lab's process ends, however it ends.

It waits on a pipe of which the lab holds the only other end. A byte on it means "keep everything"; end of file means
that the lab is over or dead. The lab's own ending takes the same way, so the way is walked on every run.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout
from terway_edge.lab.teardown import remove_root, tear_down

KEEP = b"k"


class Guard:
    """Fork the guardian. Must be made before the process starts threads, and after it took the lock."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        reader, self._writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writer)
            os._exit(_watch(reader, layout))
        os.close(reader)

    def keep(self) -> None:
        """Let the guardian go without removing anything."""
        os.write(self._writer, KEEP)
        self._finish()

    def release(self) -> None:
        """Have everything removed and wait for it. Raises LabError if something could not be removed."""
        if self._finish():
            raise LabError(
                f"the lab could not be removed entirely (see above): try '--down', then look at {self._layout.root}"
            )

    def _finish(self) -> int:
        os.close(self._writer)
        _, status = os.waitpid(self._pid, 0)
        return status


def _watch(reader: int, layout: Layout) -> int:
    """The guardian's whole life; returns its exit status."""
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: None)  # not SIG_IGN: children would inherit that
        _leave_output()
        if os.read(reader, 1) == KEEP:
            return 0
        tear_down(layout)
        remove_root(layout)
        return 0
    except BaseException:  # noqa: BLE001 - nobody above would hear of it: say it and fail
        traceback.print_exc()
        return 1


def _leave_output() -> None:
    """Give up stdin and stdout, so that a reader of the lab's output does not wait for the guardian."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
