"""The OpenAPI emulator over HTTP as a side, behind the real SDK client, with lease journal and intents file on disk."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from terway_edge.agent.store import Journal
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import Surroundings, open_ecs, open_ens
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Cloud
from terway_edge.core.ports import Store, Stored
from terway_edge.eni.intents import Intents, IntentsFile
from terway_edge.eni.policy import CREATOR, CREATOR_TAG, INSTANCE_TAG, Site
from terway_edge.testing.openapi import Emulator, Server, listen
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.records import EniStatus, EniType
from tests.cloud.rig import KEY, local
from tests.eni_cloud.sides import Loss, Seen, Trouble
from tests.eni_cloud.sites import ECS_NODE, ENS_NODE, NEIGHBOURS, OTHER_NODE, make_site
from tests.eni_cloud.stepping import SteppingClock
from tests.eni_cloud.witness import addresses_in, over_budget, owned

GIVING_BACK = ("unassign", "detach", "delete")
ODD_CODES = (
    *("Odd.Thing", "Operation.Conflict", "IdempotentFailed", "LastTokenProcessing", "EniPerInstanceLimitExceeded"),
    *("InvalidVSwitchId.IpNotEnough", "QuotaExceeded.PrivateIpAddress", "Forbidden.RAM", "InvalidEniId.NotFound"),
    *("InvalidOperation.InvalidEniState", "SecurityGroupInstanceLimitExceed", "ens.interface.error"),
    *("InvalidTimeStamp.Expired", "InvalidIp.IpUnassigned", "InvalidOperation.Ipv4CountExceeded"),
)
ACTIONS = (
    *("*", "*", "Describe*", "CreateNetworkInterface", "AttachNetworkInterface", "DetachNetworkInterface"),
    *("DeleteNetworkInterface*", "Assign*", "Unassign*", "DescribeVSwitches", "DescribeNetworkInterfaces"),
)


class ApiSide:
    def __init__(self, directory: Path, instance: str, **site: Any) -> None:
        self.clock = SteppingClock()
        self.emulator = self.clock.emulator = Emulator(make_site(**site), clock=self.clock.now, wall=time.time)
        self.server = Server(self.emulator, listen())
        self.server.start()
        self._settings = CloudSettings(**local(self.server.endpoint))
        self._instance, self._directory = instance, directory
        self._close: list[Callable[[], None]] = []
        self._seen = 0
        self._script: list[Mapping[str, Any]] = []
        self.vswitches = ("vsw-e",) if instance == ENS_NODE else ("vsw-a", "vsw-b")
        self.emulator.load_faults(Script.model_validate({"faults": [{"kind": "stale", "seconds": 400, "count": 1}]}))
        self.emulator.load_faults(Script())
        client = self.open(random.Random(0))[0]
        found = client.instance(instance, self.clock.now() + 60)
        self.site = Site(found, client.limits(found.type, self.clock.now() + 60), client.features)

    def open(self, rng: random.Random) -> tuple[Cloud, Store, Stored, Intents]:
        self._shut()
        around = Surroundings(self.clock, self.clock.advance, time.time, rng.random, KEY)
        if self._instance == ENS_NODE:
            client: Any = open_ens(self._settings, around)
        else:
            client = open_ecs(self._settings, around, InstanceTypes(), self.clock.now() + 60)
        journal, stored = Journal.open(self._directory / "leases", "boot", marker=self._directory / "run" / "marker")
        assert stored.damage == ""
        self._close = [client.close, journal.close]
        return client, journal, stored, IntentsFile(self._directory)

    def enis(self) -> list[Seen]:
        marks = {CREATOR_TAG: CREATOR, INSTANCE_TAG: self._instance}
        return [
            Seen(
                eni.id,
                eni.instance,
                eni.status is EniStatus.IN_USE,
                marks.items() <= dict(eni.tags).items(),
                eni.primary,
                frozenset(owned(eni)),
            )
            for eni in self.emulator.enis()
            if eni.type is EniType.SECONDARY and eni.id not in NEIGHBOURS.values()
        ]

    def losses(self) -> list[Loss]:
        calls = self.emulator.log.calls()
        fresh, self._seen = calls[self._seen :], len(calls)
        found = []
        for call in fresh:
            kind = next((each for each in GIVING_BACK if call.action.lower().startswith(each)), "")
            if kind:
                eni = call.parameters.get("NetworkInterfaceId") or call.parameters["NetworkInterfaceIds"].strip('[]"')
                found.append(Loss(kind, eni, frozenset(_named(call.parameters))))
        return found

    def free(self) -> int:
        with self.emulator.outside() as others:
            cloud = others._cloud
            return min(cloud.subnet(cloud.vswitches[each], 4).free_count for each in self.vswitches)

    def calls(self) -> int:
        return self.emulator.log.total

    def changes(self) -> int:
        return sum(not each.action.startswith("Describe") for each in self.emulator.log.calls())

    def problems(self) -> list[str]:
        return [*self.emulator.violations(), *over_budget(self.emulator.log.calls())]

    def trouble(self, rng: random.Random) -> Trouble:
        kinds: list[dict[str, Any]] = [
            {"kind": "throttle"},
            {"kind": "error", "code": rng.choice(ODD_CODES), "status": rng.choice([400, 403, 404, 500])},
            {"kind": "server_error"},
            {"kind": "not_json", "status": rng.choice([200, 502])},
            {"kind": "empty"},
            {"kind": "error_in_ok", "code": rng.choice(ODD_CODES)},
            {"kind": "drop", "when": "before"},
            {"kind": "drop", "when": "after"},
            {"kind": "stale", "seconds": rng.choice([5, 20, 70, 300])},
            {"kind": "partial", "portion": rng.randint(0, 3)},
            {"kind": "stuck", "seconds": rng.choice([20, 200, 1e9])},
            {"kind": "fails"},
            {"kind": "reversed"},
        ]
        fault = rng.choice(kinds) | {"action": rng.choice(ACTIONS), "seed": rng.randint(0, 99)}
        more = [{"probability": 0.3}, {"count": rng.randint(1, 4)}, {"until": rng.choice([30, 200])}]
        return tuple(sorted((fault | rng.choice(more)).items()))

    def begin(self, trouble: Trouble) -> None:
        """Beside those of before, the last few of which go on as if they were new."""
        self._script = [*self._script[-3:], dict(trouble)]  # type: ignore[call-overload]
        self.emulator.load_faults(Script.model_validate({"faults": self._script}))

    def end_troubles(self) -> None:
        self._script = []
        self.emulator.load_faults(Script())
        for eni in self.emulator.enis():
            with self.emulator.outside() as others:
                others.unstick(eni.id)

    def disk(self, fails: bool) -> None:
        """What is in the way of the file that is to become eni.json."""
        obstacle = self._directory / "eni.json.tmp"
        if obstacle.is_file():
            obstacle.unlink()
        if fails:
            obstacle.mkdir(exist_ok=True)
        elif obstacle.is_dir():
            obstacle.rmdir()

    def crowd(self, vswitch: str, left: int) -> None:
        with self.emulator.outside() as others:
            subnet = others._cloud.subnet(others._cloud.vswitches[vswitch], 4)
            found = [each.address for each in subnet.take(max(subnet.free_count - left, 0))]
        self._neighbour_has(vswitch, found)

    def empty(self) -> None:
        for id in NEIGHBOURS.values():
            with self.emulator.outside() as others:
                others._cloud.put(replace(others._cloud.enis[id], secondary=()))

    def take(self, eni: str, address: Address) -> None:
        with self.emulator.outside() as others:
            vswitch = others._cloud.enis[eni].vswitch
            others.unassign_address(str(address))
        if address.family == 4:
            self._neighbour_has(vswitch, [address])

    def detach(self, eni: str) -> None:
        with self.emulator.outside() as others:
            others.detach_eni(eni)

    def drop(self, eni: str) -> None:
        with self.emulator.outside() as others:
            others.delete_eni(eni)

    def move(self, eni: str) -> None:
        if self._instance == ECS_NODE and len(self.emulator.enis(OTHER_NODE)) < self.site.limits.enis:
            with self.emulator.outside() as others:
                others.move_eni(eni, OTHER_NODE)

    def add(self) -> None:
        """By moving one that the other node has; there are none at first."""
        spare = [each for each in self.emulator.enis(OTHER_NODE) if each.type is EniType.SECONDARY]
        if spare and len(self.emulator.enis(self._instance)) < self.site.limits.enis:
            with self.emulator.outside() as others:
                others.move_eni(spare[0].id, self._instance)

    def close(self) -> None:
        self._shut()
        self.server.close()

    def _shut(self) -> None:
        for each in self._close:
            each()
        self._close = []

    def _neighbour_has(self, vswitch: str, addresses: Iterable[Address]) -> None:
        with self.emulator.outside() as others:
            eni = others._cloud.enis[NEIGHBOURS[vswitch]]
            others._cloud.put(replace(eni, secondary=(*eni.secondary, *addresses)))


def _named(parameters: Mapping[str, str]) -> Iterable[Address]:
    """Addresses that a call names, all of the prefixes among them."""
    for name, value in parameters.items():
        if name.startswith(("PrivateIpAddress", "Ipv6Address")):
            yield Address.parse(value)
        elif name.startswith(("Ipv4Prefix", "Ipv6Prefix")):
            yield from addresses_in(Prefix.parse(value))
