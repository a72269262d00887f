"""ECS: addresses and prefixes of an ENI."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.testing.openapi import Emulator
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.site import InstanceSpec, InstanceTypeSpec, VSwitchSpec
from tests.testing.openapi.caller import Caller

ASSIGN, UNASSIGN = ("ecs", "AssignPrivateIpAddresses"), ("ecs", "UnassignPrivateIpAddresses")
ASSIGN6, UNASSIGN6 = ("ecs", "AssignIpv6Addresses"), ("ecs", "UnassignIpv6Addresses")
PRIMARY = "eni-000001"


@pytest.fixture
def site(site):
    """The example with a machine without IPv6 and a vSwitch of 12 usable addresses, without IPv6 too."""
    vpc = site.regions[0].vpcs[0]
    tiny = VSwitchSpec(id="vsw-tiny", zone="cn-hangzhou-h", cidr=Prefix.parse("192.168.9.0/28"))
    region = site.regions[0].model_copy(
        update={"vpcs": (vpc.model_copy(update={"vswitches": (*vpc.vswitches, tiny)}),)}
    )
    return site.model_copy(
        update={
            "regions": (region,),
            "instance_types": (*site.instance_types, InstanceTypeSpec(id="ecs.old", enis=3, ipv4_per_eni=4)),
            "instances": (*site.instances, InstanceSpec(id="i-old", type="ecs.old", vswitch="vsw-h")),
        }
    )


@pytest.fixture
def eni(call):
    """Attached to a machine whose ENIs may have 15 addresses of each family."""
    eni = call.eni()
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    return eni


def given(answer):
    found = answer["AssignedPrivateIpAddressesSet"]
    return found["PrivateIpSet"]["PrivateIpAddress"], found["Ipv4PrefixSet"]["Ipv4Prefixes"]


def owned(call, eni):
    shown = call.shown(eni)
    return [each["PrivateIpAddress"] for each in shown["PrivateIpSets"]["PrivateIpSet"]]


def free(call, vswitch="vsw-h"):
    return call("vpc", "DescribeVSwitches", VSwitchId=vswitch)["VSwitches"]["VSwitch"][0]["AvailableIpAddressCount"]


def test_addresses_are_the_lowest_that_are_free_and_the_answer_nests_them(call, eni, recorder):
    before = free(call)
    answer = call(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2)
    assert answer["AssignedPrivateIpAddressesSet"] == {
        "NetworkInterfaceId": eni,
        "PrivateIpSet": {"PrivateIpAddress": ["192.168.0.3", "192.168.0.4"]},
        "Ipv4PrefixSet": {"Ipv4Prefixes": []},
    }
    assert owned(call, eni) == ["192.168.0.2", "192.168.0.3", "192.168.0.4"]
    assert free(call) == before - 2
    assert recorder.seen[-1] == f"{eni} has 192.168.0.2/32 192.168.0.3/32 192.168.0.4/32"


def test_named_addresses_are_given(call, eni):
    wanted = ["192.168.0.200", "192.168.0.100"]
    assert given(call(*ASSIGN, NetworkInterfaceId=eni, PrivateIpAddress=wanted))[0] == wanted
    assert owned(call, eni)[1:] == wanted


def test_what_is_given_back_is_free_at_once(call, eni, recorder):
    before = free(call)
    addresses, _ = given(call(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=3))
    call(*UNASSIGN, NetworkInterfaceId=eni, PrivateIpAddress=addresses[:2])
    assert owned(call, eni)[1:] == addresses[2:]
    assert free(call) == before - 1
    assert recorder.seen[-1] == f"{eni} has 192.168.0.2/32 192.168.0.5/32"
    assert given(call(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2))[0] == addresses[:2]


def test_prefixes_are_16_addresses_each_on_their_boundary(call, eni):
    before = free(call)
    _, prefixes = given(call(*ASSIGN, NetworkInterfaceId=eni, Ipv4PrefixCount=2))
    assert prefixes == ["192.168.0.16/28", "192.168.0.32/28"]
    assert call.shown(eni)["Ipv4PrefixSets"]["Ipv4PrefixSet"] == [{"Ipv4Prefix": each} for each in prefixes]
    assert free(call) == before - 32
    inside = {"NetworkInterfaceId": eni, "PrivateIpAddress": ["192.168.0.20"]}
    assert call.refused(*ASSIGN, **inside) == ("InvalidIp.IpAssigned", 403)
    assert given(call(*ASSIGN, NetworkInterfaceId=eni, Ipv4Prefix=["192.168.0.64/28"]))[1] == ["192.168.0.64/28"]
    call(*UNASSIGN, NetworkInterfaceId=eni, Ipv4Prefix=prefixes)
    assert free(call) == before - 16


def test_a_prefix_counts_as_one_address_of_the_quota(call, eni):
    call(*ASSIGN, NetworkInterfaceId=eni, Ipv4PrefixCount=10)
    call(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=4)
    one_more = call.refused(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1)
    assert one_more == ("InvalidOperation.Ipv4CountExceeded", 403)
    assert call.refused(*ASSIGN, NetworkInterfaceId=eni, Ipv4PrefixCount=1) == one_more


def test_an_eni_that_is_not_attached_has_quotas_of_its_own(call):
    eni = call.eni(SecondaryPrivateIpAddressCount=49)
    what = call.refused(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1)
    assert what == ("MaxEniPrivateIpsCountExceeded", 403)
    call(*ASSIGN6, NetworkInterfaceId=eni, Ipv6AddressCount=10)
    what = call.refused(*ASSIGN6, NetworkInterfaceId=eni, Ipv6AddressCount=1)
    assert what == ("MaxEniIpv6IpsCountExceeded", 403)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"SecondaryPrivateIpAddressCount": 15}, ("InvalidOperation.Ipv4CountExceeded", 403)),
        ({"NetworkInterfaceId": "eni-none", "SecondaryPrivateIpAddressCount": 1}, ("InvalidEniId.NotFound", 404)),
        ({"PrivateIpAddress": ["192.168.0.11"]}, ("InvalidIp.IpAssigned", 403)),
        ({"PrivateIpAddress": ["192.168.0.9", "192.168.0.9"]}, ("InvalidIp.IpRepeated", 403)),
        ({"PrivateIpAddress": ["192.168.1.9"]}, ("InvalidVSwitchId.IpInvalid", 403)),
        ({"PrivateIpAddress": ["192.168.0.255"]}, ("InvalidVSwitchId.IpInvalid", 403)),
        ({"Ipv4Prefix": ["192.168.0.0/28"]}, ("InvalidVSwitchId.IpInvalid", 403)),
        ({"Ipv4Prefix": ["192.168.0.32/27"]}, ("InvalidParameter", 400)),
        (
            {"PrivateIpAddress": ["192.168.0.9"], "SecondaryPrivateIpAddressCount": 1},
            ("InvalidParameter.Conflict", 400),
        ),
        ({"SecondaryPrivateIpAddressCount": 1, "Ipv4PrefixCount": 1}, ("InvalidParameter.Conflict", 400)),
        ({}, ("MissingParameter", 400)),
    ],
)
def test_what_is_not_assigned(call, eni, asked, what):
    assert call.refused(*ASSIGN, **{"NetworkInterfaceId": eni, **asked}) == what


def test_an_exhausted_vswitch_gives_nothing_rather_than_less(call):
    eni = call.eni(VSwitchId="vsw-tiny", SecondaryPrivateIpAddressCount=9)
    assert free(call, "vsw-tiny") == 2
    asked = {"NetworkInterfaceId": eni, "SecondaryPrivateIpAddressCount": 3}
    assert call.refused(*ASSIGN, **asked) == ("InvalidVSwitchId.IpNotEnough", 403)
    call(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2)
    made = {"VSwitchId": "vsw-tiny", "SecurityGroupId": "sg-1"}
    assert call.refused("ecs", "CreateNetworkInterface", **made) == ("InvalidVSwitchId.IpNotEnough", 403)
    assert free(call, "vsw-tiny") == 0


def test_a_vswitch_without_a_whole_prefix_has_none(call):
    eni = call.eni(VSwitchId="vsw-tiny")
    assert call.refused(*ASSIGN, NetworkInterfaceId=eni, Ipv4PrefixCount=1) == ("InvalidVSwitchId.IpNotEnough", 403)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"PrivateIpAddress": ["192.168.0.9"]}, ("InvalidIp.IpUnassigned", 403)),
        ({"PrivateIpAddress": ["192.168.0.3", "192.168.0.9"]}, ("InvalidIp.IpUnassigned", 403)),
        ({"PrivateIpAddress": ["192.168.0.2"]}, ("InvalidParameter", 400)),
        ({"Ipv4Prefix": ["192.168.0.16/28"]}, ("InvalidIp.IpUnassigned", 403)),
        ({"NetworkInterfaceId": "eni-none", "PrivateIpAddress": ["192.168.0.9"]}, ("InvalidEniId.NotFound", 404)),
        ({}, ("MissingParameter", 400)),
        ({"ClientToken": "t", "PrivateIpAddress": ["192.168.0.3"]}, ("InvalidParameter", 400)),
    ],
)
def test_what_is_not_unassigned(call, eni, asked, what):
    call(*ASSIGN, NetworkInterfaceId=eni, PrivateIpAddress=["192.168.0.3"])
    assert call.refused(*UNASSIGN, **{"NetworkInterfaceId": eni, **asked}) == what


def test_ipv6_addresses_and_prefixes(call, eni):
    answer = call(*ASSIGN6, NetworkInterfaceId=eni, Ipv6AddressCount=2)
    addresses = ["2001:db8:1::1", "2001:db8:1::2"]
    assert (answer["NetworkInterfaceId"], answer["Ipv6Sets"]) == (eni, {"Ipv6Address": addresses})
    prefixes = call(*ASSIGN6, NetworkInterfaceId=eni, Ipv6PrefixCount=1)["Ipv6PrefixSets"]["Ipv6Prefix"]
    assert prefixes == ["2001:db8:1:0:1::/80"]
    call(*UNASSIGN6, NetworkInterfaceId=eni, Ipv6Address=addresses[:1], Ipv6Prefix=prefixes)
    shown = call.shown(eni)
    assert shown["Ipv6Sets"]["Ipv6Set"] == [{"Ipv6Address": addresses[1]}]
    assert shown["Ipv6PrefixSets"]["Ipv6PrefixSet"] == []
    gone = call.refused(*UNASSIGN6, NetworkInterfaceId=eni, Ipv6Address=addresses[:1])
    assert gone == ("InvalidIp.IpUnassigned", 403)


def test_ipv6_needs_a_machine_a_vswitch_and_a_quota(call, eni):
    old, tiny = call.eni(), call.eni(VSwitchId="vsw-tiny")
    call("ecs", "AttachNetworkInterface", InstanceId="i-old", NetworkInterfaceId=old)
    one = {"Ipv6AddressCount": 1}
    assert call.refused(*ASSIGN6, NetworkInterfaceId=old, **one) == ("InvalidOperation.Ipv6NotSupport", 403)
    assert call.refused(*ASSIGN6, NetworkInterfaceId=tiny, **one) == ("InvalidVSwitch.Ipv6NotTurnOn", 403)
    call(*ASSIGN6, NetworkInterfaceId=eni, Ipv6AddressCount=10)
    many = call.refused(*ASSIGN6, NetworkInterfaceId=eni, Ipv6AddressCount=6)
    assert many == ("InvalidOperation.Ipv6CountExceeded", 403)


def test_the_primary_eni_takes_addresses_too(call):
    assert len(given(call(*ASSIGN, NetworkInterfaceId=PRIMARY, SecondaryPrivateIpAddressCount=14))[0]) == 14


def test_an_eni_on_its_way_takes_and_gives_none(site, clock):
    wait = Delay(seconds=5)
    call = Caller(Emulator(site.model_copy(update={"pace": Pace(attach=wait, delete=wait)}), clock=clock.now))
    attaching, deleting = call.eni(SecondaryPrivateIpAddressCount=1), call.eni()
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=attaching)
    call("ecs", "DeleteNetworkInterface", NetworkInterfaceId=deleting)
    what = ("InvalidOperation.InvalidEniState", 400)
    for eni in attaching, deleting:
        assert call.refused(*ASSIGN, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1) == what
    secondary = owned(call, attaching)[1:]
    assert call.refused(*UNASSIGN, NetworkInterfaceId=attaching, PrivateIpAddress=secondary) == what
