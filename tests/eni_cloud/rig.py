"""A node's pool on the OpenAPI emulator: the real SDK client over HTTP, the real lease journal and intents file.

Nothing sleeps: whoever waits moves the one clock that pool, client and emulator go by.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from terway_edge.agent.store import Journal
from terway_edge.cloud.ecs import Ecs
from terway_edge.cloud.ens import Ens
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import Surroundings, open_ecs, open_ens
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.addresses import Address
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Sandbox
from terway_edge.core.ports import Stored
from terway_edge.eni.intents import IntentsFile
from terway_edge.eni.keeper import Keeper
from terway_edge.eni.policy import CREATOR, CREATOR_TAG, INSTANCE_TAG, Policy, Site
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.log import CallRecord
from terway_edge.testing.openapi.outside import OutsideChanges
from terway_edge.testing.openapi.records import Eni, EniStatus, EniType
from terway_edge.testing.openapi.site import Site as CloudSite
from tests.cloud.rig import KEY, local
from tests.eni.rig import COOLDOWN, Rig
from tests.eni_cloud.sites import ECS_NODE, ENS_NODE, NEIGHBOURS, OTHER_NODE, make_site
from tests.eni_cloud.stepping import SteppingClock
from tests.eni_cloud.witness import Witness, over_budget, owned

TIGHT = Policy(max_pool_size=0, trim_after=0)
"""Nothing idle for longer than it must."""
CHANGES = ("Create", "Attach", "Assign", "Unassign", "Detach", "Delete", "Modify")


class CloudRig(Rig):
    """`settings` are of the client, as is `client_random`, its jitter; `skew` is what the cloud's clock is off."""

    def __init__(
        self,
        directory: Path,
        policy: Policy = TIGHT,
        instance: str = ECS_NODE,
        *,
        site: CloudSite | None = None,
        seed: int = 1,
        client_random: Callable[[], float] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = SteppingClock()
        self.skew = 0.0
        self.witness = Witness(instance, self.used)
        self.emulator = self.clock.emulator = Emulator(
            site or make_site(), observer=self.witness, clock=self.clock.now, wall=lambda: time.time() + self.skew
        )
        self.witness.know(self.emulator.enis())
        self.server = Server(self.emulator, listen())
        self.server.start()
        self.settings = CloudSettings(**{**local(self.server.endpoint), **settings})
        self.instance, self.directory, self.policy = instance, directory, policy
        self.random, self.waiting, self.events = random.Random(seed), {}, RecordedEvents()
        self._client_random = client_random
        self._journal: Journal | None = None
        self._client: Ecs | Ens | None = None
        client = self._open()
        found = client.instance(instance, self.clock.now() + 60)
        self.site = Site(found, client.limits(found.type, self.clock.now() + 60), client.features)
        self.emulator.log.clear()
        self.start()

    def start(self) -> None:
        """A process begins, over what an earlier one left on disk."""
        if self._journal is not None:
            self._journal.close()
        self._journal, stored = self._open_journal()
        assert stored.damage == ""
        self.ipam = Ipam(self._journal, self.clock, cooldown=COOLDOWN)
        self.ipam.load(stored)
        self.intents = IntentsFile(self.directory)  # type: ignore[assignment]
        rng = random.Random(self.random.getrandbits(64))
        cloud = self._open()
        self.keeper = Keeper(
            lambda: cloud, self.ipam, self.clock, self.intents, self.events, self.policy, self.site, rng
        )
        for sandbox in self.waiting.values():
            self.keeper.wait(sandbox.key)

    def close(self) -> None:
        assert self._client is not None
        self._client.close()
        self.server.close()
        if self._journal is not None:
            self._journal.close()

    def _open_journal(self) -> tuple[Journal, Stored]:
        return Journal.open(self.directory / "leases", "boot", marker=self.directory / "run" / "marker")

    def _open(self) -> Ecs | Ens:
        """A client without memory."""
        if self._client is not None:
            self._client.close()
        jitter = self._client_random or random.Random(self.random.getrandbits(64)).random
        around = Surroundings(self.clock, self.clock.advance, time.time, jitter, KEY)
        if self.instance == ENS_NODE:
            self._client = open_ens(self.settings, around)
        else:
            self._client = open_ecs(self.settings, around, InstanceTypes(), self.clock.now() + 60)
        return self._client

    @property
    def client(self) -> Ecs | Ens:
        assert self._client is not None
        return self._client

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """Instead of those before; the log goes on."""
        self.emulator.load_faults(Script.model_validate({"faults": faults}))

    @contextmanager
    def others(self) -> Iterator[OutsideChanges]:
        self.witness.by_others = True
        try:
            with self.emulator.outside() as others:
                yield others
        finally:
            self.witness.by_others = False

    def taken_by_neighbour(self, address: Address) -> None:
        """Somebody takes an address from its ENI, and somebody else gets it."""
        with self.others() as others:
            others.unassign_address(str(address))
        self._neighbour_has(address)

    def neighbour_takes(self, count: int, vswitch: str = "") -> None:
        """The lowest that are free, or as many as there are."""
        vswitch = vswitch or self.site.instance.vswitch
        with self.emulator.outside() as others:
            subnet = others._cloud.subnet(others._cloud.vswitches[vswitch], 4)
            found = subnet.take(min(count, subnet.free_count))
        self._neighbour_has(*(each.address for each in found))

    def neighbours_leave(self) -> None:
        for neighbour in map(self._neighbour, NEIGHBOURS):
            with self.emulator.outside() as others:
                others._cloud.put(replace(neighbour, secondary=()))

    def _neighbour_has(self, *addresses: Address) -> None:
        for address in addresses:
            with self.emulator.outside() as others:
                cloud = others._cloud
                vswitch = next(each.id for each in cloud.vswitches.values() if each.cidr.contains(address))
                neighbour = self._neighbour(vswitch)
                cloud.put(replace(neighbour, secondary=(*neighbour.secondary, address)))

    def _neighbour(self, vswitch: str) -> Eni:
        return next(each for each in self.emulator.enis() if each.id == NEIGHBOURS[vswitch])

    # --- what is so -----------------------------------------------------------------------------------------------

    def calls(self, *actions: str) -> list[CallRecord]:
        """All, or those of these actions."""
        return [each for each in self.emulator.log.calls() if not actions or each.action in actions]

    def count(self, *actions: str) -> int:
        return len(self.calls(*actions))

    def changes(self) -> list[CallRecord]:
        return [each for each in self.calls() if each.action.startswith(CHANGES)]

    def enis(self, instance: str = "") -> list[Eni]:
        """The secondary ENIs that an instance has: the node unless another is named."""
        return [each for each in self.emulator.enis(instance or self.instance) if each.type is EniType.SECONDARY]

    def made(self) -> list[Eni]:
        """All that carry the pool's mark, attached or not."""
        mark = (CREATOR_TAG, CREATOR)
        return [each for each in self.emulator.enis() if mark in each.tags]

    def used(self) -> set[Address]:
        return {address for lease in self.ipam.leases() for address in lease.addresses}

    def sizes(self) -> list[int]:
        return sorted(each.ipv4_count for each in self.enis())

    def addresses_of(self, *names: str) -> set[Address]:
        return {address for name in names if (lease := self.lease(name)) for address in lease.addresses}

    def check(self) -> None:
        """What holds at any time: pods have what the node has, each alone; the cloud is whole; calls within budget."""
        leased = [address for lease in self.ipam.leases() for address in lease.addresses]
        assert len(leased) == len(set(leased)), "an address has two owners"
        in_use = {each for eni in self.enis() if eni.status is EniStatus.IN_USE for each in owned(eni)}
        assert set(leased) - self.witness.touched <= in_use, "a pod has what its node has not"
        assert self.witness.losses == [], "released in use"
        assert self.emulator.violations() == []
        assert over_budget(self.calls(), self.settings.rate_limit) == []

    def check_rest(self) -> None:
        """And when all has come to rest: nothing of ours is loose, nothing is under way."""
        self.check()
        marks = {CREATOR_TAG: CREATOR, INSTANCE_TAG: self.instance}
        assert self.emulator.orphans(marks) == []
        details = self.keeper.details
        assert details["enis on their way"] == details["enis leaving"] == 0, details


def sandbox(name: str) -> Sandbox:
    return Sandbox(name, "eth0", "/netns", "ns", name, f"uid-{name}")


__all__ = ["COOLDOWN", "ECS_NODE", "ENS_NODE", "OTHER_NODE", "TIGHT", "CloudRig", "make_site", "sandbox"]
