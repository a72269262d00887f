"""One agent per run directory and per state directory."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack
from pathlib import Path

from terway_edge.agent.directories import private_directory
from terway_edge.core.errors import Refused

LOCK_WAIT = 5.0  # seconds a new instance waits for the old one to end


def instance_lock(run_dir: Path, *others: Path) -> ExitStack:
    """Be the only agent of these directories until the stack is closed, or the process ends.

    The lock of `run_dir` is on a file in it. That of the others is on the directory itself: whoever takes away the
    first, lock and all, lets no second agent in. Raises Refused if another agent is there, or if a directory is not
    the agent's alone; OSError if one cannot be made.
    """
    stack = ExitStack()
    deadline = time.monotonic() + LOCK_WAIT
    try:
        private_directory(run_dir)
        _lock(run_dir / "agent.lock", os.O_RDWR | os.O_CREAT, stack, deadline)
        for directory in others:
            private_directory(directory)
            _lock(directory, os.O_RDONLY | os.O_DIRECTORY, stack, deadline)
    except BaseException:
        stack.close()
        raise
    return stack


def _lock(path: Path, flags: int, stack: ExitStack, deadline: float) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Refused(f"another agent holds {path}; stop it first") from error
            time.sleep(0.05)
        else:
            return
