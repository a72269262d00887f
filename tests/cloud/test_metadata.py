from __future__ import annotations

import time

import pytest

from terway_edge.cloud.metadata import EcsMetadata
from terway_edge.cloud.metadata_http import MetadataHttp
from terway_edge.core.addresses import Address
from terway_edge.core.cloud import AddressWish, Cause, CloudError, EniWish, Instance
from terway_edge.testing.openapi import Emulator, Script, Server, listen
from terway_edge.testing.openapi.pace import Pace
from tests.cloud.rig import OddApi, Time, World

WISH = EniWish("intent-1", "vsw-h", ("sg-1",), ipv4=2, ipv6=1)


class Here:
    """i-1 with its metadata, and the API beside it."""

    def __init__(self, world: World, server: Server) -> None:
        self.world, self.time, self.emulator = world, world.time, world.emulator
        self.http = MetadataHttp(self.time.clock, self.time.sleep, lambda: 0.5, f"http://{server.endpoint}")
        self.metadata = EcsMetadata(self.http, self.time.clock, self.time.sleep)

    @property
    def deadline(self) -> float:
        return self.time.clock.now() + 30

    def add_eni(self):
        made = self.world.ecs.create_eni(WISH, self.deadline)
        self.world.ecs.attach(made.id, "i-1", self.deadline)
        return made

    def faults(self, *faults) -> None:
        self.emulator.load_faults(Script.model_validate({"faults": faults}))
        self.emulator.metadata_log.clear()


@pytest.fixture
def new_here(new_world, closing):
    def make(site) -> Here:
        world = new_world(site)
        return Here(world, closing.enter_context(Server(world.emulator, listen(), instance="i-1")))

    return make


@pytest.fixture
def here(new_here, site):
    return new_here(site)


def test_who_it_is(here):
    assert here.metadata.region(here.deadline) == "cn-hangzhou"
    assert here.metadata.instance(here.deadline) == Instance("i-1", "ecs.g7.xlarge", "cn-hangzhou-h", "vpc-1", "vsw-h")


def test_enis_with_addresses_of_both_families(here):
    made = here.add_eni()
    primary, secondary = sorted(here.metadata.enis(here.deadline), key=lambda each: each.id == made.id)
    assert primary.addresses == {Address.parse("192.168.0.11")}
    assert (secondary.id, secondary.mac, secondary.primary) == (made.id, made.mac, made.primary)
    assert secondary.addresses == set(made.addresses)


def test_one_session_token_serves_for_hours_and_is_renewed(here):
    for _ in range(3):
        here.metadata.region(here.deadline)
    assert here.emulator.metadata_log.counts["metadata:PUT"] == 1
    here.time.clock.advance(21600 / 2)
    here.metadata.region(here.deadline)
    assert here.emulator.metadata_log.counts["metadata:PUT"] == 2


def test_a_token_that_is_refused_is_fetched_anew_once(new_here, site):
    instances = tuple(each.model_copy(update={"hardened_metadata": True}) for each in site.instances)
    here = new_here(site.model_copy(update={"instances": instances}))
    here.metadata.region(here.deadline)
    here.http._token = "old"
    assert here.metadata.region(here.deadline) == "cn-hangzhou"
    here.faults({"action": "metadata:GET", "kind": "error", "code": "Unauthorized", "status": 401})
    with pytest.raises(CloudError) as caught:
        here.metadata.region(here.deadline)
    assert caught.value.cause is Cause.DENIED
    assert here.emulator.metadata_log.counts["metadata:GET"] == 2


def test_a_service_without_tokens_is_read_without(here):
    here.faults({"action": "metadata:PUT", "kind": "error", "code": "NotFound", "status": 404})
    assert here.metadata.region(here.deadline) == "cn-hangzhou"
    assert here.metadata.region(here.deadline) == "cn-hangzhou"
    assert here.emulator.metadata_log.counts["metadata:PUT"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle", "status": 429},
        {"kind": "server_error"},
        {"kind": "drop", "when": "before"},
        {"kind": "drop", "when": "after"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_passing_failures_are_repeated_a_few_times(here, fault, method):
    here.faults({"action": f"metadata:{method}", "count": 4, **fault})
    assert here.metadata.region(here.deadline) == "cn-hangzhou"
    here.http._until = 0
    here.faults({"action": f"metadata:{method}", **fault})
    with pytest.raises(CloudError) as caught:
        here.metadata.region(here.deadline)
    assert caught.value.is_retryable
    assert here.emulator.metadata_log.counts[f"metadata:{method}"] == 5


def test_where_nobody_listens_it_says_who_has_metadata(time_):
    http = MetadataHttp(time_.clock, time_.sleep, lambda: 0.5, "http://127.0.0.1:9")
    with pytest.raises(CloudError, match="only ECS instances have it"):
        http.text("meta-data/region-id", time_.clock.now() + 5)


def test_a_slow_service_is_waited_for_two_seconds_at_most(site):
    time_ = Time()
    emulator = Emulator(
        site, faults=Script.model_validate({"faults": [{"action": "metadata:*", "kind": "slow", "seconds": 9}]})
    )
    with Server(emulator, listen(), instance="i-1") as server:
        http = MetadataHttp(time_.clock, time_.sleep, lambda: 0.5, f"http://{server.endpoint}")
        began = time.monotonic()
        with pytest.raises(CloudError):
            http.text("meta-data/region-id", time_.clock.now() + 0.2)
        assert time.monotonic() - began < 2


def test_addresses_show_some_seconds_later(new_here, site):
    here = new_here(site.model_copy(update={"pace": Pace(metadata_lag=4.0)}))
    here.time.clock.advance(60)
    made = here.add_eni()
    assert here.metadata.await_addresses(made.mac, here.deadline, present=made.addresses)
    assert here.time.pauses == [1.1] * 4
    added = here.world.ecs.assign(AddressWish("i", made.id, ipv4=3), here.deadline)
    assert not here.metadata.await_addresses(made.mac, here.time.clock.now() + 2, present=added)
    assert here.metadata.await_addresses(made.mac, here.deadline, present=added)
    here.world.ecs.unassign(made.id, added[:1], here.deadline)
    assert not here.metadata.await_addresses(made.mac, here.time.clock.now() + 0.5, absent=added[:1], present=added[1:])
    assert here.metadata.await_addresses(made.mac, here.deadline, absent=added[:1], present=added[1:])


def test_an_eni_that_is_not_there_has_no_addresses(here):
    nobody = bytes.fromhex("020000000001")
    assert here.metadata.await_addresses(nobody, here.deadline, absent=[Address.parse("192.168.0.9")])
    assert not here.metadata.await_addresses(
        nobody, here.time.clock.now() + 0.5, present=[Address.parse("192.168.0.9")]
    )


class OddService(OddApi):
    """Metadata whose every file is the same."""

    read_metadata = OddApi.handle


@pytest.mark.parametrize("body", [b"a\r\nb: c", b"\xff", "\u00e4".encode()])
def test_a_token_that_cannot_be_sent_is_none(closing, time_, body):
    server = closing.enter_context(Server(OddService(body), listen()))
    http = MetadataHttp(time_.clock, time_.sleep, lambda: 0.5, f"http://{server.endpoint}")
    with pytest.raises(CloudError, match="api/token gave no token") as caught:
        http.text("meta-data/region-id", time_.clock.now() + 30)
    assert caught.value.cause is Cause.UNAVAILABLE
