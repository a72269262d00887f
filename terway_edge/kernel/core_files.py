"""What a process holds in memory, passwords and keys, gets to no disk when it crashes."""

from __future__ import annotations

import ctypes
import os

PR_SET_DUMPABLE = 4  # prctl(2)


def leave_none() -> None:
    """From now on no core file of this process is made, and none piped to a collector either, which a limit of its size
    would not prevent (core(5)). Nor can others without CAP_SYS_PTRACE look into the process. Programs that it executes
    are as others are."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
