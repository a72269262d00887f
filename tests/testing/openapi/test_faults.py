"""Every kind of fault, as the vendor's SDK sees it, and what it does to the cloud."""

from __future__ import annotations

import time

import pytest
from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException

from terway_edge.testing.openapi import Emulator, Script
from terway_edge.testing.openapi.pace import Delay, Pace
from tests.testing.openapi.caller import Caller
from tests.testing.openapi.sdk import Sdk

ASSIGN = ("ecs", "AssignPrivateIpAddresses")
PRIMARY = "eni-000001"
TWO = {"NetworkInterfaceId": PRIMARY, "SecondaryPrivateIpAddressCount": 2}


def script(*faults):
    return Script.model_validate({"faults": faults})


@pytest.fixture
def load(emulator):
    return lambda *faults: emulator.load_faults(script(*faults))


def owned(emulator, eni=PRIMARY):
    return next(len(each.secondary) for each in emulator.enis() if each.id == eni)


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ({"kind": "throttle"}, "Throttling.User", 400),
        ({"kind": "throttle", "code": "Throttling", "status": 429}, "Throttling", 429),
        ({"kind": "throttle", "code": "Rejected.Throttling"}, "Rejected.Throttling", 400),
        ({"kind": "server_error"}, "ServiceUnavailable", 503),
        ({"kind": "server_error", "code": "InternalError", "status": 500}, "InternalError", 500),
        ({"kind": "error", "code": "Something.New", "status": 409}, "Something.New", 409),
        ({"kind": "error", "code": "InvalidTimeStamp.Expired"}, "InvalidTimeStamp.Expired", 400),
        ({"kind": "not_json"}, "SDK.UnknownServerError", 502),
    ],
)
def test_calls_that_are_prevented(emulator, sdk, load, fault, code, status):
    load(fault)
    with pytest.raises(ServerException) as caught:
        sdk(*ASSIGN, **TWO)
    assert (caught.value.error_code, caught.value.http_status) == (code, status)
    assert owned(emulator) == 0
    assert emulator.log.calls()[-1].faults == (fault["kind"],)


def test_an_empty_answer(emulator, sdk, load):
    load({"kind": "empty"})
    assert sdk.client.do_action_with_exception(sdk.request(*ASSIGN, **TWO)) == b""
    assert owned(emulator) == 0


def test_an_error_with_status_200_is_success_for_the_sdk(emulator, sdk, load):
    load({"kind": "error_in_ok", "code": "InternalError"})
    assert sdk(*ASSIGN, **TWO)["Code"] == "InternalError"
    assert owned(emulator) == 0


@pytest.mark.parametrize(("when", "addresses"), [("before", 0), ("after", 2)])
def test_a_dropped_connection_before_or_after_the_effect(emulator, sdk, load, when, addresses):
    load({"kind": "drop", "when": when, "calls": [1]})
    with pytest.raises(ClientException) as caught:
        sdk(*ASSIGN, **TWO)
    assert caught.value.error_code == "SDK.HttpError"
    assert owned(emulator) == addresses
    assert emulator.log.calls()[-1].dropped
    assert sdk("ecs", "DescribeInstances")["TotalCount"] == 2, "the next call connects again"


def test_a_slow_answer_has_its_effect_and_runs_into_the_clients_timeout(emulator, server, load):
    load({"kind": "slow", "seconds": 30, "action": "AssignPrivateIpAddresses"})
    sdk = Sdk(server.endpoint, timeout=0.3)
    with pytest.raises(ClientException) as caught:
        sdk(*ASSIGN, **TWO)
    assert caught.value.error_code == "SDK.HttpError"
    assert owned(emulator) == 2
    assert sdk("ecs", "DescribeInstances")["TotalCount"] == 2, "others are served meanwhile"
    sdk.close()


def test_a_slow_answer_comes_late(sdk, load):
    load({"kind": "slow", "seconds": 0.2})
    before = time.monotonic()
    assert sdk("ecs", "DescribeInstances")["TotalCount"] == 2
    assert time.monotonic() - before >= 0.2


def test_stale_listings_show_what_was(emulator, call, clock, load):
    load({"kind": "stale", "seconds": 300, "action": "Describe*", "probability": 0.5, "seed": 1})
    free = ("vpc", "DescribeVSwitches")
    clock.advance(10)
    call(*ASSIGN, **TWO)
    seen = {
        (
            len(call.shown(PRIMARY)["PrivateIpSets"]["PrivateIpSet"]),
            call(*free, VSwitchId="vsw-h")["VSwitches"]["VSwitch"][0]["AvailableIpAddressCount"],
        )
        for _ in range(40)
    }
    assert {count for count, _ in seen} == {1, 3}, "the lists flap"
    assert {count for _, count in seen} == {251, 249}
    assert owned(emulator) == 2
    clock.advance(300)
    assert {len(call.shown(PRIMARY)["PrivateIpSets"]["PrivateIpSet"]) for _ in range(10)} == {3}


def test_a_stale_listing_shows_an_eni_that_is_gone_and_hides_a_new_one(call, clock, load):
    eni = call.eni()
    load({"kind": "stale", "seconds": 60, "action": "DescribeNetworkInterfaces"})
    clock.advance(1)
    call("ecs", "DeleteNetworkInterface", NetworkInterfaceId=eni)
    new = call.eni()
    assert (call.status(eni), call.status(new)) == ("Available", "")
    clock.advance(60)
    assert (call.status(eni), call.status(new)) == ("", "Available")


def test_partial_success_is_less_than_asked_and_says_so(emulator, call, load):
    load({"kind": "partial", "portion": 1})
    answer = call(*ASSIGN, NetworkInterfaceId=PRIMARY, SecondaryPrivateIpAddressCount=10)
    assert len(answer["AssignedPrivateIpAddressesSet"]["PrivateIpSet"]["PrivateIpAddress"]) == owned(emulator) == 1
    made = call(
        "ecs", "CreateNetworkInterface", VSwitchId="vsw-h", SecurityGroupId="sg-1", SecondaryPrivateIpAddressCount=5
    )
    assert len(made["PrivateIpSets"]["PrivateIpSet"]) == 2
    six = call("ecs", "AssignIpv6Addresses", NetworkInterfaceId=PRIMARY, Ipv6AddressCount=3)
    assert len(six["Ipv6Sets"]["Ipv6Address"]) == 1


def test_partial_success_of_what_takes_away(emulator, call, load):
    addresses = [f"192.168.0.{number}" for number in (50, 51, 52)]
    call(*ASSIGN, NetworkInterfaceId=PRIMARY, PrivateIpAddress=addresses)
    first, second = call.ens_eni(), call.ens_eni()
    load({"kind": "partial", "portion": 1})
    call("ecs", "UnassignPrivateIpAddresses", NetworkInterfaceId=PRIMARY, PrivateIpAddress=addresses)
    call("ens", "DeleteNetworkInterfaces", NetworkInterfaceIds=f'["{first}", "{second}"]')
    assert owned(emulator) == 2
    assert (call.status(first, "ens"), call.status(second, "ens")) == ("", "Available")


@pytest.fixture
def slow(site, clock):
    wait = Delay(seconds=5)
    pace = Pace(attach=wait, detach=wait, delete=wait)
    return Caller(Emulator(site.model_copy(update={"pace": pace}), clock=clock.now))


def test_an_attach_that_is_stuck_until_somebody_helps(slow, clock):
    eni = slow.eni()
    slow.emulator.load_faults(script({"kind": "stuck", "action": "Attach*"}))
    slow("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    clock.advance(10_000)
    assert slow.status(eni) == "Attaching"
    with slow.emulator.outside() as outside:
        outside.unstick(eni)
    assert slow.status(eni) == "InUse"


def test_a_detach_that_is_stuck_may_be_asked_again(slow, clock):
    eni = slow.eni()
    where = {"InstanceId": "i-1", "NetworkInterfaceId": eni}
    slow("ecs", "AttachNetworkInterface", **where)
    clock.advance(5)
    slow.emulator.load_faults(script({"kind": "stuck", "action": "Detach*", "calls": [1]}))
    slow("ecs", "DetachNetworkInterface", **where)
    clock.advance(1000)
    assert slow.status(eni) == "Detaching"
    slow("ecs", "DetachNetworkInterface", **where)
    clock.advance(5)
    assert slow.status(eni) == "Available"


def test_a_change_that_takes_longer(slow, clock):
    eni = slow.eni()
    slow.emulator.load_faults(script({"kind": "stuck", "seconds": 20}))
    slow("ecs", "DeleteNetworkInterface", NetworkInterfaceId=eni)
    clock.advance(24)
    assert slow.status(eni) == "Deleting"
    clock.advance(1)
    assert slow.status(eni) == ""


def test_changes_that_fail_end_where_they_began(slow, clock):
    eni = slow.eni()
    where = {"InstanceId": "i-1", "NetworkInterfaceId": eni}
    slow.emulator.load_faults(script({"kind": "fails"}))
    slow("ecs", "AttachNetworkInterface", **where)
    clock.advance(5)
    assert (slow.status(eni), slow.shown(eni)["InstanceId"]) == ("Available", "")
    slow("ecs", "DeleteNetworkInterface", NetworkInterfaceId=eni)
    clock.advance(5)
    assert slow.status(eni) == "Available"
    slow.emulator.load_faults(script())
    slow("ecs", "AttachNetworkInterface", **where)
    clock.advance(5)
    slow.emulator.load_faults(script({"kind": "fails"}))
    slow("ecs", "DetachNetworkInterface", **where)
    clock.advance(5)
    assert (slow.status(eni), slow.shown(eni)["InstanceId"]) == ("InUse", "i-1")


@pytest.mark.parametrize("product", ["ecs", "ens"])
def test_enis_in_the_other_order(call, load, product):
    def listed():
        answer = call(product, "DescribeNetworkInterfaces")
        return [each["MacAddress"] for each in answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]]

    before = listed()
    load({"kind": "reversed"})
    assert listed() == before[::-1] != before


class TestOutside:
    """Somebody else changes something just before a call is served, or just after."""

    @pytest.fixture
    def eni(self, call):
        eni = call.eni(PrivateIpAddress=["192.168.0.50", "192.168.0.51"])
        call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
        return eni

    @pytest.mark.parametrize("target", [{"instance": "i-1"}, {"eni": "eni"}])
    def test_an_eni_is_detached(self, call, load, recorder, eni, target):
        target = {"eni": eni} if "eni" in target else target
        load({"kind": "outside", "change": "detach_eni", **target, "calls": [1]})
        assert call.status(eni) == "Available"
        assert recorder.seen[-1] == f"{eni} detached from i-1"

    def test_it_is_the_newest_if_none_is_named(self, call, load, eni):
        newest = call.eni()
        call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=newest)
        load({"kind": "outside", "change": "detach_eni", "instance": "i-1", "calls": [1]})
        assert (call.status(newest), call.status(eni)) == ("Available", "InUse")

    def test_an_eni_is_deleted_after_the_call(self, call, load, recorder, eni):
        load({"kind": "outside", "change": "delete_eni", "instance": "i-1", "when": "after", "calls": [1]})
        assert call.status(eni) == "InUse"
        assert call.status(eni) == ""
        assert recorder.seen[-1] == f"{eni} detached from i-1"

    @pytest.mark.parametrize(
        ("target", "left"), [({"address": "192.168.0.50"}, "51"), ({"instance": "i-1"}, "50"), ({"eni": ""}, "50 51")]
    )
    def test_an_address_is_unassigned(self, call, load, eni, target, left):
        load({"kind": "outside", "change": "unassign_address", **target, "calls": [1]})
        kept = [
            each["PrivateIpAddress"].rpartition(".")[2] for each in call.shown(eni)["PrivateIpSets"]["PrivateIpSet"]
        ]
        assert " ".join(kept[1:]) == left

    def test_an_instance_is_released_with_what_is_to_go_with_it(self, call, load, recorder, eni):
        kept = call.eni(DeleteOnRelease="false")
        call("ecs", "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=PRIMARY, DeleteOnRelease="false")
        call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=kept)
        load({"kind": "outside", "change": "release_instance", "instance": "i-1", "calls": [1]})
        assert (call.status(eni), call.status(kept), call.status(PRIMARY)) == ("", "Available", "")
        assert set(recorder.seen[-3:]) == {f"{each} detached from i-1" for each in (PRIMARY, eni, kept)}

    def test_groups_are_set_and_an_instance_stops(self, call, load, eni):
        groups = {"kind": "outside", "change": "set_groups", "eni": eni, "groups": ["sg-2"]}
        load(groups, {"kind": "outside", "change": "stop_instance", "instance": "i-1"})
        assert call.shown(eni)["SecurityGroupIds"] == {"SecurityGroupId": ["sg-2"]}
        assert call("ecs", "DescribeInstances", Status="Stopped")["TotalCount"] == 1

    def test_what_is_not_there_any_more_is_left_alone(self, emulator, call, load, eni):
        gone = [
            {"change": "detach_eni", "instance": "i-2"},
            {"change": "delete_eni", "eni": "eni-none"},
            {"change": "unassign_address", "address": "192.168.0.99"},
            {"change": "release_instance", "instance": "i-none"},
            {"change": "set_groups"},
        ]
        before = emulator.enis()
        load(*({"kind": "outside", **each} for each in gone))
        assert call("ecs", "DescribeInstances")["TotalCount"] == 2
        assert emulator.enis() == before

    def test_it_comes_before_a_call_that_is_prevented_too(self, emulator, call, load, eni):
        load({"kind": "outside", "change": "detach_eni", "eni": eni}, {"kind": "throttle"})
        emulator.invoke("ecs", "DescribeInstances", {"RegionId": "cn-hangzhou"})
        assert [each.status for each in emulator.enis() if each.id == eni] == ["Available"]

    def test_by_hand(self, emulator, call, eni):
        here = call.eni()
        with emulator.outside() as outside:
            outside.move_eni(here, "i-1")
            outside.unassign_address("192.168.0.50")
            with pytest.raises(KeyError, match=r"192\.168\.0\.50"):
                outside.unassign_address("192.168.0.50")
            with pytest.raises(KeyError):
                outside.detach_eni("eni-none")
        assert call.status(here) == "InUse"
