"""How the C library keeps memory that was given back to it.

Other C libraries than glibc have neither these calls nor this trouble.
"""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # malloc.h of glibc
LARGE = 32 << 10
_LIBC = ctypes.CDLL(None)


def prepare() -> None:
    """To be called before there are threads. Without it an agent grows by some MiB in ten thousands of pods.

    glibc gives threads arenas of their own, so that they need not wait for each other; ours wait for the interpreter
    anyway. Requests go round the threads, and in each arena buffers come and go until its holes fit none of them. So
    there is one, and LARGE blocks are not taken from it: by itself the library does so with ever larger ones only.
    """
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Let the kernel have the free pages: by itself the library gives back only those at the heap's end, and what
    thousands of pods leave behind are holes. Takes a millisecond or two.
    """
    malloc_trim = getattr(_LIBC, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
