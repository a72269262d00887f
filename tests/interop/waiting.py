"""Waiting for what others do, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

POLL = 0.02  # seconds

Result = TypeVar("Result")


def until(condition: Callable[[], Result], what: str | Callable[[], str], timeout: float = 20.0) -> Result:
    """The first answer that is true; fails if there is none in time, with what was waited for."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(POLL)
    return answer


def throughout(seconds: float, condition: Callable[[], bool], what: str) -> None:
    """It stays so: for what a peer must not do although it had the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"not throughout {seconds:g} s: {what}"
        time.sleep(POLL)
