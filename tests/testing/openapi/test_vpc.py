"""VPC: vSwitches, VPCs, routes."""

from __future__ import annotations

import pytest

from tests.testing.openapi.caller import Refusal

WHERE = {"RouteTableId": "vtb-1", "DestinationCidrBlock": "10.0.0.0/16"}
NEXT = {"NextHopType": "Instance", "NextHopId": "i-1"}


def vswitches(call, **asked):
    return call("vpc", "DescribeVSwitches", **asked)["VSwitches"]["VSwitch"]


def routes(call, **asked):
    return call("vpc", "DescribeRouteEntryList", RouteTableId="vtb-1", MaxResult=100, **asked)["RouteEntrys"][
        "RouteEntry"
    ]


def test_a_vswitch_has_all_but_the_first_and_the_last_three_addresses(call):
    (shown,) = vswitches(call, VSwitchId="vsw-j")
    assert (shown["CidrBlock"], shown["AvailableIpAddressCount"]) == ("192.168.2.0/24", 252)
    assert (shown["ZoneId"], shown["VpcId"], shown["EnabledIpv6"]) == ("cn-hangzhou-j", "vpc-1", True)
    assert shown["RouteTable"]["RouteTableId"] == "vtb-1"
    call.eni(VSwitchId="vsw-j", SecondaryPrivateIpAddressCount=4)
    assert vswitches(call, VSwitchId="vsw-j")[0]["AvailableIpAddressCount"] == 247


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["vsw-h", "vsw-i", "vsw-j"]),
        ({"ZoneId": "cn-hangzhou-i"}, ["vsw-i"]),
        ({"VpcId": "vpc-2"}, []),
        ({"EnableIpv6": "false"}, []),
        ({"RouteTableId": "vtb-1", "PageSize": 2, "PageNumber": 2}, ["vsw-j"]),
        ({"RegionId": "cn-beijing"}, []),
        ({"VSwitchId": "vsw-e1"}, []),
    ],
)
def test_filters_of_vswitches(call, asked, names):
    assert [each["VSwitchId"] for each in vswitches(call, **asked)] == names


def test_a_vpc(call):
    (shown,) = call("vpc", "DescribeVpcs", VpcId="vpc-1,vpc-2")["Vpcs"]["Vpc"]
    assert (shown["CidrBlock"], shown["RouterTableIds"]) == ("192.168.0.0/16", {"RouterTableIds": ["vtb-1"]})
    assert shown["VSwitchIds"] == {"VSwitchId": ["vsw-h", "vsw-i", "vsw-j"]}
    assert shown["Ipv6CidrBlocks"]["Ipv6CidrBlock"][0]["Ipv6CidrBlock"] == "2001:db8:1::/56"
    many = ",".join(f"vpc-{number}" for number in range(21))
    assert call.refused("vpc", "DescribeVpcs", VpcId=many) == ("InvalidParameter", 400)


def test_a_dry_run_that_would_succeed_ends_in_an_error(call):
    for action in "DescribeVSwitches", "DescribeVpcs":
        assert call.refused("vpc", action, DryRun="true") == ("DryRunOperation", 400)
    dry = {**WHERE, **NEXT, "DryRun": "true"}
    assert call.refused("vpc", "CreateRouteEntry", **dry) == ("DryRunOperation", 400)
    assert call.refused("vpc", "CreateRouteEntry", **{**dry, "NextHopId": "i-none"}) == (
        "InvalidNextHopId.NotFound",
        404,
    )
    assert routes(call, RouteEntryType="Custom") == []


def test_a_route_comes_and_goes(call):
    made = call("vpc", "CreateRouteEntry", **WHERE, **NEXT, RouteEntryName="edge")["RouteEntryId"]
    (shown,) = routes(call, RouteEntryType="Custom")
    assert (shown["RouteEntryId"], shown["DestinationCidrBlock"], shown["Status"]) == (made, "10.0.0.0/16", "Available")
    assert shown["NextHops"]["NextHop"][0] == {"NextHopId": "i-1", "NextHopType": "Instance", "Enabled": 1, "Weight": 0}
    call("vpc", "DeleteRouteEntry", RouteEntryId=made)
    assert routes(call, RouteEntryType="Custom") == []


def test_a_table_has_a_system_route_per_vswitch_and_one_for_services(call):
    assert [each["DestinationCidrBlock"] for each in routes(call, RouteEntryType="System")] == [
        *("192.168.0.0/24", "192.168.1.0/24", "192.168.2.0/24"),
        "100.64.0.0/10",
    ]
    assert len(routes(call, DestCidrBlockList=["192.168.0.0/24", "10.0.0.0/8"])) == 1
    assert len(routes(call, DestinationCidrBlock="100.64.0.0/10")) == 1


def test_routes_by_page(call):
    first = call("vpc", "DescribeRouteEntryList", RouteTableId="vtb-1", MaxResult=3)
    second = call("vpc", "DescribeRouteEntryList", RouteTableId="vtb-1", MaxResult=3, NextToken=first["NextToken"])
    sizes = [len(each["RouteEntrys"]["RouteEntry"]) for each in (first, second)]
    assert (sizes, second["NextToken"], first["TotalCount"]) == ([3, 1], "", 4)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"RouteTableId": "vtb-none"}, ("InvalidRouteTableId.NotFound", 404)),
        ({"DestinationCidrBlock": "100.64.1.0/24"}, ("InvalidCidrBlock", 400)),
        ({"DestinationCidrBlock": "192.168.1.128/25"}, ("InvalidCidrBlock", 400)),
        ({"DestinationCidrBlock": "10.0.0.1"}, ("InvalidParameter", 400)),
        ({"NextHopId": "i-e1"}, ("InvalidNextHopId.NotFound", 404)),
        ({"NextHopType": "NetworkInterface"}, ("InvalidNextHopId.NotFound", 404)),
        ({"NextHopType": "Router"}, ("InvalidParameter", 400)),
    ],
)
def test_what_is_no_route(call, asked, what):
    assert call.refused("vpc", "CreateRouteEntry", **{**WHERE, **NEXT, **asked}) == what


def test_destinations_of_a_table_differ(call):
    call("vpc", "CreateRouteEntry", **WHERE, **NEXT)
    assert call.refused("vpc", "CreateRouteEntry", **WHERE, **NEXT) == ("RouterEntryConflict.Duplicated", 400)
    wider = {**WHERE, "DestinationCidrBlock": "192.168.0.0/16", "NextHopType": "NetworkInterface"}
    assert call("vpc", "CreateRouteEntry", **wider, NextHopId="eni-000001")["RouteEntryId"]


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({}, ("MissingParameter", 400)),
        ({"RouteTableId": "vtb-1"}, ("MissingParameter", 400)),
        ({"RouteEntryId": "rte-none"}, ("InvalidRouteEntry.NotFound", 404)),
        ({**WHERE, "NextHopId": "i-2"}, ("InvalidRouteEntry.NotFound", 404)),
        ({**WHERE, "RouteEntryId": "rte-none"}, ("InvalidParameter.Conflict", 400)),
        ({**WHERE, "ClientToken": "t"}, ("InvalidParameter", 400)),
        ({**WHERE, "DryRun": "true"}, ("DryRunOperation", 400)),
    ],
)
def test_what_is_not_removed(call, asked, what):
    call("vpc", "CreateRouteEntry", **WHERE, **NEXT)
    assert call.refused("vpc", "DeleteRouteEntry", **asked) == what
    assert len(routes(call, RouteEntryType="Custom")) == 1


def test_a_region_or_a_vpc_is_needed(emulator):
    reply = emulator.invoke("vpc", "DescribeVSwitches", {})
    assert (reply.code, reply.json["Message"]) == (
        "MissingParameter",
        "the parameter RegionId is mandatory and missing",
    )
    assert emulator.invoke("vpc", "DescribeVSwitches", {"VpcId": "vpc-1"}).json["TotalCount"] == 3


def test_a_list_that_is_too_long(call):
    with pytest.raises(Refusal):
        routes(call, DestCidrBlockList=[f"10.{number}.0.0/16" for number in range(21)])
