"""Durations as Go programs write them: `120s`, `1h30m`, `1.5s`."""

from __future__ import annotations

import re

LONGEST = 10 * 365 * 86400  # seconds

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(rf"(\d+(?:\.\d*)?|\.\d+)({'|'.join(_SECONDS)})", re.ASCII)
_WHOLE = re.compile(f"(?:{_PART.pattern})+", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError for what is no duration, zero or longer than LONGEST."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("expected a duration such as 120s or 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if not 0 < seconds <= LONGEST:
        raise ValueError("expected a duration above zero and of at most ten years")
    return seconds
