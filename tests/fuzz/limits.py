"""What one input may cost: a second of the processor, and 256 MiB on top of what the process has already."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 1.0
BYTES = 256 << 20


class TooSlow(BaseException):
    """No Exception: a reader that lets nothing through must not swallow it."""


@contextmanager
def bounded_memory() -> Iterator[None]:
    """MemoryError for whoever takes more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_mapped() + BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def alarmed() -> Iterator[None]:
    """`run` may be used inside, in the main thread."""
    before = signal.signal(signal.SIGPROF, _too_slow)
    try:
        yield
    finally:
        signal.signal(signal.SIGPROF, before)


def run(target: Callable[[bytes], None], data: bytes) -> None:
    """Raises what the target does, and TooSlow."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        target(data)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlow(f"took more than {SECONDS} s")


def _mapped() -> int:
    """Bytes of address space that the process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
