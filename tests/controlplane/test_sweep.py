"""Orphaned ENIs: two proofs in memory, and the sweep with the real client against the emulator."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.clouds import AliyunClouds
from terway_edge.controlplane.following import World
from terway_edge.controlplane.objects import NodeSeen
from terway_edge.controlplane.orphans import IDLE, Suspects
from terway_edge.controlplane.sweep import BUDGET, Sweep
from terway_edge.core.addresses import Address
from terway_edge.core.cloud import Api, CloudAccess, Eni, EniKind, EniStatus, EniWish
from terway_edge.core.config import Cloud, Settings
from terway_edge.core.secret import Secret
from terway_edge.eni.policy import CREATOR_TAG, INSTANCE_TAG, marks
from terway_edge.testing.events import RecordedEvents
from terway_edge.testing.openapi import Emulator, Server, example_site, listen
from terway_edge.testing.openapi.faults import Script

AT = Address.parse("10.0.0.9")
ORPHAN = Eni("eni-1", b"", EniStatus.AVAILABLE, EniKind.SECONDARY, "vsw", AT, (AT,), tags=marks("i-gone"))
GONE, THERE = {"i-gone": False, "i-node": False}, {"i-gone": True}


def look(suspects: Suspects, now: float, is_there: dict[str, bool], *enis: Eni, knows_all: bool = True) -> list[str]:
    suspects.look(enis or [ORPHAN], {"i-node"}, now)
    return [eni.id for eni in suspects.proven(is_there, now, knows_all=knows_all)]


# --- the proofs ---------------------------------------------------------------------------------------------------


def test_an_instance_that_is_gone_at_two_looks_is_a_proof():
    suspects = Suspects()
    assert look(suspects, 0.0, GONE) == []
    assert look(suspects, 1.0, {}) == [], "the cloud did not tell"
    assert look(suspects, 2.0, GONE) == []
    assert look(suspects, 3.0, GONE) == ["eni-1"]


def test_an_instance_that_is_there_needs_more_looks_and_time():
    suspects = Suspects()
    assert [look(suspects, now, THERE) for now in (0.0, 1.0, 2.0, IDLE - 1)] == [[]] * 4
    assert look(suspects, IDLE, THERE) == ["eni-1"]
    few = Suspects()
    assert [look(few, now, THERE) for now in (0.0, IDLE)] == [[], []]
    assert look(few, IDLE + 1, THERE) == ["eni-1"]


def test_it_is_no_proof_if_a_node_does_not_say_which_instance_it_is():
    suspects = Suspects()
    for now in (0.0, IDLE, 2 * IDLE):
        assert look(suspects, now, THERE, knows_all=False) == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": EniStatus.ATTACHING},
        {"status": EniStatus.IN_USE, "instance": "i-gone"},
        {"addresses": (AT, Address.parse("10.0.0.10"))},
        {"tags": {**marks("i-gone"), "more": "x"}},
    ],
)
def test_an_eni_that_was_touched_begins_anew(change):
    suspects = Suspects()
    look(suspects, 0.0, GONE)
    assert look(suspects, 1.0, GONE, replace(ORPHAN, **change)) == []
    assert look(suspects, 2.0, GONE) == []


@pytest.mark.parametrize(
    "change",
    [
        {"tags": {}},
        {"tags": {CREATOR_TAG: "terway", INSTANCE_TAG: "i-gone"}},
        {"tags": {CREATOR_TAG: "terway-edge"}},
        {"tags": marks("i-node")},
        {"kind": EniKind.PRIMARY},
        {"kind": EniKind.TRUNK},
        {"status": EniStatus.IN_USE},
        {"instance": "i-other"},
    ],
)
def test_what_is_not_ours_or_in_use_is_never_one(change):
    suspects = Suspects()
    for now in (0.0, IDLE, 2 * IDLE, 3 * IDLE):
        assert look(suspects, now, GONE, replace(ORPHAN, **change)) == []


# --- the sweep ----------------------------------------------------------------------------------------------------


class Rig:
    """A sweep, an account with two instances of which one is a Node, and ENIs of all sorts."""

    def __init__(self, emulator: Emulator, endpoint: str) -> None:
        self.emulator, self.clock, self.events = emulator, BootClock(), RecordedEvents()
        self.leads = True
        section = Cloud(
            region=emulator.site.regions[0].id, ecs_endpoint=endpoint, vpc_endpoint=endpoint, protocol="http", proxy=""
        )
        key = emulator.site.keys[0]
        environ = {"ALIBABA_CLOUD_ACCESS_KEY_ID": key.id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret}
        self.clouds = AliyunClouds(Settings(node_name="n", cloud=section), self.clock, environ)
        access = CloudAccess(key=(Secret(key.id.encode()), Secret(key.secret.encode())))
        self.cloud = self.clouds.open(Api.ECS, self.clock.now() + 20, access)
        self.serial = itertools.count()
        self.now = 1000.0
        self.sweep = self.make()

    def make(self, **changes: object) -> Sweep:
        more = {"deletes": True, "region": "cn-hangzhou", **changes}
        return Sweep(self.clouds, self.events, self.clock, lambda: self.leads, **more)  # type: ignore[arg-type]

    def add(self, instance: str, **tags: str) -> str:
        wish = EniWish(f"intent-{next(self.serial)}", "vsw-h", ("sg-1",), tags={**marks(instance), **tags})
        return self.cloud.create_eni(wish, self.clock.now() + 20).id

    def look(self, times: int = 1, sweep: Sweep | None = None, *, more: dict[str, NodeSeen] | None = None) -> None:
        nodes = {"n1": node("n1", "cn-hangzhou.i-1"), **(more or {})}
        for _ in range(times):
            wait = asyncio.run((sweep or self.sweep).turn(World(nodes), self.now))
            self.now += wait

    def left(self) -> set[str]:
        return {eni.id for eni in self.emulator.enis()}


def node(name: str, provider_id: str = "", **labels: str) -> NodeSeen:
    return NodeSeen(name, "", labels, (), provider_id, {})


@pytest.fixture
def rig() -> Iterator[Rig]:
    emulator = Emulator(example_site())
    with Server(emulator, listen()) as server:
        yield Rig(emulator, server.endpoint)


def test_only_orphans_are_deleted(rig):
    before = rig.left()
    orphan, warm, other = rig.add("i-gone"), rig.add("i-1"), rig.add("i-gone", **{CREATOR_TAG: "somebody"})
    rig.look()
    assert rig.left() == {*before, orphan, warm, other}
    rig.look()
    assert rig.left() == {*before, warm, other}
    assert rig.events.reasons() == ["OrphanEniDeleted"]
    assert not rig.emulator.violations()


def test_enis_of_an_instance_that_is_there_have_longer(rig):
    eni = rig.add("i-2")
    rig.look(3)
    assert eni in rig.left(), "it may be on its way to become a Node"
    rig.look()
    assert eni not in rig.left()
    eni = rig.add("i-2")
    cloud_node = {"n9": node("n9")}
    rig.look(6, more=cloud_node)
    assert eni in rig.left(), "n9 may be i-2"
    edge_node = {"n9": node("n9", **{"alibabacloud.com/is-edge-worker": "true"})}
    rig.look(more=edge_node)
    assert eni not in rig.left()


def test_it_only_tells_if_that_is_what_is_wanted_and_not_all_the_time(rig):
    eni = rig.add("i-gone")
    sweep = rig.make(deletes=False)
    rig.look(3, sweep)
    assert eni in rig.left()
    assert [(each.reason, each.subject) for each in rig.events.seen] == [("OrphanEni", f"ENI {eni}")]
    assert sweep.orphans == 1


def test_so_many_at_a_time(rig):
    enis = {rig.add("i-gone") for _ in range(BUDGET + 3)}
    rig.look(2)
    assert len(enis & rig.left()) == 3
    rig.look()
    assert not enis & rig.left()


def test_who_lost_the_lease_deletes_nothing(rig):
    eni = rig.add("i-gone")
    rig.leads = False
    rig.look(3)
    assert eni in rig.left()


def test_a_cloud_that_does_not_tell_proves_nothing(rig):
    eni = rig.add("i-gone")
    fault = {"kind": "error", "action": "DescribeInstances", "code": "Forbidden.RAM", "status": 403}
    rig.emulator.load_faults(Script.model_validate({"faults": [fault]}))
    rig.look(5)
    assert eni in rig.left()


def test_a_cluster_without_settings_of_a_cloud_has_none(rig):
    eni = rig.add("i-gone")
    rig.emulator.log.clear()
    sweep = rig.make(region="")
    rig.look(3, sweep)
    assert rig.emulator.log.total == 0
    data = {"eni_conf": '{"region_id": "cn-hangzhou"}'}
    for _ in range(2):
        rig.now += asyncio.run(sweep.turn(World({}, eni_config=data), rig.now))
    assert eni not in rig.left()
