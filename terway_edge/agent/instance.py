"""One agent per run directory."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import ExitStack
from pathlib import Path

from terway_edge.agent.directories import private_directory
from terway_edge.core.errors import Refused

LOCK_WAIT = 5.0  # seconds a new instance waits for the old one to end


def instance_lock(run_dir: Path) -> ExitStack:
    """Be the only agent of this run directory until the stack is closed. Raises Refused if another one is,
    or if the directory is not the agent's alone."""
    private_directory(run_dir)
    path = run_dir / "agent.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stack = ExitStack()
    stack.callback(os.close, descriptor)
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                stack.close()
                raise Refused(f"another agent holds {path}; stop it first") from error
            time.sleep(0.05)
        else:
            return stack
