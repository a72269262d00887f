"""Real processes and SIGKILL, at any moment and at the worst ones: what pods were told holds, nothing is left."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terway_edge.testing.openapi.faults import Script
from tests.eni.rig import names
from tests.eni_cloud.machine import Machine

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
RUNS, KILLS = (50, 5) if FULL else (2, 2)
PODS = 14
LATE = 20.0  # seconds of ours until an answer comes: long after the kill
IN_THE_CLOUD = {
    "between create and its answer": "CreateNetworkInterface",
    "between attach and its answer": "AttachNetworkInterface",
    "between assign and its answer": "AssignPrivateIpAddresses",
    "between unassign and its answer": "UnassignPrivateIpAddresses",
    "between detach and its answer": "DetachNetworkInterface",
    "between delete and its answer": "DeleteNetworkInterface",
}
if not FULL:
    IN_THE_CLOUD = {each: action for each, action in IN_THE_CLOUD.items() if action.startswith("Assign")}
AT_HOME = [("saving", 1), ("saving", 3), ("saved", 1), ("saved", 2), ("granted", 1), ("granted", 8), ("released", 2)][
    : None if FULL else 1
]

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()


def faults(machine: Machine, *script: dict[str, object]) -> None:
    machine.emulator.load_faults(Script.model_validate({"faults": script}))


@pytest.mark.parametrize("run", range(RUNS))
def test_killed_at_any_moment(machine: Machine, run: int) -> None:
    rng = random.Random(run)
    faults(machine, {"kind": "drop", "when": "after", "probability": 0.1, "seed": run})
    for _ in range(KILLS):
        machine.begin()
        end = time.monotonic() + rng.uniform(0.5, 2.5)  # half a second is spent on importing
        while time.monotonic() < end:
            machine.want(*rng.sample(names(PODS), 5))
            time.sleep(rng.uniform(0.0, 0.1))
            machine.free(*rng.sample(names(PODS), 3))
        machine.kill()
        machine.check()
    machine.check_end()


@pytest.mark.parametrize("moment", IN_THE_CLOUD)
def test_killed_between_the_effect_and_its_answer(machine: Machine, moment: str) -> None:
    action = IN_THE_CLOUD[moment]
    machine.begin(idle=0)
    if action.startswith("Assign"):
        machine.want(*names(6))
        machine.settle()
    elif action.startswith(("Un", "D")):
        machine.want(*names(PODS))
        machine.settle()
    faults(machine, {"kind": "slow", "seconds": LATE, "action": action})
    with machine.next_calls(action) as calls:
        if action.startswith(("Un", "D")):
            machine.free(*list(machine.held)[: PODS - 5 if action.startswith("Un") else PODS])
        else:
            machine.want(*names(PODS))
    machine.kill()
    assert {call.code for call in calls()} == {""}
    machine.check_end()


def test_killed_between_create_and_attach(machine: Machine) -> None:
    machine.begin()
    faults(machine, {"kind": "drop", "when": "before", "action": "AttachNetworkInterface"})
    with machine.next_calls("AttachNetworkInterface"):
        machine.want(*names(6))
    machine.kill()
    loose = [each for each in machine.emulator.enis() if each.tags and not each.instance]
    assert len(loose) >= 1
    faults(machine)
    machine.begin()
    machine.settle()
    assert len(machine.emulator.log.calls("CreateNetworkInterface")) == len(loose)
    machine.check_end()


@pytest.mark.parametrize(("moment", "count"), AT_HOME)
def test_killed_at_a_moment_of_its_own(machine: Machine, moment: str, count: int) -> None:
    """While the intents are written, after that and before the call; a lease recorded and nobody told."""
    machine.begin(moment, count)
    machine.want(*names(PODS))
    if moment == "released":
        machine.settle()
        machine.free(*names(PODS))
    assert machine.died()
    machine.kill()
    machine.begin()
    machine.want(*names(PODS))
    machine.settle()
    machine.check()
    machine.check_end()
