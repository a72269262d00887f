"""How the C library keeps memory that was given back."""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8  # malloc.h of glibc


def use_one_arena() -> None:
    """To be called before there are threads.

    glibc gives threads arenas of their own, so that they need not wait for each other; ours wait for the interpreter
    anyway. Requests go round the threads, and in each arena buffers come and go until its holes fit none of them: a few
    MiB in ten thousands of pods. Other C libraries have no such call, and no such arenas.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
