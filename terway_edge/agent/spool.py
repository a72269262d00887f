"""DELs that came while no agent was there: the shim answered success and left them here for us.

The shim writes under a shared lock and only after a last try to connect; holding the lock exclusively from before the
replay until the socket listens therefore loses none. A shim that hangs with the lock must not keep the agent away from
all pods, though: then it goes on without, and looks for that shim's DEL once the lock is free.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from terway_edge.agent.directories import private_directory
from terway_edge.cni.wire import Request, WireError, decode_request
from terway_edge.core.dispatcher import explain
from terway_edge.core.failpoints import reach

log = logging.getLogger(__name__)


@contextmanager
def locked(directory: Path, wait: float) -> Iterator[bool]:
    """Keep shims from writing to the spool; False if one of them holds the lock for longer than `wait` seconds.

    Raises Refused if the directory is not the agent's alone.
    """
    private_directory(directory)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(directory / ".lock", flags, 0o600)
    try:
        yield _lock(descriptor, time.monotonic() + wait)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def tidy(directory: Path) -> None:
    """Remove what shims left that were killed before they answered. Only under the lock: it keeps others away."""
    for unfinished in directory.glob("*.tmp"):
        try:
            unfinished.unlink()
        except OSError as error:
            log.warning("%s cannot be removed and stays: %s", unfinished, error.strerror)


def replay(directory: Path, delete: Callable[[Request], None]) -> int:
    """Carry out every spooled DEL, oldest first, and return how many. One that fails stays for the next start; one
    that cannot be read is set aside as `*.bad`."""
    done = 0
    for path in sorted(directory.glob("*.del"), key=lambda p: p.lstat().st_mtime_ns):
        try:
            request = decode_request(path.read_bytes())
        except (WireError, OSError) as error:
            _set_aside(path, error)
            continue
        try:
            delete(request)
        except Exception as error:  # noqa: BLE001 - one call must not keep the agent from starting
            log.error("spooled DEL %s failed and stays for the next start: %s", path, explain(error))
        else:
            reach("spool.remove.before")
            path.unlink()
            reach("spool.remove.after")
            done += 1
    return done


def _set_aside(path: Path, why: Exception) -> None:
    try:
        path.rename(path.with_suffix(".bad"))
    except OSError as error:
        log.error("spooled DEL %s is unreadable (%s) and cannot be set aside: %s", path, why, error.strerror)
    else:
        log.error("spooled DEL %s is unreadable (%s): set aside", path, why)
