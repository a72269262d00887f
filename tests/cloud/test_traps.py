"""What the vendor's SDK and API do to whoever does not know: one test each, most over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
import time
from dataclasses import replace

import pytest

from terway_edge.cloud import requests
from terway_edge.cloud.credentials import FixedCredentials, of_texts
from terway_edge.cloud.ens_reading import EnsReader
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.opening import open_ecs, open_metadata
from terway_edge.cloud.requests import ACTIONS
from terway_edge.cloud.settings import CloudSettings
from terway_edge.cloud.transport import SdkTransport
from terway_edge.core.addresses import Address
from terway_edge.core.cloud import AddressWish, Cause, CloudError, EniWish
from terway_edge.core.errors import Bug
from terway_edge.testing.openapi import Emulator, Script, Server, listen
from terway_edge.testing.openapi.example import REGION
from tests.cloud.rig import Canned, OddApi, Time, call, client_of, counting_socket, local, surroundings
from tests.cloud.sdk_setters import SAMPLES, sdk_pairs

WISH = EniWish("intent-1", "vsw-h", ("sg-1",), tags={"creator": "terway-edge"})


@pytest.fixture
def sender(world, new_sender):
    return new_sender(world.time, world.server.endpoint)


@pytest.fixture
def odd(closing):
    """A server that answers every call with the body it is told."""

    def start(body: bytes, status: int = 200) -> str:
        return closing.enter_context(Server(OddApi(body, status), listen())).endpoint

    return start


def test_trap_01_a_key_in_the_environment_beats_the_one_that_is_given(new_sender, world, sender, monkeypatch):
    monkeypatch.setenv("ALIYUN_ACCESS_KEY_ID", "stray")
    monkeypatch.setenv("ALIYUN_ACCESS_KEY_SECRET", "stray")
    other = new_sender(world.time, world.server.endpoint)
    assert call(other, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])["Instances"]


@pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning", "ignore::ResourceWarning")  # both the SDK's
def test_trap_02_a_protocol_that_is_equal_and_not_identical_travels_unencrypted(new_sender, world):
    protocol = "".join(["ht", "tps"])
    assert protocol is not "https"  # noqa: F632 - that is the trap
    sender = new_sender(world.time, world.server.endpoint, protocol=protocol)
    with pytest.raises(CloudError) as caught:
        call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])
    assert "does not speak TLS" in str(caught.value)
    assert world.emulator.log.total == 0


def test_trap_03_plain_http_is_for_those_who_ask_for_it():
    assert CloudSettings().protocol == "https"
    with pytest.raises(ValueError, match="protocol is a key"):
        CloudSettings(ecs_endpoint="http://ecs.example.com")


def test_trap_04_no_proxy_is_ignored(new_sender, world, monkeypatch):
    dead = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "10.0.0.0/8,127.0.0.0/8"}
    for name, value in dead.items():
        monkeypatch.setenv(name, value)
    sender = new_sender(world.time, world.server.endpoint, environ=dead, proxy=None)
    assert call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])["Instances"]


@pytest.mark.parametrize("action", ["DescribeNetworkInterfaces", "AttachNetworkInterface", "CreateNetworkInterface"])
def test_trap_05_the_sdk_repeats_some_calls_of_ecs_and_none_of_others(world, sender, action):
    """Ours are repeated by one policy: the transport never does."""
    world.faults({"action": action, "kind": "throttle", "code": "Throttling"})
    with pytest.raises(CloudError) as caught:
        call(sender, world.time, next(each for each in ACTIONS if each.name == action))
    assert caught.value.cause is Cause.THROTTLED
    assert world.count(action) == 1


def test_trap_06_create_is_repeated_without_a_token(world):
    world.faults({"action": "CreateNetworkInterface", "kind": "drop", "when": "after", "count": 2})
    world.ecs.create_eni(WISH, world.deadline)
    assert [each.parameters["ClientToken"] for each in world.emulator.log.calls("CreateNetworkInterface")] == [
        "intent-1"
    ] * 3
    assert len(world.ecs.find_enis(world.deadline, tags=WISH.tags)) == 1


def test_trap_07_retries_switched_off_too_late_stay_on(sender):
    assert not sender._client.is_auto_retry()
    assert type(sender._client._retry_policy.retry_condition).__name__ == "NoRetryCondition"


def test_trap_08_no_retries_at_all_is_not_a_number_of_zero(sender):
    assert sender._client.get_max_retry_num() is None


def test_trap_09_none_and_booleans_travel_as_python_writes_them(world):
    request = requests.ECS_CREATE.request({"ResourceGroupId": None, "SourceDestCheck": False, "DeleteOnRelease": True})
    assert request.query == {"SourceDestCheck": "false", "DeleteOnRelease": "true"}
    made = world.ecs.create_eni(WISH, world.deadline)  # the emulator refuses None and False
    assert not made.checks_source


PARAMETERS = [(action, name) for action in ACTIONS for name in action.parameters]


@pytest.mark.parametrize(("action", "name"), PARAMETERS, ids=[f"{action}.{name}" for action, name in PARAMETERS])
def test_trap_10_setters_have_a_doubled_s_in_some_names(action, name):
    """Ours need none of them, and send the same, but for booleans that the SDK writes with a capital."""
    value = SAMPLES[action.parameters[name].__name__]
    expected = {key: "false" if each == "False" else each for key, each in sdk_pairs(action, name, value).items()}
    assert action.request({name: value}).query == expected


def test_trap_11_lists_of_ens_are_json_here_and_numbered_there():
    json_lists = {
        (action.name, name)
        for action in ACTIONS
        for name, codec in action.parameters.items()
        if codec.__name__ == "json_list" and action.product is requests.ENS
    }
    assert json_lists == {
        ("CreateNetworkInterface", "SecurityGroupIds"),
        ("DeleteNetworkInterfaces", "NetworkInterfaceIds"),
        ("DescribeInstances", "InstanceIds"),
    }
    assert requests.ENS_UNASSIGN.request({"PrivateIpAddress": ["a", "b"]}).query == {
        "PrivateIpAddress.1": "a",
        "PrivateIpAddress.2": "b",
    }
    assert requests.ENS_DELETE.request({"NetworkInterfaceIds": ["a"]}).query == {"NetworkInterfaceIds": '["a"]'}


def test_trap_12_assigned_addresses_are_nested_in_ecs_and_flat_in_ens(world):
    made = world.ecs.create_eni(WISH, world.deadline)
    assert len(world.ecs.assign(AddressWish("i", made.id, ipv4=2), world.deadline)) == 2
    eni = world.ens.enis_of("i-e1", world.deadline)[-1]
    assert len(world.ens.assign(AddressWish("i", eni.id, ipv4=2), world.deadline)) == 2


def test_trap_13_free_addresses_have_two_names(world):
    assert world.ecs.vswitches(["vsw-h"], world.deadline)[0].free == 251
    assert world.ens.vswitches(["vsw-e1"], world.deadline)[0].free == 250


def test_trap_14_ens_deletes_in_the_plural(world):
    made = world.ens.create_eni(replace_switch(WISH), world.deadline)
    world.ens.delete_eni(made.id, world.deadline)
    assert [each.action for each in world.emulator.log.calls()][-1] == "DeleteNetworkInterfaces"


@pytest.mark.parametrize("message", ["no colon in it", "server string to sign is:POST&%2F&x", ""])
def test_trap_15_a_refused_signature_without_a_colon_breaks_the_sdk(world, sender, message):
    world.faults({"action": "*", "kind": "error", "code": "SignatureDoesNotMatch", "message": message})
    with pytest.raises(CloudError) as caught:
        call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])
    assert caught.value.error_code == "SignatureDoesNotMatch"
    assert caught.value.cause is Cause.DENIED
    assert "check the AccessKey" in str(caught.value)


def test_trap_15_a_wrong_secret_is_told_as_such(new_sender, world):
    sender = new_sender(world.time, world.server.endpoint, ("testid", "wrong"))
    with pytest.raises(CloudError) as caught:
        call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])
    assert caught.value.error_code == "SignatureDoesNotMatch"
    assert caught.value.cause is Cause.DENIED


def test_trap_16_an_empty_parameter_is_signed_too(new_sender, world, sender, odd):
    api = OddApi(b"{}")
    with Server(api, listen()) as server:
        other = new_sender(world.time, server.endpoint)
        call(other, world.time, requests.ECS_INSTANCES, InstanceIds=["i ~*+/", "变"])
    assert ("SignatureType", "") in api.seen[0].pairs
    assert world.emulator.handle(api.seen[0]).status == 200


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_trap_17_a_client_that_cannot_be_made_complains_when_it_is_collected(tmp_path):
    """It can always be made: whatever is wrong with the credentials comes out at a call."""
    clock = Time()
    settings = CloudSettings(**local("127.0.0.1:1"), credentials_path=tmp_path / "none")
    ecs = open_ecs(settings, surroundings(clock, {}), InstanceTypes(), clock.clock.now() + 1)
    with pytest.raises(CloudError) as caught:
        ecs.instance("i-1", clock.clock.now() + 1)
    assert caught.value.cause is Cause.DENIED
    ecs.close()
    del ecs, caught
    gc.collect()


def test_trap_18_fewer_connections_than_threads_are_opened_anew_all_the_time(new_sender, site):
    clock = Time()
    slow = {"action": "*", "kind": "slow", "seconds": 0.02}
    emulator = Emulator(site, faults=Script.model_validate({"faults": [slow]}))
    listening = counting_socket()
    with Server(emulator, listening) as server:
        sender = new_sender(clock, server.endpoint, threads=8)

        together = threading.Barrier(8)

        def work() -> None:
            for _ in range(10):
                together.wait()
                call(sender, clock, requests.ECS_INSTANCES, InstanceIds=["i-1"])

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert emulator.log.total == 80
    assert listening.accepted <= 8


def test_trap_19_the_endpoint_of_ens_is_asked_of_a_service_on_the_internet(new_sender, world):
    """Every request has its endpoint: the resolver is never asked."""
    sender = new_sender(world.time, world.server.endpoint)
    sender._client._endpoint_resolver = None
    assert call(sender, world.time, requests.ENS_INSTANCES, InstanceIds=["i-e1"])["Instances"]
    assert CloudSettings().ens_endpoint == "ens.aliyuncs.com"


def test_trap_20_endpoints_are_added_in_two_orders_of_arguments(world, odd):
    """None is added anywhere: each product's is told with each request."""
    endpoints = {"ecs": world.server.endpoint, "vpc": odd(b'{"VSwitches": {"VSwitch": []}, "odd": true}')}
    settings = CloudSettings(**local("127.0.0.1:1"))
    sender = SdkTransport(
        settings, REGION, endpoints, FixedCredentials(of_texts("testid", "testsecret")), world.time.clock, {}
    )
    assert "odd" not in call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])
    assert call(sender, world.time, requests.VPC_VSWITCHES, VSwitchId="vsw-h")["odd"] is True
    sender.close()


def test_trap_21_metadata_wants_a_session_token_a_timeout_and_one_asker(site):
    hardened = replace_instances(site, hardened_metadata=True)
    clock = Time()
    emulator = Emulator(hardened)
    with Server(emulator, listen(), instance="i-1") as server:
        ecs = open_ecs(
            CloudSettings(**local(server.endpoint)), surroundings(clock, {}), InstanceTypes(), clock.clock.now() + 5
        )
        threads = [threading.Thread(target=ecs.instance, args=("i-1", clock.clock.now() + 5)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ecs.close()
    assert emulator.metadata_log.counts == {"metadata:PUT": 1, "metadata:GET": 2}
    assert {each.identity.rsplit("/", 1)[-1] for each in emulator.log.calls()} == {"i-1"}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "error", "code": "InvalidParameter"},
        {"kind": "drop", "when": "before"},
        {"kind": "not_json"},
        {"kind": "not_json", "status": 404},
        {"kind": "empty"},
    ],
    ids=str,
)
def test_trap_22_the_two_exceptions_of_the_sdk_have_no_base(world, sender, fault):
    """Neither comes through, nor is cause or context of what does: their texts hold signed URLs."""
    world.faults({"action": "*", **fault})
    with pytest.raises(CloudError) as caught:
        call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("code", [403, "InternalError", "500"])
def test_trap_23_an_error_with_status_200_is_a_success(new_sender, world, odd, code):
    sender = new_sender(world.time, odd(json.dumps({"Code": code, "Message": "no", "RequestId": "R-1"}).encode()))
    with pytest.raises(CloudError) as caught:
        call(sender, world.time, requests.ENS_INSTANCES, InstanceIds=["i-e1"])
    assert caught.value.error_code == str(code)
    assert (caught.value.http_status, caught.value.request_id) == (200, "R-1")


@pytest.mark.parametrize("code", [0, "0", None, ""])
def test_trap_23_code_0_is_a_success(new_sender, world, odd, code):
    sender = new_sender(world.time, odd(json.dumps({"Code": code, "Found": 1}).encode()))
    assert call(sender, world.time, requests.ENS_INSTANCES, InstanceIds=["i-e1"])["Found"] == 1


def test_trap_24_the_sdk_logs_signed_urls(world, sender, caplog, capfd, monkeypatch):
    monkeypatch.setenv("DEBUG", "sdk")
    caplog.set_level(logging.DEBUG)
    call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])
    for fault in ({"kind": "drop", "when": "before"}, {"kind": "error", "code": "Throttling"}, {"kind": "not_json"}):
        world.faults({"action": "*", **fault})
        with pytest.raises(CloudError):
            call(sender, world.time, requests.ECS_INSTANCES, InstanceIds=["i-1"])
    assert [each.name for each in caplog.records if each.name.startswith("aliyunsdkcore")] == []
    assert capfd.readouterr() == ("", "")


def test_trap_25_some_request_classes_lack_parameters(world):
    """Ours are added as pairs, so that no setter is missed; an unknown name is a mistake of ours, told at once."""
    with pytest.raises(Bug, match="has no parameter EnableIpv6"):
        requests.ENS_VSWITCHES.request({"EnableIpv6": True})
    assert {each.name for each in ACTIONS if each.product is requests.ENS}.isdisjoint({"DescribeInstanceTypes"})


def test_trap_26_the_page_size_of_ens_is_documented_twice():
    clock = Time()
    page = {"NetworkInterfaceSets": {"NetworkInterfaceSet": []}, "TotalCount": 0}
    canned = Canned(page)
    assert EnsReader(client_of(canned, clock)).enis({}, clock.clock.now() + 1) == []
    assert canned.asked[0].query == {"PageNumber": "1", "PageSize": "50"}


def test_trap_27_a_dry_run_that_would_succeed_is_an_error():
    assert not any("DryRun" in each.parameters for each in ACTIONS)


def test_trap_28_a_call_blocks_the_event_loop(world):
    """The port is blocking on purpose; called in a thread it leaves the loop free, its pauses too."""
    world.faults({"action": "DescribeInstances", "kind": "slow", "seconds": 0.3})

    async def main() -> int:
        turns = 0
        asked = asyncio.create_task(asyncio.to_thread(world.ecs.instance, "i-1", world.deadline))
        while not asked.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert asked.result().id == "i-1"
        return turns

    began = time.monotonic()
    assert asyncio.run(main()) > 5
    assert time.monotonic() - began >= 0.3


def test_metadata_is_not_asked_through_a_proxy(site, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    clock = Time()
    with Server(Emulator(site), listen(), instance="i-1") as server:
        metadata = open_metadata(CloudSettings(**local(server.endpoint)), surroundings(clock))
        assert metadata.region(clock.clock.now() + 5) == REGION
        assert metadata.enis(clock.clock.now() + 5)[0].primary == Address.parse("192.168.0.11")


def replace_switch(wish: EniWish) -> EniWish:
    return wish._replace(vswitch="vsw-e1", security_groups=("sg-e1",), tags={})


def replace_instances(site, **changes):
    return site.model_copy(update={"instances": tuple(each.model_copy(update=changes) for each in site.instances)})


def test_all_settings_are_frozen():
    with pytest.raises(AttributeError):
        CloudSettings().region = "cn-beijing"
    assert replace(CloudSettings(), region="cn-beijing").region == "cn-beijing"
