"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """`ports.Clock` whose time changes by `advance` only; starts at `start` seconds since boot."""

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass; raises ValueError for a negative step, because boot time never goes back."""
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s: boot time never goes back")
        self._now += seconds
