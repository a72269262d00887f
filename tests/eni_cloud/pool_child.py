"""A pool in a process of its own, for somebody to kill: manager with threads, SDK client, journal, intents file.

`python pool_child.py ENDPOINT DIRECTORY IDLE [MOMENT COUNT]`. Keeps at most IDLE addresses in stock. Reads `want NAME`
and `free NAME` from standard input, writes `got NAME ADDRESS`, `freed NAME`, `failed NAME WHY` and, after `rest -`, how
it stands. With a moment the process kills itself at the so-many-th one.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from terway_edge.agent.store import Journal
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import Surroundings, open_ecs
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.ports import Store
from terway_edge.eni.intents import FILE, IntentsFile, Memory, write
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.manager import Manager
from terway_edge.eni.policy import Policy, Site
from terway_edge.testing.events import RecordedEvents
from tests.cloud.rig import KEY, local
from tests.eni_cloud.sites import ECS_NODE

SPEED = 20.0  # seconds of this clock in one of ours
COOLDOWN = 3.0


class FastClock:
    """The same in all processes of the machine."""

    def now(self) -> float:
        return time.monotonic() * SPEED


class Moment:
    """Kills this process when it has come for the so-many-th time."""

    def __init__(self, name: str, count: int) -> None:
        self._name, self._left = name, count
        self._lock = threading.Lock()

    def has_come(self, name: str) -> bool:
        with self._lock:
            self._left -= name == self._name
            return name == self._name and self._left == 0

    def may_end(self, name: str) -> None:
        if self.has_come(name):
            os.kill(os.getpid(), signal.SIGKILL)


class MortalIntents(IntentsFile):
    def __init__(self, directory: Path, moment: Moment) -> None:
        super().__init__(directory)
        self._temporary, self._moment = directory / f"{FILE}.tmp", moment

    def save(self, memory: Memory) -> None:
        if self._moment.has_come("saving"):
            data = write(memory)
            self._temporary.write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().save(memory)
        self._moment.may_end("saved")


class MortalStore:
    def __init__(self, store: Store, moment: Moment) -> None:
        self._store, self._moment = store, moment

    def put(self, lease: Lease) -> None:
        self._store.put(lease)
        self._moment.may_end("granted")

    def release(self, lease: Lease, released_at: float) -> None:
        self._store.release(lease, released_at)
        self._moment.may_end("released")


class Child:
    def __init__(self, endpoint: str, directory: Path, idle: int, moment: Moment) -> None:
        self._policy = Policy(max_pool_size=idle, trim_after=0, cooldown=COOLDOWN)
        self.clock = FastClock()
        around = Surroundings(self.clock, lambda seconds: time.sleep(seconds / SPEED), environ=KEY)
        self.cloud = open_ecs(CloudSettings(**local(endpoint)), around, InstanceTypes(), self.clock.now() + 600)
        journal, stored = Journal.open(
            directory / "leases", "boot", marker=directory / "run" / "marker", cooldown=COOLDOWN
        )
        assert stored.damage == "", stored.damage
        self.ipam = Ipam(MortalStore(journal, moment), self.clock, cooldown=COOLDOWN, lock=threading.Lock())
        self.ipam.load(stored)
        self._intents = MortalIntents(directory, moment)
        self.manager = Manager(self.ipam, self.clock, self._find_site, self._build)
        self._output = threading.Lock()

    def _find_site(self, deadline: float) -> Site:
        found = self.cloud.instance(ECS_NODE, deadline)
        return Site(found, self.cloud.limits(found.type, deadline), self.cloud.features)

    def _build(self, site: Site, lock: AbstractContextManager[object]) -> Keeper:
        rng = random.Random()
        return Keeper(
            lambda: self.cloud, self.ipam, self.clock, self._intents, RecordedEvents(), self._policy, site, rng, lock
        )

    def run(self) -> None:
        self.manager.start()
        threading.Thread(target=self._hurry, daemon=True).start()
        for line in sys.stdin:
            threading.Thread(target=self._do, args=line.split(), daemon=True).start()

    def say(self, text: str) -> None:
        with self._output:
            print(text, flush=True)

    def _hurry(self) -> None:
        """The manager waits by our time; it is to look at its clock, which runs faster."""
        while True:
            time.sleep(0.01)
            with self.manager._wake:
                self.manager._wake.notify_all()

    def _do(self, verb: str, name: str) -> None:
        try:
            if verb == "want":
                self.say(f"got {name} {self._acquire(name).addresses[0]}")
            elif verb == "free":
                lease = self.ipam.get((name, "eth0"))
                if lease is not None:
                    self.manager.release(lease)
                self.say(f"freed {name}")
            else:
                self.say("stands " + ",".join(f"{key}={value}" for key, value in self.manager.details().items()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the books must hear of it
            self.say(f"failed {name} {error!r}")

    def _acquire(self, name: str) -> Lease:
        """Again and again, as runtimes do."""
        while True:
            try:
                return self.manager.acquire(
                    Sandbox(name, "eth0", "/netns", "ns", name, name), "test", self.clock.now() + 60
                )
            except Retry:
                time.sleep(0.05)


if __name__ == "__main__":
    kill_at, count = (sys.argv[4], int(sys.argv[5])) if len(sys.argv) > 4 else ("", 0)
    Child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Moment(kill_at, count)).run()
