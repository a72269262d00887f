"""A call of every action, as somebody would use them one after another."""

from __future__ import annotations

from typing import Any

from terway_edge.testing.openapi.example import EDGE, ROLE

Seen = list[tuple[str, str, dict[str, Any]]]


def tour(call, clock) -> Seen:
    """(product, action, answer) of each call."""
    seen: Seen = []

    def go(product: str, action: str, **parameters: Any) -> dict[str, Any]:
        answer = call(product, action, **parameters)
        seen.append((product, action, answer))
        return answer

    _ecs(go)
    _vpc(go)
    _ens(go, clock)
    go("sts", "GetCallerIdentity")
    go("sts", "AssumeRole", RoleArn=f"acs:ram::1000000000000001:role/{ROLE}", RoleSessionName="tour")
    return seen


def _ecs(go) -> None:
    go("ecs", "DescribeInstances")
    go("ecs", "DescribeInstanceTypes", InstanceTypes=["ecs.g7.xlarge"])
    go("ecs", "DescribeSecurityGroups", VpcId="vpc-1")
    asked = {"VSwitchId": "vsw-h", "SecurityGroupIds": ["sg-1", "sg-2"], "Tag": [("creator", "terway"), ("zone", "")]}
    eni = go(
        "ecs",
        "CreateNetworkInterface",
        **asked,
        SecondaryPrivateIpAddressCount=2,
        Ipv6AddressCount=2,
        SourceDestCheck="false",
        NetworkInterfaceName="tour",
        ClientToken="tour-1",
    )["NetworkInterfaceId"]
    go("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    go("ecs", "AssignPrivateIpAddresses", NetworkInterfaceId=eni, Ipv4PrefixCount=1)
    four = go("ecs", "AssignPrivateIpAddresses", NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1)
    six = go("ecs", "AssignIpv6Addresses", NetworkInterfaceId=eni, Ipv6AddressCount=1)
    go("ecs", "AssignIpv6Addresses", NetworkInterfaceId=eni, Ipv6PrefixCount=1)
    go("ecs", "DescribeNetworkInterfaces", InstanceId="i-1", MaxResults=500)
    go("ecs", "DescribeNetworkInterfaces", Status="InUse", PageNumber=1)
    go("ecs", "DescribeNetworkInterfaceAttribute", NetworkInterfaceId=eni)
    go("ecs", "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=eni, SourceDestCheck="true")
    addresses = four["AssignedPrivateIpAddressesSet"]["PrivateIpSet"]["PrivateIpAddress"]
    go("ecs", "UnassignPrivateIpAddresses", NetworkInterfaceId=eni, PrivateIpAddress=addresses)
    go("ecs", "UnassignIpv6Addresses", NetworkInterfaceId=eni, Ipv6Address=six["Ipv6Sets"]["Ipv6Address"])
    go("ecs", "DetachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    go("ecs", "DeleteNetworkInterface", NetworkInterfaceId=eni)


def _vpc(go) -> None:
    go("vpc", "DescribeVpcs", VpcId="vpc-1")
    go("vpc", "DescribeVSwitches", VpcId="vpc-1")
    where = {"RouteTableId": "vtb-1", "DestinationCidrBlock": "10.0.0.0/16"}
    go("vpc", "CreateRouteEntry", **where, NextHopType="RouterInterface", NextHopId="ri-1")
    go("vpc", "DescribeRouteEntryList", RouteTableId="vtb-1", MaxResult=100)
    go("vpc", "DeleteRouteEntry", **where)


def _ens(go, clock) -> None:
    go("ens", "DescribeEnsRegions", EnsRegionId=EDGE)
    go("ens", "DescribeNetworks", EnsRegionId=EDGE)
    go("ens", "DescribeVSwitches", VSwitchIds=["vsw-e1"])
    go("ens", "DescribeInstances", InstanceId="i-e1")
    made = {"VSwitchId": "vsw-e1", "SecurityGroupIds": '["sg-e1"]', "Name": "tour"}
    eni = go("ens", "CreateNetworkInterface", **made)["NetworkInterfaceIds"][0]
    go("ens", "DescribeVSwitchAttributes", VSwitchId="vsw-e1")
    go("ens", "StopInstance", InstanceId="i-e1", ForceStop="false")
    go("ens", "AttachNetworkInterface", InstanceId="i-e1", NetworkInterfaceId=eni)
    given = go("ens", "AssignPrivateIpAddresses", NetworkInterfaceId=eni)["AssignedPrivateIpAddressesSet"]
    go("ens", "DescribeNetworkInterfaces", InstanceId="i-e1")
    go("ens", "UnassignPrivateIpAddresses", NetworkInterfaceId=eni, PrivateIpAddress=given["PrivateIpSet"])
    go("ens", "DetachNetworkInterface", NetworkInterfaceId=eni)
    go("ens", "DeleteNetworkInterfaces", NetworkInterfaceIds=f'["{eni}"]')
    go("ens", "StartInstance", InstanceId="i-e1")
    clock.advance(1)
