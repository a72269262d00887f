"""ECS: what listings find, and a page of it at a time."""

from __future__ import annotations

import pytest

from terway_edge.testing.openapi.site import InstanceTypeSpec
from tests.testing.openapi.caller import Refusal

LIST = ("ecs", "DescribeNetworkInterfaces")


def found(answer):
    return [each["NetworkInterfaceId"] for each in answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]]


@pytest.fixture
def enis(call):
    """By name: one attached, one tagged in another vSwitch and group, one bare."""
    attached = call.eni(NetworkInterfaceName="first", ResourceGroupId="rg-1", Ipv6AddressCount=1)
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=attached)
    tags = [("creator", "terway"), ("node", "n1")]
    tagged = call.eni(VSwitchId="vsw-i", SecurityGroupId="sg-2", Tag=tags, SecondaryPrivateIpAddressCount=1)
    return {"attached": attached, "tagged": tagged, "bare": call.eni()}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"InstanceId": "i-1", "Type": "Secondary"}, ["attached"]),
        ({"VSwitchId": "vsw-i", "Type": "Secondary"}, ["tagged"]),
        ({"Status": "Available"}, ["tagged", "bare"]),
        ({"SecurityGroupId": "sg-2"}, ["tagged"]),
        ({"NetworkInterfaceName": "first"}, ["attached"]),
        ({"ResourceGroupId": "rg-1"}, ["attached"]),
        ({"PrivateIpAddress": ["192.168.1.2", "192.168.0.1"]}, ["attached", "tagged"]),
        ({"PrimaryIpAddress": "192.168.1.2"}, []),
        ({"Ipv6Address": ["2001:db8:1::1"]}, ["attached"]),
        ({"Tag": [("creator", "terway")]}, ["tagged"]),
        ({"Tag": [("creator", "")]}, ["tagged"]),
        ({"Tag": [("creator", "terway"), ("node", "n2")]}, []),
        ({"ServiceManaged": "true"}, []),
        ({"VpcId": "vpc-1", "Status": "Detaching"}, []),
        ({"VpcId": "vpc-2"}, []),
    ],
)
def test_every_filter_must_match(call, enis, asked, names):
    assert found(call(*LIST, **asked)) == [enis[name] for name in names]


def test_ids_that_are_not_there_are_passed_over(call, enis):
    assert found(call(*LIST, NetworkInterfaceId=["eni-none", enis["bare"]])) == [enis["bare"]]


def test_ens_enis_are_not_listed(call):
    assert found(call(*LIST)) == ["eni-000001", "eni-000002"]


def test_pages_by_token_hide_and_repeat_nothing_while_enis_come_and_go(call):
    made = [call.eni() for _ in range(23)]
    first = call(*LIST, Status="Available")
    assert found(first) == made[:10]
    call("ecs", "DeleteNetworkInterface", NetworkInterfaceId=made[9])
    newest = call.eni()
    second = call(*LIST, Status="Available", NextToken=first["NextToken"])
    third = call(*LIST, Status="Available", NextToken=second["NextToken"])
    assert found(second) == made[10:20]
    assert found(third) == [*made[20:], newest]
    assert (third["NextToken"], third["TotalCount"]) == ("", 0)


@pytest.mark.parametrize(("size", "shown"), [(1, 10), (11, 11), (9999, 14)])
def test_page_sizes_out_of_range_are_moved_into_it(call, size, shown):
    for _ in range(12):
        call.eni()
    assert len(found(call(*LIST, MaxResults=size))) == shown


def test_pages_by_number_have_a_count(call):
    for _ in range(12):
        call.eni()
    answer = call(*LIST, PageNumber=2, PageSize=8)
    assert (len(found(answer)), answer["PageNumber"], answer["PageSize"], answer["TotalCount"]) == (6, 2, 8, 14)


@pytest.mark.parametrize(
    "asked", [{"NextToken": "made up"}, {"NextToken": "bWFkZSB1cA=="}, {"NextToken": "é"}, {"PageNumber": 0}]
)
def test_a_page_that_is_none(call, asked):
    with pytest.raises(Refusal) as caught:
        call(*LIST, **asked)
    assert caught.value.what == ("InvalidParameter", 400)


def test_instances(call, enis):
    one = call("ecs", "DescribeInstances", InstanceIds='["i-1","i-none"]')["Instances"]["Instance"]
    assert [each["InstanceId"] for each in one] == ["i-1"]
    assert (one[0]["InstanceType"], one[0]["Status"], one[0]["ZoneId"]) == ("ecs.g7.xlarge", "Running", "cn-hangzhou-h")
    assert one[0]["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == ["192.168.0.11"]
    bound = one[0]["NetworkInterfaces"]["NetworkInterface"]
    assert [(each["NetworkInterfaceId"], each["Type"]) for each in bound] == [
        ("eni-000001", "Primary"),
        (enis["attached"], "Secondary"),
    ]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["i-1", "i-2"]),
        ({"ZoneId": "cn-hangzhou-i"}, ["i-2"]),
        ({"VSwitchId": "vsw-h"}, ["i-1"]),
        ({"VpcId": "vpc-1", "Status": "Stopped"}, []),
        ({"SecurityGroupId": "sg-1"}, ["i-1", "i-2"]),
        ({"SecurityGroupId": "sg-2"}, []),
        ({"PrivateIpAddresses": '["192.168.1.12"]'}, ["i-2"]),
        ({"PageNumber": 2, "PageSize": 1}, ["i-2"]),
    ],
)
def test_filters_of_instances(call, asked, names):
    answer = call("ecs", "DescribeInstances", **asked)
    assert [each["InstanceId"] for each in answer["Instances"]["Instance"]] == names


class TestTypes:
    @pytest.fixture
    def site(self, site):
        trunk = InstanceTypeSpec(id="ecs.trunk", enis=8, total_enis=40, ipv4_per_eni=30, trunk=True)
        return site.model_copy(update={"instance_types": (*site.instance_types, trunk)})

    def test_quotas_of_a_type(self, call):
        answer = call("ecs", "DescribeInstanceTypes", InstanceTypes=["ecs.trunk", "ecs.none"])
        (kind,) = answer["InstanceTypes"]["InstanceType"]
        quotas = [kind[f"Eni{name}"] for name in ("Quantity", "TotalQuantity", "PrivateIpAddressQuantity")]
        assert quotas == [8, 40, 30]
        assert (kind["EniIpv6AddressQuantity"], kind["EniTrunkSupported"]) == (0, True)

    def test_all_types_a_page_at_a_time(self, call):
        first = call("ecs", "DescribeInstanceTypes", MaxResults=1)
        second = call("ecs", "DescribeInstanceTypes", MaxResults=1, NextToken=first["NextToken"])
        names = [each["InstanceTypes"]["InstanceType"][0]["InstanceTypeId"] for each in (first, second)]
        assert (names, second["NextToken"]) == (["ecs.g7.xlarge", "ecs.trunk"], "")


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"VpcId": "vpc-1"}, ["sg-1", "sg-2"]),
        ({"SecurityGroupId": "sg-2"}, ["sg-2"]),
        ({"SecurityGroupIds": '["sg-1","sg-e1"]'}, ["sg-1"]),
        ({"VpcId": "vpc-2"}, []),
    ],
)
def test_security_groups(call, asked, names):
    answer = call("ecs", "DescribeSecurityGroups", **asked)
    assert [each["SecurityGroupId"] for each in answer["SecurityGroups"]["SecurityGroup"]] == names
