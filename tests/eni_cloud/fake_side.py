"""A `FakeCloud` as a side, with stores in memory."""

from __future__ import annotations

import random
from collections.abc import Mapping

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import Cloud, EniKind, EniStatus, Features, Limits
from terway_edge.core.ports import Store, Stored
from terway_edge.eni.intents import Intents
from terway_edge.eni.policy import CREATOR, CREATOR_TAG, INSTANCE_TAG, Site
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import INSTANCE, FakeCloud
from terway_edge.testing.memory_store import MemoryStore
from tests.eni.rig import MemoryIntents
from tests.eni_cloud.sides import Loss, Seen, Trouble
from tests.eni_cloud.witness import addresses_in


class FakeSide:
    def __init__(self, limits: Limits, features: Features, cidrs: Mapping[str, str]) -> None:
        self.clock = FakeClock()
        self.cloud = FakeCloud(self.clock, limits, features, cidrs)
        if not features.attaches_hot:
            for _ in range(2):
                self.cloud.add_eni()
        self.site = Site(INSTANCE, limits, features)
        self.vswitches = tuple(cidrs)
        self._store, self._intents = MemoryStore(), MemoryIntents()
        self._seen = 0

    def open(self, rng: random.Random) -> tuple[Cloud, Store, Stored, Intents]:
        self._store = MemoryStore(self._store.stored)
        return self.cloud, self._store, self._store.stored, self._intents

    def enis(self) -> list[Seen]:
        marks = {CREATOR_TAG: CREATOR, INSTANCE_TAG: INSTANCE.id}
        return [
            Seen(
                eni.id,
                eni.instance,
                eni.status is EniStatus.IN_USE,
                marks.items() <= eni.tags.items(),
                eni.primary,
                frozenset((*eni.addresses, *(each for prefix in eni.prefixes for each in addresses_in(prefix)))),
            )
            for eni in self.cloud.enis().values()
            if eni.kind is EniKind.SECONDARY
        ]

    def losses(self) -> list[Loss]:
        fresh, self._seen = self.cloud.calls[self._seen :], len(self.cloud.calls)
        kinds = {"unassign": "unassign", "detach": "detach", "delete_eni": "delete"}
        return [Loss(kinds[call.verb], call.subject) for call in fresh if call.verb in kinds]

    def free(self) -> int:
        return min(map(self.cloud.free, self.vswitches))

    def calls(self) -> int:
        return self.cloud.made()

    def changes(self) -> int:
        return self.cloud.made("create_eni", "attach", "assign", "unassign", "detach", "delete_eni")

    def problems(self) -> list[str]:
        return []

    def trouble(self, rng: random.Random) -> Trouble:
        verbs = ("enis_of", "find_enis", "vswitches", "create_eni", "attach", "detach", "delete_eni", "assign")
        kind = rng.choice(["one", "one", "one", "all", "old"])
        if kind == "old":
            return "old", rng.choice([5.0, 20.0, 70.0, 300.0])
        fault = rng.choice(list(Fault)).name
        return (kind, fault) if kind == "all" else (kind, fault, rng.choice([*verbs, "unassign"]), rng.randint(1, 3))

    def begin(self, trouble: Trouble) -> None:
        match trouble:
            case "old", float(seconds):
                self.cloud.staleness = seconds
            case "all", str(fault):
                self.cloud.outage = Fault[fault]
            case _, str(fault), str(verb), int(times):
                self.cloud.faults.setdefault(verb, []).extend([Fault[fault]] * times)

    def end_troubles(self) -> None:
        self.cloud.faults, self.cloud.outage, self.cloud.staleness = {}, None, 0.0
        self.cloud.unstick()

    def disk(self, fails: bool) -> None:
        self._intents.fail = fails

    def crowd(self, vswitch: str, left: int) -> None:
        self.cloud.use_up(vswitch, left)

    def empty(self) -> None:
        for vswitch in self.vswitches:
            self.cloud.give_back(vswitch)

    def take(self, eni: str, address: Address) -> None:
        self.cloud.take_address(eni, address)

    def detach(self, eni: str) -> None:
        self.cloud.tear_off(eni)

    def drop(self, eni: str) -> None:
        self.cloud.drop(eni)

    def move(self, eni: str) -> None:
        self.cloud.move(eni, "i-other")

    def add(self) -> None:
        mine = sum(each.instance == INSTANCE.id for each in self.cloud.enis().values())
        if mine < self.site.limits.enis and self.cloud.free(self.vswitches[0]) > 2:
            self.cloud.add_eni(2)

    def close(self) -> None:
        """Nothing is open."""
