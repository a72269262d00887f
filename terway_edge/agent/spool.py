"""DELs that came while no agent was there: the shim answered success and left them here for us.

The shim writes under a shared lock and only after a last try to connect; holding the lock exclusively from before the
replay until the socket listens therefore loses none.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from terway_edge.agent.directories import private_directory
from terway_edge.cni.wire import Request, WireError, decode_request
from terway_edge.core.dispatcher import explain
from terway_edge.core.failpoints import reach

log = logging.getLogger(__name__)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep shims from writing to the spool. Raises Refused if the directory is not the agent's alone."""
    private_directory(directory)
    descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replay(directory: Path, delete: Callable[[Request], None]) -> int:
    """Carry out every spooled DEL, oldest first, and return how many. One that fails stays for the next start; one
    that cannot be read is set aside as `*.bad`."""
    for unfinished in directory.glob("*.tmp"):
        unfinished.unlink()  # of a shim killed before it answered; the lock keeps others away
    done = 0
    for path in sorted(directory.glob("*.del"), key=lambda p: p.stat().st_mtime_ns):
        try:
            delete(decode_request(path.read_bytes()))
        except (WireError, OSError) as error:
            log.error("spooled DEL %s is unreadable (%s): set aside", path, error)
            path.rename(path.with_suffix(".bad"))
        except Exception as error:  # noqa: BLE001 - one call must not keep the agent from starting
            log.error("spooled DEL %s failed and stays for the next start: %s", path, explain(error))
        else:
            reach("spool.remove.before")
            path.unlink()
            reach("spool.remove.after")
            done += 1
    return done
