"""What goes wrong in a fake cloud."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from terway_edge.core.cloud import Cause


class Fault(StrEnum):
    """THROTTLE, BEFORE and LOST prevent an answer: before the effect, before it without saying so, after it."""

    THROTTLE = "throttle"
    BEFORE = "before"
    LOST = "lost"
    PARTIAL = "partial"
    """Of several addresses only one."""
    STUCK = "stuck"
    """The change does not end until `unstick`."""
    FALLS_BACK = "falls back"
    """The change ends where it began."""
    CONFLICT = "conflict"
    DENIED = "denied"


class Made(NamedTuple):
    """One call: the port's method, what it was about, and the fault or cause that it ended with, if any."""

    verb: str
    subject: str
    outcome: str = ""


PREVENTING = {
    Fault.THROTTLE: Cause.THROTTLED,
    Fault.BEFORE: Cause.UNAVAILABLE,
    Fault.CONFLICT: Cause.CONFLICT,
    Fault.DENIED: Cause.DENIED,
}
"""Faults that come before any effect, and the cause that is told."""
