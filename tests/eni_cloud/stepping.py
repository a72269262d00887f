"""A clock for an emulator whose runs are to be repeated."""

from __future__ import annotations

from terway_edge.testing.clock import FakeClock
from terway_edge.testing.openapi import Emulator


class SteppingClock(FakeClock):
    """What is due at the new time is done at it, whoever looks first."""

    emulator: Emulator

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.emulator.settle()
