"""Directories that are the agent's alone, and taking them away without what others keep there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from terway_edge.core.errors import CONFLICTING_STATE, Refused


def private_directory(path: Path) -> None:
    """Make it with mode 0700. One that is there already must be so: it is never changed, for it may be another's.

    Raises Refused if others may look into it or own it, OSError if it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()):
        problem, fix = f"belongs to user {status.st_uid}, expected root", f"chown root {path}"
    elif status.st_mode & 0o077:
        problem, fix = f"has mode {stat.S_IMODE(status.st_mode):04o}, expected 0700", f"chmod 0700 {path}"
    else:
        return
    raise Refused(
        f"{path} {problem}: the agent needs a directory of its own. Set run_dir and state_dir to such,"
        f" or, if nobody else uses this one: {fix}",
        code=CONFLICTING_STATE,
    )


def remove_directory(path: Path, ours: Iterable[str]) -> str:
    """Remove the files whose names match a pattern of `ours`, and then the directory if it is empty.

    Returns the line that tells it, empty if there was no such directory.
    """
    try:
        for pattern in ours:
            for file in path.glob(pattern):
                file.unlink(missing_ok=True)
        path.rmdir()
    except FileNotFoundError:
        return ""
    except OSError as error:
        reason = "it holds files of others" if error.errno == errno.ENOTEMPTY else f"{error.filename}: {error.strerror}"
        return f"kept {path}: {reason}"
    return f"removed {path}"
