"""One lab at a time: an advisory lock on a file below the lab's root."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from types import TracebackType

from terway_edge.lab.errors import LabError
from terway_edge.lab.layout import Layout

PATIENCE = 5.0
"""Seconds to wait for the guardian of a lab that has just died to finish its work."""


class Lock:
    """Held by this process and by those it forks, until the last of them closes it or ends.

    :raises LabError: another lab holds it, or the root is not a directory of root's own.
    """

    def __init__(self, layout: Layout, patience: float = PATIENCE) -> None:
        self._layout = layout
        _make_root(layout)
        deadline = time.monotonic() + patience
        while (descriptor := _try_lock(layout)) is None:
            holder = _holder(layout)
            if _lives(holder) or time.monotonic() > deadline:
                raise LabError(f"another lab is running (process {holder}): let it finish or stop it with Ctrl-C")
            time.sleep(0.05)
        self._descriptor = descriptor
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)


def _make_root(layout: Layout) -> None:
    layout.root.mkdir(mode=0o700, exist_ok=True)
    status = layout.root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise LabError(f"{layout.root} is not a directory of this user: move it away, the lab wants to make its own")


def _try_lock(layout: Layout) -> int | None:
    """A locked descriptor of the file that has the name now, or None if somebody else holds the lock."""
    try:
        descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # a lab that ended has just removed the root
        _make_root(layout)
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file may have been removed between open and lock; a lock on a nameless file excludes nobody.
        if os.path.samestat(os.fstat(descriptor), layout.lock.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _holder(layout: Layout) -> int:
    """The process that took the lock; 0 if it has not written its name yet."""
    try:
        return int(layout.lock.read_text() or "0")
    except FileNotFoundError:
        return 0


def _lives(pid: int) -> bool:
    return pid > 0 and os.path.exists(f"/proc/{pid}")
