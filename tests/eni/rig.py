"""A node's pool on a fake cloud, without threads: turns and calls happen when a test says so."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import Features, Limits
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease, Sandbox
from terway_edge.eni.actions import Action
from terway_edge.eni.intents import Memory, read, write
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.policy import Policy, Site
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.fake_cloud import ECS, INSTANCE, FakeCloud
from terway_edge.testing.memory_store import MemoryStore

COOLDOWN = 30.0


class MemoryIntents:
    """`Intents` that survive as the bytes of the file; `fail` makes the next writes fail."""

    def __init__(self) -> None:
        self.data = b""
        self.saves = 0
        self.fail = False

    def load(self, now: float) -> Memory:
        return read(self.data, now) if self.data else Memory()

    def save(self, memory: Memory) -> None:
        if self.fail:
            raise Retry("the disk is full because the test says so")
        self.saves += 1
        self.data = write(memory)


class Rig:
    def __init__(
        self,
        policy: Policy = Policy(),  # noqa: B008 - never changed
        *,
        limits: Limits = Limits(6, 15, 15),  # noqa: B008 - never changed
        features: Features = ECS,
        vswitches: dict[str, str] | None = None,
        zones: dict[str, str] | None = None,
        seed: int = 1,
    ) -> None:
        self.policy = policy
        self.clock = FakeClock()
        self.cloud = FakeCloud(self.clock, limits, features, vswitches, zones=zones)
        self.site = Site(INSTANCE, limits, features)
        self.store = MemoryStore()
        self.intents = MemoryIntents()
        self.events = RecordedEvents()
        self.random = random.Random(seed)
        self.waiting: dict[str, Sandbox] = {}
        self.start()

    def start(self) -> None:
        """A process begins, over what an earlier one left."""
        self.store = MemoryStore(self.store.stored)
        self.ipam = Ipam(self.store, self.clock, cooldown=COOLDOWN)
        self.ipam.load(self.store.stored)
        rng = random.Random(self.random.getrandbits(64))
        self.keeper = Keeper(
            lambda: self.cloud, self.ipam, self.clock, self.intents, self.events, self.policy, self.site, rng
        )
        for sandbox in self.waiting.values():
            self.keeper.wait(sandbox.key)

    # --- time -----------------------------------------------------------------------------------------------------

    def turn(self) -> list[Action]:
        """One turn, its calls made; pods that wait try again."""
        actions = self.keeper.turn()
        for action in actions:
            self.keeper.carry_out(action)
        self.serve()
        return actions

    def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> list[Action]:
        """Let time pass; every turn comes when it is due."""
        end, done = self.clock.now() + seconds, []
        while not until():
            for _ in range(100):
                actions = self.turn()
                done += actions
                if not actions or self.clock.now() >= end:  # calls may take time, too
                    break
            else:
                raise AssertionError(f"no rest: {actions}")
            if until() or self.clock.now() >= end:
                break
            step = min(self.keeper.next_at, end) - self.clock.now()
            self.clock.advance(max(step, 0.001))
        return done

    def settle(self) -> None:
        """Until everything that was begun should be over."""
        self.run(60.0)

    # --- pods -----------------------------------------------------------------------------------------------------

    def want(self, *names: str) -> None:
        """Pods come; those that find no address wait."""
        for name in names:
            self.waiting[name] = _sandbox(name)
        self.serve()
        for name in names:
            if name in self.waiting:
                self.keeper.wait(self.waiting[name].key)

    def serve(self) -> None:
        for name, sandbox in list(self.waiting.items()):
            try:
                self.keeper.allocate(sandbox, "test")
            except Retry:
                continue
            del self.waiting[name]
            self.keeper.stop_waiting(sandbox.key)

    def give_up(self, name: str) -> None:
        sandbox = self.waiting.pop(name, None)
        if sandbox is not None:
            self.keeper.stop_waiting(sandbox.key)

    def release(self, *names: str) -> None:
        for name in names:
            lease = self.lease(name)
            if lease is not None:
                self.keeper.release(lease)

    def lease(self, name: str) -> Lease | None:
        return self.ipam.get((name, "eth0"))

    def address(self, name: str) -> Address:
        lease = self.lease(name)
        assert lease is not None, f"{name} has no address"
        return lease.addresses[0]

    @property
    def served(self) -> int:
        return len(self.ipam.leases())

    # --- what is so -----------------------------------------------------------------------------------------------

    def secondary(self) -> list[str]:
        """Ids of the ENIs that the instance has beside the primary one."""
        return [eni.id for eni in self.cloud.enis().values() if eni.instance == INSTANCE.id and eni.id != "eni-primary"]

    def idle(self) -> int:
        details = self.keeper.details
        return int(details["free"]) + int(details["cooling"])

    def reasons(self) -> list[str]:
        return [condition.reason for condition in self.keeper.conditions()]

    def loose(self) -> list[str]:
        """ENIs of ours that are attached to nothing."""
        return [eni.id for eni in self.cloud.enis().values() if not eni.instance]


def names(count: int, prefix: str = "pod") -> Sequence[str]:
    return [f"{prefix}-{n}" for n in range(count)]


def _sandbox(name: str) -> Sandbox:
    return Sandbox(name, "eth0", "/netns", "ns", name, f"uid-{name}")
