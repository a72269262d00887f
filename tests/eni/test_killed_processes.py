"""Real processes and SIGKILL: whatever a pool was about, the next process ends with nothing left behind."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terway_edge.eni.policy import CREATOR, CREATOR_TAG
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.example import example_site
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.records import EniType
from tests.eni import pool_process
from tests.eni.pool_process import INSTANCE, FastClock, open_journal

ROOT = Path(__file__).parents[2]
PACE = Pace(attach=Delay(seconds=4), detach=Delay(seconds=3), delete=Delay(seconds=2))
TROUBLE = Script.model_validate({"faults": [{"kind": "drop", "when": "after", "probability": 0.1}]})


class Machine:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.emulator = Emulator(
            example_site().model_copy(update={"pace": PACE}), clock=FastClock().now, wall=time.time
        )
        self.emulator.load_faults(TROUBLE)
        self.server = Server(self.emulator, listen())
        self.server.start()

    def begin(self, seed: int, *, ends: bool) -> subprocess.Popen[bytes]:
        words = [self.server.endpoint, str(self.directory), str(seed), str(int(ends))]
        process = subprocess.Popen(
            [sys.executable, pool_process.__file__, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    def live_and_die(self, seed: int) -> None:
        """Killed at any moment of a short life."""
        process = self.begin(seed, ends=False)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(random.Random(seed).uniform(0.02, 0.6))
        finally:
            process.kill()
            process.communicate()

    def come_to_an_end(self) -> None:
        process = self.begin(0, ends=True)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.communicate()

    def check_pods(self) -> None:
        """What is on record as a pod's is the instance's, and nobody else's."""
        journal, ipam = open_journal(self.directory)
        journal.close()
        leased = [address for lease in ipam.leases() for address in lease.addresses]
        assert len(leased) == len(set(leased))
        assert set(leased) <= {address for eni in self.emulator.enis(INSTANCE) for address in eni.ipv4}
        assert self.emulator.violations() == []

    def secondary(self) -> list[str]:
        return [eni.id for eni in self.emulator.enis(INSTANCE) if eni.type is not EniType.PRIMARY]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.server.close()


@pytest.mark.slow
@pytest.mark.parametrize("sequence", range(10))
def test_five_kills_leave_nothing_behind(machine: Machine, sequence: int) -> None:
    for kill in range(5):
        machine.live_and_die(10 * sequence + kill)
        machine.check_pods()
    machine.come_to_an_end()
    machine.check_pods()
    assert machine.secondary() == []
    assert machine.emulator.orphans({CREATOR_TAG: CREATOR}) == []
    done = machine.emulator.log.counts
    assert all(done[f"ecs:{verb}NetworkInterface"] for verb in ("Create", "Attach", "Detach", "Delete")), done
