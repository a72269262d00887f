"""Random sequences of demand, releases, faults of all kinds, changes of others and crashes, against the model's books.

A failure tells its side and seed; `TERWAY_EDGE_SEQUENCE="api 17" pytest tests/eni_cloud/test_sequences.py` plays that
one alone. With `TERWAY_EDGE_FULL=1` there are 10,000 against the cloud in memory and 1,000 through the SDK.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.eni_cloud.sequences import make_model, play

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
ONE = os.environ.get("TERWAY_EDGE_SEQUENCE", "")
COUNTS = {"fake": 10_000 if FULL else 60, "api": 1_000 if FULL else 30}
SLICES = 10


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of failures are told; the trace says more."""
    caplog.set_level(logging.CRITICAL)


def parts() -> list[tuple[str, int, int]]:
    """(side, first seed, one beyond the last)."""
    if ONE:
        side, seed = ONE.split()
        return [(side, int(seed), int(seed) + 1)]
    return [
        (side, count // SLICES * part, count // SLICES * (part + 1))
        for side, count in COUNTS.items()
        for part in range(SLICES)
    ]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("side", "first", "end"), parts())
def test_sequences_end_in_order(side: str, first: int, end: int, tmp_path: Path) -> None:
    for seed in range(first, end):
        play(side, seed, tmp_path / str(seed))


@pytest.mark.parametrize("side", COUNTS)
def test_a_sequence_is_told_by_its_seed(side: str, tmp_path: Path) -> None:
    runs = [play(side, 7, tmp_path / str(number)) for number in range(2)]
    assert runs[0] == runs[1] != play(side, 8, tmp_path / "other")


def test_the_calls_too_are_the_same_again(tmp_path: Path) -> None:
    """Through HTTP and threads of a server."""

    def calls(directory: Path) -> list[tuple[float, str, str]]:
        model = make_model("api", 3, directory)
        try:
            model.pods_come(9)
            model.trouble(("kind", "drop"), ("when", "after"), ("probability", 0.3), ("seed", 1))
            model.live(100.0)
            model.crash()
            model.pods_go(5)
            model.rest()
            return [(each.at, each.action, str(each.parameters)) for each in model.side.emulator.log.calls()]
        finally:
            model.side.close()

    first = calls(tmp_path / "first")
    assert len(first) > 50
    assert first == calls(tmp_path / "second")
