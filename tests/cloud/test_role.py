"""Credentials of the instance's RAM role, and the calls that are signed with them."""

from __future__ import annotations

import threading
import time

import pytest

from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.metadata_http import MetadataHttp
from terway_edge.cloud.opening import Surroundings, open_ecs
from terway_edge.cloud.role import EARLY, PATIENCE, RoleCredentials
from terway_edge.cloud.settings import CloudSettings
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.testing.openapi import Emulator, Script, Server, listen
from terway_edge.testing.openapi.pace import Pace
from tests.cloud.rig import Time, local

LIFE = 21600


class Role:
    """Metadata of i-1 and a provider on it; `wall` moves with the clock."""

    def __init__(self, site, closing) -> None:
        self.time = Time()
        self.began = time.time()
        site = site.model_copy(update={"pace": Pace(role_credentials=LIFE)})
        self.emulator = Emulator(site, clock=self.time.clock.now, wall=self.wall)
        server = closing.enter_context(Server(self.emulator, listen(), instance="i-1"))
        http = MetadataHttp(self.time.clock, self.time.sleep, lambda: 0.5, f"http://{server.endpoint}")
        self.provider = RoleCredentials(http, self.time.clock, self.wall)

    def wall(self) -> float:
        return self.began + self.time.clock.now() - 1000

    def current(self):
        return self.provider.current(self.time.clock.now() + 5)

    def reads(self) -> int:
        calls = self.emulator.metadata_log.calls("GET")
        return sum(each.parameters["path"].endswith("/edge-node") for each in calls)

    def faults(self, *faults) -> None:
        self.emulator.load_faults(Script.model_validate({"faults": faults}))


@pytest.fixture
def role(site, closing):
    return Role(site, closing)


def test_they_are_read_once_and_have_an_end(role):
    found = role.current()
    assert found.token is not None
    assert found.expires == pytest.approx(role.wall() + LIFE, abs=1)
    assert role.current() is found
    assert role.reads() == 1


def test_new_ones_are_taken_before_the_old_ones_end(role):
    old = role.current()
    role.time.clock.advance(LIFE - EARLY - 10)
    assert role.current() is old
    role.time.clock.advance(20)
    new = role.current()
    assert new.key_id != old.key_id
    assert new.expires > old.expires
    assert role.reads() == 2


def test_as_long_as_metadata_shows_the_old_ones_it_is_asked_now_and_then(role):
    role.current()
    role.time.clock.advance(LIFE - EARLY + 10)
    role.faults({"action": "metadata:GET", "kind": "server_error"})
    for _ in range(5):
        assert role.current().token is not None
    assert role.emulator.metadata_log.counts["metadata:GET"] == 2 + 5  # one round of attempts
    role.time.clock.advance(PATIENCE)
    role.faults()
    assert role.current().expires > role.wall() + LIFE / 2


def test_old_ones_are_used_until_they_end_and_not_longer(role, caplog):
    old = role.current()
    role.faults({"action": "metadata:*", "kind": "drop", "when": "before"})
    role.time.clock.advance(LIFE - 60)
    assert role.current() == old
    assert "used until they end" in caplog.text
    role.time.clock.advance(61)
    with pytest.raises(CloudError) as caught:
        role.current()
    assert caught.value.cause is Cause.UNAVAILABLE


def test_many_threads_ask_once(role):
    role.faults({"action": "metadata:GET", "kind": "slow", "seconds": 0.1})
    found = []
    threads = [threading.Thread(target=lambda: found.append(role.current())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({each.key_id for each in found}) == 1
    assert role.reads() == 1


def test_whoever_has_some_that_last_does_not_wait_for_who_asks(role):
    old = role.current()
    role.time.clock.advance(LIFE - EARLY + 10)
    with role.provider._asking:
        assert role.current() is old


def test_whoever_has_none_waits_until_the_deadline_only(role):
    with role.provider._asking, pytest.raises(CloudError) as caught:
        role.provider.current(role.time.clock.now() + 0.05)
    assert caught.value.cause is Cause.UNAVAILABLE


def test_refused_ones_are_asked_for_anew(role):
    old = role.current()
    assert not role.provider.renew(old, role.time.clock.now() + 5)
    assert role.reads() == 2
    role.time.clock.advance(LIFE - EARLY - 100)  # metadata has others by now
    assert role.current() == old
    assert role.provider.renew(old, role.time.clock.now() + 5)
    assert role.current() != old


def test_an_instance_without_a_role_is_told(site, closing):
    instances = tuple(each.model_copy(update={"role": ""}) for each in site.instances)
    role = Role(site.model_copy(update={"instances": instances}), closing)
    with pytest.raises(CloudError) as caught:
        role.current()
    assert caught.value.cause is Cause.DENIED
    assert "attach it to the instance" in str(caught.value)


def test_calls_are_signed_with_them_over_their_whole_life(site):
    """Half an hour in steps of less than two minutes, and none is refused though each pair lasts half an hour."""
    time_ = Time()
    offset = time.time() - time_.clock.now()
    site = site.model_copy(update={"pace": Pace(role_credentials=1800)})
    emulator = Emulator(site, clock=time_.clock.now, wall=time.time)
    with Server(emulator, listen(), instance="i-1") as server:
        settings = CloudSettings(**{**local(server.endpoint), "region": ""})
        around = Surroundings(time_.clock, time_.sleep, lambda: offset + time_.clock.now(), lambda: 0.5, {})
        ecs = open_ecs(settings, around, InstanceTypes(), time_.clock.now() + 5)
        for _ in range(20):
            assert ecs.instance("i-1", time_.clock.now() + 10).id == "i-1"
            time_.clock.advance(100)
        ecs.close()
    assert {each.code for each in emulator.log.calls()} == {""}
    assert {each.identity for each in emulator.log.calls()} == {"acs:ram::1000000000000001:assumed-role/edge-node/i-1"}
