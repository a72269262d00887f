"""ECS: the life of an ENI."""

from __future__ import annotations

import time

import pytest

from terway_edge.testing.openapi import Emulator
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.site import EniSpec, InstanceSpec
from tests.testing.openapi.caller import Caller
from tests.testing.openapi.sites import wider

CREATE = {"VSwitchId": "vsw-h", "SecurityGroupId": "sg-1"}
PRIMARY = "eni-000001"


@pytest.fixture
def site(site):
    return wider(site)


def test_attach_detach_delete(call, recorder):
    eni = call.eni()
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    shown = call.shown(eni)
    assert (shown["Status"], shown["InstanceId"]) == ("InUse", "i-1")
    assert (shown["Attachment"]["InstanceId"], shown["Attachment"]["DeviceIndex"]) == ("i-1", 1)
    call("ecs", "DetachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    assert (call.status(eni), call.shown(eni)["InstanceId"]) == ("Available", "")
    call("ecs", "DeleteNetworkInterface", NetworkInterfaceId=eni)
    assert call.status(eni) == ""
    assert recorder.seen == [f"{eni} attached to i-1", f"{eni} detached from i-1"]


@pytest.fixture
def slow(site, clock, recorder):
    """Changes take 5 seconds."""
    wait = Delay(seconds=5)
    pace = Pace(attach=wait, detach=wait, delete=wait)
    emulator = Emulator(site.model_copy(update={"pace": pace}), clock=clock.now, wall=time.time, observer=recorder)
    yield Caller(emulator)
    assert emulator.violations() == []


def test_changes_take_their_time(slow, clock, recorder):
    eni = slow.eni()
    steps = [("Attach", "Attaching", "InUse"), ("Detach", "Detaching", "Available"), ("Delete", "Deleting", "")]
    for verb, meanwhile, finally_ in steps:
        where = {} if verb == "Delete" else {"InstanceId": "i-1"}
        slow("ecs", f"{verb}NetworkInterface", NetworkInterfaceId=eni, **where)
        assert slow.status(eni) == meanwhile
        clock.advance(4.9)
        assert slow.status(eni) == meanwhile
        clock.advance(0.2)
        assert slow.status(eni) == finally_
    assert recorder.seen == [f"{eni} attached to i-1", f"{eni} detached from i-1"]


def test_the_observer_hears_of_a_change_when_it_ends_and_without_a_call(slow, clock, recorder):
    eni = slow.eni()
    slow("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    slow.emulator.settle()
    assert recorder.seen == []
    clock.advance(5)
    slow.emulator.settle()
    assert recorder.seen == [f"{eni} attached to i-1"]


def test_a_change_can_wait_for_listings(site, clock):
    pace = Pace(attach=Delay(describes=2))
    call = Caller(Emulator(site.model_copy(update={"pace": pace}), clock=clock.now))
    eni, other = call.eni(), call.eni()
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    clock.advance(1000)
    assert call.status(other) == "Available"
    assert [call.status(eni) for _ in range(3)] == ["Attaching", "Attaching", "InUse"]


@pytest.mark.parametrize(
    ("instance", "eni", "what"),
    [
        ("i-none", "new", ("InvalidEcsId.NotFound", 404)),
        ("i-e1", "new", ("InvalidEcsId.NotFound", 404)),
        ("i-1", "eni-none", ("InvalidEniId.NotFound", 404)),
        ("i-1", "eni-000003", ("InvalidEniId.NotFound", 404)),
        ("i-1", "eni-managed", ("InvalidOperation.EniServiceManaged", 403)),
        ("i-2", PRIMARY, ("InvalidOperation.InvalidEniState", 400)),
        ("i-2", "new", ("InvalidOperation.AvailabilityZoneMismatch", 403)),
        ("i-other", "new", ("InvalidOperation.VpcMismatch", 403)),
        ("i-cold", "new", ("InvalidOperation.InvalidEcsState", 400)),
    ],
)
def test_what_is_not_attached(call, instance, eni, what):
    new = call.eni()
    asked = {"InstanceId": instance, "NetworkInterfaceId": new if eni == "new" else eni}
    assert call.refused("ecs", "AttachNetworkInterface", **asked) == what


def test_a_machine_that_needs_a_stop_gets_one(call):
    eni = call.eni()
    with call.emulator.outside() as outside:
        outside.stop_instance("i-cold")
    call("ecs", "AttachNetworkInterface", InstanceId="i-cold", NetworkInterfaceId=eni)
    assert call.status(eni) == "InUse"


def test_it_needs_a_stop_for_detaching_too(site, clock):
    bound = InstanceSpec(id="i-bound", type="ecs.cold", vswitch="vsw-h", enis=(EniSpec(id="eni-bound"),))
    call = Caller(Emulator(site.model_copy(update={"instances": (*site.instances, bound)}), clock=clock.now))
    where = {"InstanceId": "i-bound", "NetworkInterfaceId": "eni-bound"}
    assert call.refused("ecs", "DetachNetworkInterface", **where) == ("InvalidOperation.InvalidEcsState", 400)


def test_a_machine_on_its_way_takes_neither_enis_nor_addresses_of_its_primary_one(call):
    wrong = ("InvalidOperation.InvalidEcsState", 400)
    where = {"InstanceId": "i-starting", "NetworkInterfaceId": call.eni(VSwitchId="vsw-j")}
    assert call.refused("ecs", "AttachNetworkInterface", **where) == wrong
    (primary,) = call.emulator.enis("i-starting")
    asked = {"NetworkInterfaceId": primary.id, "SecondaryPrivateIpAddressCount": 1}
    assert call.refused("ecs", "AssignPrivateIpAddresses", **asked) == wrong


def test_an_eni_belongs_to_one_instance(slow, clock):
    eni = slow.eni()
    slow("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    again = ("ecs", "AttachNetworkInterface")
    assert slow.refused(*again, InstanceId="i-1", NetworkInterfaceId=eni) == ("InvalidOperation.InvalidEniState", 400)
    clock.advance(5)
    assert slow.refused(*again, InstanceId="i-1", NetworkInterfaceId=eni) == ("InvalidOperation.InvalidEniState", 400)


def test_an_instance_has_as_many_enis_as_its_type_allows_those_under_way_included(slow):
    enis = [slow.eni() for _ in range(4)]
    for eni in enis[:3]:
        slow("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    what = slow.refused("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=enis[3])
    assert what == ("EniPerInstanceLimitExceeded", 403)


def test_an_eni_with_more_addresses_than_the_type_allows_is_not_attached(call):
    many = call.eni(SecondaryPrivateIpAddressCount=15)
    six = call.eni(VSwitchId="vsw-i", Ipv6AddressCount=1)
    attach = ("ecs", "AttachNetworkInterface")
    assert call.refused(*attach, InstanceId="i-1", NetworkInterfaceId=many) == (
        "InvalidOperation.Ipv4CountExceeded",
        403,
    )
    what = call.refused(*attach, InstanceId="i-cold-i", NetworkInterfaceId=six)
    assert what == ("InvalidOperation.Ipv6CountExceeded", 403)


@pytest.mark.parametrize(
    ("instance", "eni", "what"),
    [
        ("i-1", PRIMARY, ("InvalidOperation.DetachPrimaryEniNotAllowed", 400)),
        ("i-1", "new", ("InvalidOperation.InvalidEniState", 400)),
        ("i-2", "attached", ("InvalidOperation.InvalidEniState", 400)),
        ("i-none", "attached", ("InvalidEcsId.NotFound", 404)),
        ("i-1", "eni-none", ("InvalidEniId.NotFound", 404)),
    ],
)
def test_what_is_not_detached(call, instance, eni, what):
    known = {"new": call.eni(), "attached": call.eni()}
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=known["attached"])
    asked = {"InstanceId": instance, "NetworkInterfaceId": known.get(eni, eni)}
    assert call.refused("ecs", "DetachNetworkInterface", **asked) == what


def test_a_detach_under_way_may_be_asked_again(slow, clock):
    eni = slow.eni()
    where = {"InstanceId": "i-1", "NetworkInterfaceId": eni}
    slow("ecs", "AttachNetworkInterface", **where)
    assert slow.refused("ecs", "DetachNetworkInterface", **where) == ("InvalidOperation.InvalidEniState", 400)
    clock.advance(5)
    slow("ecs", "DetachNetworkInterface", **where)
    slow("ecs", "DetachNetworkInterface", **where)
    clock.advance(5)
    assert slow.status(eni) == "Available"


def test_only_an_available_eni_is_deleted_and_its_addresses_are_free_when_it_is_gone(slow, clock):
    eni = slow.eni(PrimaryIpAddress="192.168.0.77")
    slow("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    clock.advance(5)
    delete = ("ecs", "DeleteNetworkInterface")
    assert slow.refused(*delete, NetworkInterfaceId=eni) == ("InvalidOperation.InvalidEniState", 400)
    assert slow.refused(*delete, NetworkInterfaceId=PRIMARY) == ("InvalidOperation.InvalidEniState", 400)
    slow("ecs", "DetachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    clock.advance(5)
    slow(*delete, NetworkInterfaceId=eni)
    slow(*delete, NetworkInterfaceId=eni)
    taken = slow.refused("ecs", "CreateNetworkInterface", **CREATE, PrimaryIpAddress="192.168.0.77")
    assert taken == ("InvalidPrivateIpAddress.Duplicated", 400)
    clock.advance(5)
    assert slow.refused(*delete, NetworkInterfaceId=eni) == ("InvalidEniId.NotFound", 404)
    assert slow.eni(PrimaryIpAddress="192.168.0.77")


def test_attributes_are_changed_and_the_others_stay(call):
    eni = call.eni(Description="old", SourceDestCheck="true")
    asked = {"NetworkInterfaceId": eni, "SourceDestCheck": "false", "SecurityGroupId": ["sg-2"], "QueueNumber": 4}
    call("ecs", "ModifyNetworkInterfaceAttribute", **asked)
    shown = call.shown(eni)
    assert (shown["SourceDestCheck"], shown["QueueNumber"], shown["Description"]) == (False, 4, "old")
    assert shown["SecurityGroupIds"] == {"SecurityGroupId": ["sg-2"]}


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"SecurityGroupId": ["sg-other"]}, ("InvalidOperation.VpcMismatch", 403)),
        ({"SecurityGroupId": ["sg-none"]}, ("InvalidSecurityGroupId.NotFound", 404)),
        ({"NetworkInterfaceId": "eni-none"}, ("InvalidEniId.NotFound", 404)),
        ({"QueueNumber": 4}, ("InvalidOperation.InvalidEniState", 400)),
        ({"Description": "https://x"}, ("InvalidParameter", 400)),
        ({"NetworkInterfaceName": "n"}, ("InvalidParameter", 400)),
    ],
)
def test_what_is_not_changed(call, asked, what):
    eni = call.eni()
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    assert call.refused("ecs", "ModifyNetworkInterfaceAttribute", **{"NetworkInterfaceId": eni, **asked}) == what
