"""The real clock."""

from __future__ import annotations

import time


class BootClock:
    """CLOCK_BOOTTIME: counts suspend, never steps, and restarts at zero with the machine."""

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
