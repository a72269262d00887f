"""ENS: other rules, other shapes."""

from __future__ import annotations

import json

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.testing.openapi import Emulator
from terway_edge.testing.openapi.pace import Delay, Pace
from terway_edge.testing.openapi.site import EniSpec, EnsLimits, EnsSiteSpec, InstanceSpec, NetworkSpec, VSwitchSpec
from tests.testing.openapi.caller import Caller

CREATE = {"VSwitchId": "vsw-e1", "SecurityGroupIds": '["sg-e1"]'}
PRIMARY, BOUND = "eni-000003", "eni-000004"
"""Of the example's ENS instance, which is Running."""
ASSIGN = ("ens", "AssignPrivateIpAddresses")


@pytest.fixture
def site(site):
    """The example, a second edge site, a small vSwitch and an ENI of a service."""
    edge = site.ens_sites[0]
    (network,) = edge.networks
    small = VSwitchSpec(id="vsw-small", cidr=Prefix.parse("10.0.1.0/29"))
    far = NetworkSpec(
        id="n-2",
        cidr=Prefix.parse("10.0.0.0/8"),
        security_groups=("sg-e2",),
        vswitches=(VSwitchSpec(id="vsw-e2", cidr=Prefix.parse("10.0.0.0/24")),),
    )
    here = edge.model_copy(
        update={"networks": (network.model_copy(update={"vswitches": (*network.vswitches, small)}),)}
    )
    return site.model_copy(
        update={
            "ens_sites": (here, EnsSiteSpec(id="cn-shanghai-12", networks=(far,))),
            "instances": (
                *site.instances,
                InstanceSpec(id="i-e2", vswitch="vsw-e2", status="Stopped"),
                InstanceSpec(id="i-e3", vswitch="vsw-e1", status="Expired"),
            ),
            "enis": (EniSpec(id="eni-managed", vswitch="vsw-e1", service_managed=True),),
        }
    )


def stop(call):
    call("ens", "StopInstance", InstanceId="i-e1")


def owned(call, eni):
    return [each["PrivateIpAddress"] for each in call.shown(eni, "ens")["PrivateIpSets"]["PrivateIpSet"]]


def test_an_eni_is_made_with_an_id_and_nothing_else(call):
    answer = call("ens", "CreateNetworkInterface", **CREATE, Name="intent-1", Description="d")
    del answer["RequestId"]
    (eni,) = answer.pop("NetworkInterfaceIds")
    assert answer == {}
    shown = call.shown(eni, "ens")
    assert (shown["Status"], shown["Type"], shown["NetworkInterfaceName"]) == ("Available", "Secondary", "intent-1")
    assert (shown["EnsRegionId"], shown["NetworkId"], shown["VSwitchId"]) == ("cn-hangzhou-44", "n-1", "vsw-e1")
    assert shown["SecurityGroupIds"] == {"SecurityGroup": ["sg-e1"]}
    assert shown["PrivateIpSets"]["PrivateIpSet"] == [
        {"PrivateIpAddress": shown["PrimaryIp"], "Primary": True, "PrivateIpStatus": "Available"}
    ]
    assert call("ens", "DescribeNetworkInterfaces", NetworkInterfaceName="intent-1")["TotalCount"] == 1


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"VSwitchId": "vsw-h"}, ("InvalidVSwitchId.NotFound", 400)),
        ({"SecurityGroupIds": '["sg-1"]'}, ("InvalidSecurityGroupId.NotFound", 400)),
        ({"SecurityGroupIds": '["sg-e2"]'}, ("InvalidSecurityGroupId.NotFound", 400)),
        ({"SecurityGroupIds": "sg-e1"}, ("InvalidParameter", 400)),
        ({"ClientToken": "t"}, ("InvalidParameter", 400)),
        ({"SecondaryPrivateIpAddressCount": 1}, ("InvalidParameter", 400)),
        ({"Tag": [("a", "b")]}, ("InvalidParameter", 400)),
    ],
)
def test_what_is_not_created(call, asked, what):
    assert call.refused("ens", "CreateNetworkInterface", **{**CREATE, **asked}) == what


def test_a_small_vswitch_runs_out(call):
    for left in range(5, 0, -1):
        (shown,) = call("ens", "DescribeVSwitches", VSwitchIds=["vsw-small"])["VSwitches"]["VSwitch"]
        assert shown["FreeIpCount"] == left
        call.ens_eni(VSwitchId="vsw-small")
    what = call.refused("ens", "CreateNetworkInterface", **{**CREATE, "VSwitchId": "vsw-small"})
    assert what == ("InvalidVSwitchId.IpNotEnough", 400)


def test_attach_and_detach_need_a_stopped_instance(call, recorder):
    eni = call.ens_eni()
    asked = {"InstanceId": "i-e1", "NetworkInterfaceId": eni}
    running = ("InvalidOperation.InvalidEnsStatus", 400)
    assert call.refused("ens", "AttachNetworkInterface", **asked) == running
    assert call.refused("ens", "DetachNetworkInterface", NetworkInterfaceId=BOUND) == running
    stop(call)
    call("ens", "AttachNetworkInterface", **asked)
    assert call.shown(eni, "ens")["InstanceId"] == "i-e1"
    call("ens", "DetachNetworkInterface", NetworkInterfaceId=BOUND)
    assert (call.status(eni, "ens"), call.status(BOUND, "ens")) == ("InUse", "Available")
    assert recorder.seen == [f"{eni} attached to i-e1", f"{BOUND} detached from i-e1"]


@pytest.mark.parametrize(
    ("action", "asked", "what"),
    [
        ("Attach", {"InstanceId": "i-none", "NetworkInterfaceId": "new"}, "InstanceNotFound"),
        ("Attach", {"InstanceId": "i-1", "NetworkInterfaceId": "new"}, "InstanceNotFound"),
        ("Attach", {"InstanceId": "i-e1", "NetworkInterfaceId": "eni-none"}, "InvalidEniId.NotFound"),
        ("Attach", {"InstanceId": "i-e1", "NetworkInterfaceId": "eni-000001"}, "InvalidEniId.NotFound"),
        ("Attach", {"InstanceId": "i-e1", "NetworkInterfaceId": "eni-managed"}, "InvalidParameter.EniServiceManaged"),
        ("Attach", {"InstanceId": "i-e1", "NetworkInterfaceId": BOUND}, "InvalidOperation.InvalidEniStatus"),
        ("Attach", {"InstanceId": "i-e2", "NetworkInterfaceId": "new"}, "ens.interface.error"),
        ("Detach", {"NetworkInterfaceId": "new"}, "InvalidOperation.InvalidEniStatus"),
        ("Detach", {"NetworkInterfaceId": PRIMARY}, "InvalidOperation.InvalidEniType"),
        ("Detach", {"NetworkInterfaceId": "eni-none"}, "InvalidEniId.NotFound"),
        ("Detach", {"NetworkInterfaceId": BOUND, "InstanceId": "i-e1"}, "InvalidParameter"),
    ],
)
def test_what_is_not_attached_or_detached(call, action, asked, what):
    stop(call)
    if asked["NetworkInterfaceId"] == "new":
        asked = {**asked, "NetworkInterfaceId": call.ens_eni()}
    assert call.refused("ens", f"{action}NetworkInterface", **asked) == (what, 400)


def test_an_instance_has_ten_enis_at_most(call):
    stop(call)
    for _ in range(7):
        call("ens", "AttachNetworkInterface", InstanceId="i-e1", NetworkInterfaceId=call.ens_eni())
    asked = {"InstanceId": "i-e1", "NetworkInterfaceId": call.ens_eni()}
    assert len(call.emulator.enis("i-e1")) == 10
    assert call.refused("ens", "AttachNetworkInterface", **asked) == ("ens.interface.error", 400)


def test_one_address_per_call_in_a_flat_list(call):
    answer = call(*ASSIGN, NetworkInterfaceId=BOUND, VSwitchId="vsw-e1")["AssignedPrivateIpAddressesSet"]
    (address,) = answer["PrivateIpSet"]
    assert answer == {"NetworkInterfaceId": BOUND, "PrivateIpSet": [address]}
    assert owned(call, BOUND)[1:] == [address]


@pytest.mark.parametrize(("counts", "calls"), [(True, 24), (False, 25)])
def test_an_eni_has_25_addresses_at_most(site, clock, counts, calls):
    call = Caller(Emulator(site.model_copy(update={"ens_limits": EnsLimits(primary_counts=counts)}), clock=clock.now))
    for _ in range(calls):
        call(*ASSIGN, NetworkInterfaceId=BOUND)
    assert call.refused(*ASSIGN, NetworkInterfaceId=BOUND) == ("ens.interface.error", 400)
    assert (len(owned(call, BOUND)), call.emulator.violations()) == (calls + 1, [])


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"NetworkInterfaceId": PRIMARY}, "InvalidOperation.InvalidEniType"),
        ({"NetworkInterfaceId": "eni-none"}, "InvalidEniId.NotFound"),
        ({"NetworkInterfaceId": "eni-000001"}, "InvalidEniId.NotFound"),
        ({"VSwitchId": "vsw-small"}, "InvalidParameter"),
        ({"SecondaryPrivateIpAddressCount": 2}, "InvalidParameter"),
        ({"PrivateIpAddress": ["10.0.0.9"]}, "InvalidParameter"),
        ({"ClientToken": "t"}, "InvalidParameter"),
    ],
)
def test_what_is_not_assigned(call, asked, what):
    assert call.refused(*ASSIGN, **{"NetworkInterfaceId": BOUND, **asked}) == (what, 400)


def test_addresses_are_unassigned_all_or_none(call):
    given = [call(*ASSIGN, NetworkInterfaceId=BOUND)["AssignedPrivateIpAddressesSet"]["PrivateIpSet"][0] for _ in "abc"]
    unassign = ("ens", "UnassignPrivateIpAddresses")
    strange = {"NetworkInterfaceId": BOUND, "PrivateIpAddress": [given[0], "10.0.0.200"]}
    assert call.refused(*unassign, **strange) == ("InvalidPrivateIpAddress.NotFound", 400)
    primary = {"NetworkInterfaceId": BOUND, "PrivateIpAddress": owned(call, BOUND)[:1]}
    assert call.refused(*unassign, **primary) == ("InvalidParameter", 400)
    call(*unassign, NetworkInterfaceId=BOUND, PrivateIpAddress=given[:2])
    assert owned(call, BOUND)[1:] == given[2:]


def test_enis_are_deleted_all_or_none(call):
    enis = [call.ens_eni(), call.ens_eni()]
    delete = ("ens", "DeleteNetworkInterfaces")
    one_in_use = json.dumps([*enis, BOUND])
    assert call.refused(*delete, NetworkInterfaceIds=one_in_use) == ("InvalidParameter.NetworkInterfaceIds", 400)
    assert call.refused(*delete, NetworkInterfaceIds=",".join(enis)) == ("InvalidParameter", 400)
    call(*delete, NetworkInterfaceIds=json.dumps(enis))
    assert [call.status(eni, "ens") for eni in enis] == ["", ""]
    assert call.refused(*delete, NetworkInterfaceIds=json.dumps(enis)) == ("InvalidEniId.NotFound", 400)


def test_delete_has_no_singular(emulator):
    with pytest.raises(KeyError):
        emulator.invoke("ens", "DeleteNetworkInterface", {})


def test_stop_and_start_take_their_time_and_show_the_old_status_meanwhile(site, clock):
    pace = Pace(stop=Delay(seconds=10), start=Delay(seconds=20), attach=Delay(seconds=5))
    call = Caller(Emulator(site.model_copy(update={"pace": pace}), clock=clock.now))

    def status():
        return call("ens", "DescribeInstances", InstanceId="i-e1")["Instances"]["Instance"][0]["Status"]

    wrong = ("IncorrectInstanceStatus", 400)
    assert call.refused("ens", "StartInstance", InstanceId="i-e1") == wrong
    assert call("ens", "StopInstance", InstanceId="i-e1")["Code"] == 0
    assert status() == "Running"
    assert call.refused("ens", "StopInstance", InstanceId="i-e1") == wrong
    attach = {"InstanceId": "i-e1", "NetworkInterfaceId": call.ens_eni()}
    assert call.refused("ens", "AttachNetworkInterface", **attach) == ("InvalidOperation.InvalidEnsStatus", 400)
    clock.advance(10)
    assert status() == "Stopped"
    call("ens", "AttachNetworkInterface", **attach)
    call("ens", "StartInstance", InstanceId="i-e1")
    late = {"InstanceId": "i-e1", "NetworkInterfaceId": call.ens_eni()}
    assert call.refused("ens", "AttachNetworkInterface", **late) == ("InvalidOperation.InvalidEnsStatus", 400)
    clock.advance(20)
    assert (status(), call.status(attach["NetworkInterfaceId"], "ens")) == ("Running", "InUse")
    assert call.refused("ens", "StartInstance", InstanceId="i-e3") == wrong
    assert call.refused("ens", "StopInstance", InstanceId="i-none") == ("InstanceNotFound", 400)


def test_an_instance_tells_its_site_network_and_gateway(call):
    answer = call("ens", "DescribeInstances", InstanceIds='["i-e1"]')
    (shown,) = answer["Instances"]["Instance"]
    assert (answer["Code"], shown["EnsRegionId"], shown["SpecName"]) == (0, "cn-hangzhou-44", "ens.sn1.small")
    assert shown["NetworkAttributes"] == {
        "NetworkId": "n-1",
        "VSwitchId": "vsw-e1",
        "PrivateIpAddress": {"IpAddress": ["10.0.0.11"]},
    }
    assert shown["PrivateIpAddresses"]["PrivateIpAddress"] == [{"Ip": "10.0.0.11", "GateWay": "10.0.0.1", "Isp": ""}]
    assert [each["Type"] for each in shown["NetworkInterfaces"]["NetworkInterfaces"]] == ["Primary", *["Secondary"] * 2]


@pytest.mark.parametrize(
    ("action", "asked", "kind", "names"),
    [
        ("DescribeInstances", {}, "Instance", ["i-e1", "i-e2", "i-e3"]),
        ("DescribeInstances", {"EnsRegionIds": '["cn-shanghai-12"]'}, "Instance", ["i-e2"]),
        ("DescribeInstances", {"IntranetIp": "10.0.0.11"}, "Instance", ["i-e1"]),
        ("DescribeInstances", {"Status": "Expired"}, "Instance", ["i-e3"]),
        ("DescribeInstances", {"SecurityGroupId": "sg-e2"}, "Instance", ["i-e2"]),
        ("DescribeInstances", {"InstanceId": "i-1"}, "Instance", []),
        ("DescribeVSwitches", {"EnsRegionIds": ["cn-hangzhou-44"]}, "VSwitch", ["vsw-e1", "vsw-small"]),
        ("DescribeVSwitches", {"NetworkId": "n-2"}, "VSwitch", ["vsw-e2"]),
        ("DescribeVSwitches", {"VSwitchId": "vsw-h"}, "VSwitch", []),
        ("DescribeVSwitches", {"EnableIpv6": "true"}, "VSwitch", []),
        ("DescribeNetworks", {"NetworkIds": ["n-1", "vpc-1"]}, "Network", ["n-1"]),
        ("DescribeNetworks", {"EnsRegionId": "cn-shanghai-12"}, "Network", ["n-2"]),
        (
            "DescribeNetworkInterfaces",
            {"InstanceId": "i-e1", "Type": "Secondary"},
            "NetworkInterface",
            [BOUND, "eni-000005"],
        ),
        ("DescribeNetworkInterfaces", {"EnsRegionIds": ["cn-shanghai-12"]}, "NetworkInterface", ["eni-000006"]),
        ("DescribeNetworkInterfaces", {"SecurityGroupId": "sg-e2"}, "NetworkInterface", ["eni-000006"]),
        ("DescribeNetworkInterfaces", {"PrimaryIpAddress": "10.0.0.11"}, "NetworkInterface", [PRIMARY]),
        ("DescribeNetworkInterfaces", {"NetworkInterfaceIds": [BOUND, "eni-000001"]}, "NetworkInterface", [BOUND]),
        (
            "DescribeNetworkInterfaces",
            {"PageNumber": 2, "PageSize": 4},
            "NetworkInterface",
            ["eni-000007", "eni-managed"],
        ),
    ],
)
def test_filters(call, action, asked, kind, names):
    answer = call("ens", action, **asked)
    outer = answer[f"{kind}Sets" if kind == "NetworkInterface" else f"{kind}es" if kind == "VSwitch" else f"{kind}s"]
    items = outer[f"{kind}Set" if kind == "NetworkInterface" else kind]
    assert [each[f"{kind}Id"] for each in items] == names


def test_attributes_of_a_vswitch_tell_the_same_count_under_another_name(call):
    (listed,) = call("ens", "DescribeVSwitches", VSwitchId="vsw-e1")["VSwitches"]["VSwitch"]
    shown = call("ens", "DescribeVSwitchAttributes", VSwitchId="vsw-e1")
    assert listed["FreeIpCount"] == shown["AvailableIpAddressCount"] == 256 - 3 - 5
    assert shown["InstanceIds"] == {"InstanceId": ["i-e1", "i-e3"]}
    assert PRIMARY in shown["NetworkInterfaceIds"]["NetworkInterfaceId"]
    assert call.refused("ens", "DescribeVSwitchAttributes", VSwitchId="vsw-h") == ("InvalidVSwitchId.NotFound", 400)


def test_edge_sites(call):
    everywhere = call("ens", "DescribeEnsRegions")["EnsRegions"]["EnsRegions"]
    assert [each["EnsRegionId"] for each in everywhere] == ["cn-hangzhou-44", "cn-shanghai-12"]
    assert call("ens", "DescribeEnsRegions", EnsRegionId="cn-nowhere")["EnsRegions"]["EnsRegions"] == []


def test_the_region_that_the_sdk_adds_does_not_matter(emulator):
    for parameters in {}, {"RegionId": "cn-nowhere"}:
        assert emulator.invoke("ens", "DescribeNetworks", parameters).json["TotalCount"] == 2
