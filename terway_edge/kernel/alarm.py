"""A wait that another thread ends later, not now (timerfd_create(2)).

To wake a Python thread costs whoever does it: the woken one asks for the interpreter at once. A timer of the kernel's
is set without waking anybody.
"""

from __future__ import annotations

import ctypes
import os

CLOCK_MONOTONIC = 1
TFD_CLOEXEC = os.O_CLOEXEC
AT_ONCE = 1e-9  # seconds; zero would stop the timer

_libc = ctypes.CDLL(None, use_errno=True)


class _Itimerspec(ctypes.Structure):
    """struct itimerspec: the interval, zero for once, and the time until then."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class Alarm:
    """One thread waits, others set the time, one at a time. Raises OSError if there is no descriptor left."""

    def __init__(self) -> None:
        self._spec = _Itimerspec()
        self._timer = _checked(_libc.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC))

    def set(self, seconds: float) -> None:
        """The wait ends in so many seconds, whatever was set before."""
        self._spec.seconds, self._spec.nanoseconds = divmod(int(max(seconds, AT_ONCE) * 1e9), 1_000_000_000)
        _checked(_libc.timerfd_settime(self._timer, 0, ctypes.byref(self._spec), None))

    def wait(self) -> None:
        """Until the time that is set, or will be; at once if it went by since the last wait."""
        os.read(self._timer, 8)

    def close(self) -> None:
        """For the thread that waits."""
        os.close(self._timer)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
