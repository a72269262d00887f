"""Waiting, and what is said when it was in vain."""

from __future__ import annotations

import pytest

from terway_edge.lab.convergence import wait_until_none
from terway_edge.lab.errors import LabError


def test_waiting_ends_as_soon_as_nothing_is_wrong() -> None:
    said = [["first"], ["first", "second"], []]
    asked: list[list[str]] = []

    def faults() -> list[str]:
        asked.append(said[len(asked)])
        return asked[-1]

    wait_until_none(faults, 5)
    assert asked == said


def test_what_is_still_wrong_at_the_end_is_told() -> None:
    with pytest.raises(LabError, match="after 0 s: node-1 has no session; switch-a knows nothing"):
        wait_until_none(lambda: ["node-1 has no session", "switch-a knows nothing"], 0)
