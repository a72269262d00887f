"""ClientToken, and what becomes of a call whose answer was lost."""

from __future__ import annotations

import pytest

from terway_edge.testing.openapi import Script

CREATE = {"VSwitchId": "vsw-h", "SecurityGroupId": "sg-1", "SecondaryPrivateIpAddressCount": 2}
LOST = Script.model_validate({"faults": [{"kind": "drop", "when": "after", "calls": [1]}]})
ROUTE = {"RouteTableId": "vtb-1", "DestinationCidrBlock": "10.0.0.0/16", "NextHopId": "i-1"}


def without_id(answer):
    return {name: value for name, value in answer.items() if name != "RequestId"}


@pytest.mark.parametrize(
    ("product", "action", "asked"),
    [
        ("ecs", "CreateNetworkInterface", CREATE),
        ("ecs", "AssignPrivateIpAddresses", {"NetworkInterfaceId": "eni-000001", "SecondaryPrivateIpAddressCount": 2}),
        ("ecs", "AssignPrivateIpAddresses", {"NetworkInterfaceId": "eni-000001", "Ipv4PrefixCount": 2}),
        ("ecs", "AssignIpv6Addresses", {"NetworkInterfaceId": "eni-000001", "Ipv6AddressCount": 2}),
        ("vpc", "CreateRouteEntry", ROUTE),
    ],
)
def test_the_same_token_with_the_same_parameters_is_one_call(call, emulator, product, action, asked):
    first = call(product, action, **asked, ClientToken="t1")
    state = emulator.enis()
    second = call(product, action, **asked, ClientToken="t1")
    assert without_id(first) == without_id(second)
    assert first["RequestId"] != second["RequestId"]
    assert emulator.enis() == state
    assert emulator.log.counts[f"{product}:{action}"] == 2


def test_a_call_that_is_repeated_after_its_answer_was_lost_makes_one_resource(call, emulator):
    emulator.load_faults(LOST)
    parameters = {"RegionId": "cn-hangzhou", "ClientToken": "t1", **{k: str(v) for k, v in CREATE.items()}}
    assert emulator.invoke("ecs", "CreateNetworkInterface", parameters).is_dropped
    (made,) = [eni for eni in emulator.enis() if eni.status == "Available"]
    assert call("ecs", "CreateNetworkInterface", **CREATE, ClientToken="t1")["NetworkInterfaceId"] == made.id


def test_without_a_token_it_makes_two(call, emulator):
    emulator.load_faults(LOST)
    emulator.invoke(
        "ecs", "CreateNetworkInterface", {"RegionId": "cn-hangzhou", **{k: str(v) for k, v in CREATE.items()}}
    )
    call("ecs", "CreateNetworkInterface", **CREATE)
    assert sum(eni.status == "Available" for eni in emulator.enis()) == 2


def test_the_same_token_with_other_parameters_is_refused(call):
    call("ecs", "CreateNetworkInterface", **CREATE, ClientToken="t1")
    other = {**CREATE, "Description": "other", "ClientToken": "t1"}
    assert call.refused("ecs", "CreateNetworkInterface", **other) == ("IdempotentParameterMismatch", 400)


def test_tokens_of_two_actions_are_two(call):
    eni = call.eni(ClientToken="t1")
    asked = {"NetworkInterfaceId": eni, "SecondaryPrivateIpAddressCount": 1, "ClientToken": "t1"}
    assert call("ecs", "AssignPrivateIpAddresses", **asked)["AssignedPrivateIpAddressesSet"]


def test_a_refused_call_leaves_its_token_unused(call):
    wrong = {**CREATE, "SecurityGroupId": "sg-none", "ClientToken": "t1"}
    assert call.refused("ecs", "CreateNetworkInterface", **wrong) == ("InvalidSecurityGroupId.NotFound", 404)
    assert call("ecs", "CreateNetworkInterface", **CREATE, ClientToken="t1")["NetworkInterfaceId"]


@pytest.mark.parametrize("token", ["", "x" * 65, "with space", "ü"])
def test_what_is_no_token(call, token):
    assert call.refused("ecs", "CreateNetworkInterface", **CREATE, ClientToken=token) == ("InvalidParameter", 400)
