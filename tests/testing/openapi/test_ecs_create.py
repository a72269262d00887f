"""ECS: what an ENI is made with."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Address
from terway_edge.testing.openapi import Emulator
from tests.testing.openapi.caller import Caller
from tests.testing.openapi.sites import wider

CREATE = {"VSwitchId": "vsw-h", "SecurityGroupId": "sg-1"}


@pytest.fixture
def site(site):
    return wider(site)


def test_a_new_eni_is_available_and_has_all_that_was_asked(call):
    made = call(
        "ecs",
        "CreateNetworkInterface",
        VSwitchId="vsw-h",
        SecurityGroupIds=["sg-1", "sg-2"],
        PrimaryIpAddress="192.168.0.100",
        PrivateIpAddress=["192.168.0.50", "192.168.0.51"],
        Ipv6AddressCount=2,
        NetworkInterfaceName="n1",
        Description="for pods",
        DeleteOnRelease="false",
        SourceDestCheck="true",
        Tag=[("creator", "terway")],
    )
    shown = call.shown(made["NetworkInterfaceId"])
    assert (shown["Status"], shown["Type"], shown["InstanceId"]) == ("Available", "Secondary", "")
    assert (shown["VpcId"], shown["VSwitchId"], shown["ZoneId"]) == ("vpc-1", "vsw-h", "cn-hangzhou-h")
    assert (shown["NetworkInterfaceName"], shown["Description"]) == ("n1", "for pods")
    assert (shown["DeleteOnRelease"], shown["SourceDestCheck"]) == (False, True)
    assert shown["SecurityGroupIds"] == {"SecurityGroupId": ["sg-1", "sg-2"]}
    assert shown["Tags"] == {"Tag": [{"TagKey": "creator", "TagValue": "terway"}]}
    assert shown["PrivateIpAddress"] == "192.168.0.100"
    assert shown["PrivateIpSets"]["PrivateIpSet"] == [
        {"PrivateIpAddress": "192.168.0.100", "Primary": True},
        {"PrivateIpAddress": "192.168.0.50", "Primary": False},
        {"PrivateIpAddress": "192.168.0.51", "Primary": False},
    ]
    assert len(shown["Ipv6Sets"]["Ipv6Set"]) == 2
    assert made["MacAddress"] == shown["MacAddress"]
    assert made["PrivateIpSets"] == shown["PrivateIpSets"]


@pytest.mark.parametrize(
    ("asked", "primary", "others"),
    [
        ({}, "192.168.2.1", []),
        ({"SecondaryPrivateIpAddressCount": 2}, "192.168.2.1", ["192.168.2.2", "192.168.2.3"]),
        ({"PrimaryIpAddress": "192.168.2.9", "SecondaryPrivateIpAddressCount": 1}, "192.168.2.9", ["192.168.2.1"]),
        ({"PrivateIpAddress": ["192.168.2.1"]}, "192.168.2.2", ["192.168.2.1"]),
        ({"Ipv4PrefixCount": 1}, "192.168.2.1", []),
    ],
)
def test_which_address_is_the_primary_one(call, asked, primary, others):
    shown = call.shown(call.eni(VSwitchId="vsw-j", **asked))
    addresses = shown["PrivateIpSets"]["PrivateIpSet"]
    assert shown["PrivateIpAddress"] == primary
    assert [(each["PrivateIpAddress"], each["Primary"]) for each in addresses] == [
        (primary, True),
        *((each, False) for each in others),
    ]
    assert len(shown["Ipv4PrefixSets"]["Ipv4PrefixSet"]) == asked.get("Ipv4PrefixCount", 0)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"RegionId": "cn-nowhere"}, ("InvalidRegionId.NotFound", 404)),
        ({"VSwitchId": "vsw-none"}, ("InvalidVSwitchId.NotFound", 404)),
        ({"VSwitchId": "vsw-away"}, ("InvalidVSwitchId.NotFound", 404)),
        ({"VSwitchId": "vsw-e1"}, ("InvalidVSwitchId.NotFound", 404)),
        ({"SecurityGroupId": "sg-none"}, ("InvalidSecurityGroupId.NotFound", 404)),
        ({"SecurityGroupId": "sg-away"}, ("InvalidSecurityGroupId.NotFound", 404)),
        ({"SecurityGroupId": "sg-e1"}, ("InvalidSecurityGroupId.NotFound", 404)),
        ({"SecurityGroupId": "sg-other"}, ("InvalidOperation.VpcMismatch", 403)),
        ({"SecurityGroupIds": ["sg-1"]}, ("InvalidParameter.Conflict", 400)),
        ({"PrimaryIpAddress": "192.168.0.11"}, ("InvalidPrivateIpAddress.Duplicated", 400)),
        ({"PrivateIpAddress": ["192.168.0.11"]}, ("InvalidPrivateIpAddress.Duplicated", 400)),
        ({"PrivateIpAddress": ["192.168.0.9", "192.168.0.9"]}, ("InvalidIp.IpRepeated", 403)),
        ({"PrimaryIpAddress": "192.168.1.9"}, ("InvalidVSwitchId.IpInvalid", 403)),
        ({"PrimaryIpAddress": "192.168.0.0"}, ("InvalidVSwitchId.IpInvalid", 403)),
        ({"PrimaryIpAddress": "192.168.0.253"}, ("InvalidVSwitchId.IpInvalid", 403)),
        ({"SecondaryPrivateIpAddressCount": 50}, ("InvalidParameter", 400)),
        ({"SecondaryPrivateIpAddressCount": 1, "Ipv4PrefixCount": 1}, ("InvalidParameter.Conflict", 400)),
        ({"InstanceType": "Trunk"}, ("InvalidParameter", 400)),
        (
            {"VSwitchId": "vsw-other", "SecurityGroupId": "sg-other", "Ipv6AddressCount": 1},
            ("InvalidVSwitch.Ipv6NotTurnOn", 403),
        ),
        ({"Ipv6Address": ["2001:db8:1:1::5"]}, ("InvalidVSwitchId.IpInvalid", 403)),
    ],
)
def test_what_is_not_created(call, asked, what):
    assert call.refused("ecs", "CreateNetworkInterface", **{**CREATE, **asked}) == what


def test_a_vswitch_without_a_security_group_is_not_enough(call):
    assert call.refused("ecs", "CreateNetworkInterface", VSwitchId="vsw-h") == ("MissingParameter", 400)


def test_the_account_has_a_quota_of_enis_per_region(site, clock):
    call = Caller(Emulator(site.model_copy(update={"enis_per_region": 8}), clock=clock.now))
    call.eni()
    assert call.refused("ecs", "CreateNetworkInterface", **CREATE) == ("MaxEniCountExceeded", 403)
    away = {"RegionId": "cn-beijing", "VSwitchId": "vsw-away", "SecurityGroupId": "sg-away"}
    assert call.eni(**away), "another region has its own"


def test_the_gateway_and_the_kept_addresses_are_never_given(call):
    eni = call.eni(SecondaryPrivateIpAddressCount=49)
    owned = {each["PrivateIpAddress"] for each in call.shown(eni)["PrivateIpSets"]["PrivateIpSet"]}
    assert len(owned) == 50
    assert not owned & {
        str(Address.parse("192.168.0.0")),
        "192.168.0.11",
        "192.168.0.253",
        "192.168.0.254",
        "192.168.0.255",
    }
