"""How the C library keeps memory that was given back to it.

Other C libraries than glibc have neither these calls nor this trouble.
"""

from __future__ import annotations

import ctypes

M_ARENA_MAX = -8  # malloc.h of glibc
_LIBC = ctypes.CDLL(None)


def use_one_arena() -> None:
    """To be called before there are threads.

    glibc gives threads arenas of their own, so that they need not wait for each other; ours wait for the interpreter
    anyway. Requests go round the threads, and in each arena buffers come and go until its holes fit none of them: a few
    MiB in ten thousands of pods.
    """
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Let the kernel have the free pages: by itself the library gives back only those at the heap's end, and what
    thousands of pods leave behind are holes. Takes a millisecond or two.
    """
    malloc_trim = getattr(_LIBC, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
