"""All cases, by the kind of node."""

from __future__ import annotations

from terway_edge.torture import calls, ends, failing, files, others, outside
from terway_edge.torture.case import Case


def catalogue(kind: str) -> dict[str, Case]:
    """By name; the order is part of what a seed means."""
    every = {**calls.CASES, **others.cases(kind), **ends.CASES, **files.CASES, **outside.CASES, **failing.cases(kind)}
    return {name: case for name, case in every.items() if kind in case.kinds}
