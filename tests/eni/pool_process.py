"""One life of a pool in a process of its own, on a clock that runs fast.

`python pool_process.py ENDPOINT DIRECTORY SEED ENDS`: pods come and go until somebody kills it; with ENDS=1 they all
go, and it ends when nothing of theirs is left.
"""

from __future__ import annotations

import random
import sys
import time
from contextlib import suppress
from pathlib import Path

from terway_edge.agent.store import Journal
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import Surroundings, open_ecs
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Sandbox
from terway_edge.eni.intents import IntentsFile
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.policy import Policy, Site
from terway_edge.testing.events import RecordedEvents
from tests.cloud.rig import KEY, local

SPEED = 50.0  # seconds of this clock in one of ours
INSTANCE = "i-1"
PODS = 20


class FastClock:
    """The same in all processes of the machine."""

    def now(self) -> float:
        return time.monotonic() * SPEED


def open_journal(directory: Path) -> tuple[Journal, Ipam]:
    journal, stored = Journal.open(directory / "leases", "boot", marker=directory / "run" / "marker")
    assert stored.damage == ""
    ipam = Ipam(journal, FastClock())
    ipam.load(stored)
    return journal, ipam


def live(endpoint: str, directory: Path, seed: int, *, ends: bool) -> None:
    clock, rng = FastClock(), random.Random(seed)
    around = Surroundings(clock, lambda seconds: time.sleep(seconds / SPEED), time.time, rng.random, KEY)
    deadline = clock.now() + 1000
    cloud = open_ecs(CloudSettings(**local(endpoint)), around, InstanceTypes(), deadline)
    found = cloud.instance(INSTANCE, deadline)
    site = Site(found, cloud.limits(found.type, deadline), cloud.features)
    _, ipam = open_journal(directory)
    policy = Policy(max_pool_size=0 if ends else 3, trim_after=0)
    keeper = Keeper(lambda: cloud, ipam, clock, IntentsFile(directory), RecordedEvents(), policy, site, random.Random())
    print("ready", flush=True)
    while True:
        if ends:
            _let_all_go(keeper, ipam)
        else:
            _come_and_go(keeper, ipam, rng)
        actions = keeper.turn()
        for action in actions:
            keeper.carry_out(action)
        if ends and not actions and _is_empty(keeper):
            return
        if not actions:
            time.sleep(min(max(keeper.next_at - clock.now(), 0.1), 2.0) / SPEED)


def _come_and_go(keeper: Keeper, ipam: Ipam, rng: random.Random) -> None:
    for number in rng.sample(range(PODS), 6):
        sandbox = Sandbox(f"pod-{number}", "eth0", pod_uid=f"pod-{number}")
        lease = ipam.get(sandbox.key)
        if lease is not None:
            keeper.release(lease)
            continue
        keeper.wait(sandbox.key)
        with suppress(Retry):
            keeper.allocate(sandbox, "test")
            keeper.stop_waiting(sandbox.key)


def _let_all_go(keeper: Keeper, ipam: Ipam) -> None:
    for lease in ipam.leases():
        keeper.release(lease)


def _is_empty(keeper: Keeper) -> bool:
    details = keeper.details
    return details["enis"] == details["enis on their way"] == details["enis leaving"] == 0 and keeper.conditions() == []


if __name__ == "__main__":
    live(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), ends=sys.argv[4] == "1")
