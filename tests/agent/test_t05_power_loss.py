"""T05: what is left of the journal when only the process died, and when the power went.

A record is in the page cache when it is acknowledged, and not synced: the death of a process forgets none; a power cut
may undo any of the last writes, but then the boot is another, the pods are gone, and nothing of theirs is served.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest

from terway_edge.agent.store import Journal
from terway_edge.core.ports import Stored
from tests.agent.test_store import BOOT, lease

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
CUTS = 10_000 if FULL else 100
COOLDOWN = 1e9  # nothing is forgotten because it is old


class Boundary(NamedTuple):
    """The file after a write, and the containers whose leases were acknowledged by then."""

    data: bytes
    held: frozenset[str]


class Disk:
    def __init__(self, root: Path) -> None:
        self.path, self.marker = root / "state" / "leases.journal", root / "run" / "leases.marker"

    def open(self, boot: str) -> Stored:
        journal, stored = Journal.open(self.path, boot, marker=self.marker, cooldown=COOLDOWN)
        journal.close()
        return stored

    def history(self) -> list[Boundary]:
        """Grants and releases at random, with a restart and rewrites among them."""
        dice = random.Random(5)
        journal, _ = Journal.open(self.path, BOOT, marker=self.marker, cooldown=COOLDOWN)
        held: set[int] = set()
        boundaries = []
        for number in range(1500):
            if held and dice.random() < 0.45:
                gone = dice.choice(sorted(held))
                journal.release(lease(gone), float(number))
                held.remove(gone)
            else:
                journal.put(lease(number))
                held.add(number)
            if number % 500 == 499:
                journal.close()
                journal, _ = Journal.open(self.path, BOOT, marker=self.marker, cooldown=COOLDOWN)
            if number % 10 == 0 or number > 1400:
                boundaries.append(Boundary(self.path.read_bytes(), frozenset(f"{n:064x}" for n in held)))
        journal.close()
        return boundaries


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    return Disk(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="module")
def boundaries(disk: Disk) -> list[Boundary]:
    return disk.history()


def test_t05_a_process_that_died_forgot_no_lease(disk: Disk, boundaries: list[Boundary]) -> None:
    for data, held in boundaries if FULL else boundaries[::10]:
        disk.path.write_bytes(data)
        disk.marker.write_text(BOOT)
        stored = disk.open(BOOT)
        assert stored.damage == ""
        assert {one.sandbox.container_id for one in stored.leases} == held


def test_t05_after_a_power_cut_nothing_of_the_former_boot_is_served(disk: Disk, boundaries: list[Boundary]) -> None:
    """The disk has any earlier state, the last write cut anywhere, or zeroes where data never came."""
    dice = random.Random(5)
    served = 0
    for _ in range(CUTS):
        data = dice.choice(boundaries).data
        cut = dice.randrange(data.index(b"\n") + 1, len(data) + 1)
        disk.path.write_bytes(data[:cut] + bytes(dice.choice((0, 0, 1, 512))))
        disk.marker.unlink(missing_ok=True)
        stored = disk.open("the next boot")
        served += len(stored.leases) + len(stored.cooling)
        assert stored.damage == "", "no pod is left whose lease could be lost: free addresses need no rest"
        assert disk.open("the next boot") == Stored()
    assert served == 0


def test_t05_a_header_that_never_reached_the_disk_is_damage_and_serves_nothing(disk: Disk) -> None:
    for data in (b"", bytes(4096)):
        disk.path.write_bytes(data)
        disk.marker.unlink(missing_ok=True)
        stored = disk.open("the next boot")
        assert (stored.leases, stored.cooling) == ((), ())
        assert stored.damage, "nobody can know of which boot it was: free addresses rest once"
