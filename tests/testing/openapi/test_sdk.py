"""Every action by the vendor's SDK, and its traps."""

from __future__ import annotations

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException

from terway_edge.testing.openapi.catalog import APIS
from tests.testing.openapi.tour import tour


def test_every_action_by_the_request_classes(emulator, sdk, clock):
    seen = tour(sdk, clock)
    assert {(product, action) for product, action, _ in seen} == {(api.product, a) for api in APIS for a in api.actions}
    assert [(each.product, each.action) for each in emulator.log.calls()] == [each[:2] for each in seen]
    assert {each.code for each in emulator.log.calls()} == {""}
    assert all(answer["RequestId"].isupper() or answer["RequestId"].isdigit() for _, _, answer in seen)


def test_a_refusal_has_all_that_the_sdk_reads(emulator, sdk, server):
    with pytest.raises(ServerException) as caught:
        sdk("ecs", "DeleteNetworkInterface", NetworkInterfaceId="eni-none")
    error, logged = caught.value, emulator.log.calls()[-1]
    assert (error.error_code, error.http_status) == ("InvalidEniId.NotFound", 404)
    assert error.message == "the specified resource eni-none does not exist"
    assert error.request_id == logged.request_id
    assert (logged.code, logged.status) == ("InvalidEniId.NotFound", 404)


def test_an_error_body_has_five_members(emulator, server, sdk):
    reply = emulator.invoke("ecs", "DescribeInstances", {})
    assert set(reply.json) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert "q=MissingParameter&product=Ecs" in reply.json["Recommend"]


@pytest.mark.parametrize(
    ("product", "action", "parameters", "name"),
    [
        (
            "ecs",
            "ModifyNetworkInterfaceAttribute",
            {"NetworkInterfaceId": "eni-1", "SourceDestCheck": True},
            "SourceDestCheck",
        ),
        ("ecs", "DescribeNetworkInterfaces", {"InstanceId": None}, "InstanceId"),
        ("ecs", "DescribeNetworkInterfaces", {"MaxResults": "many"}, "MaxResults"),
        ("ens", "AssignPrivateIpAddresses", {"NetworkInterfaceId": "eni-1", "ClientToken": "t"}, "ClientToken"),
        ("ens", "DescribeVSwitches", {"VSwitchId": "vsw-e1", "PageSize": 100}, "PageSize"),
    ],
)
def test_what_a_careless_client_sends(sdk, product, action, parameters, name):
    with pytest.raises(ServerException) as caught:
        sdk(product, action, **parameters)
    assert caught.value.error_code == "InvalidParameter"
    assert f"parameter {name} " in caught.value.message


def test_an_action_that_is_not_there(sdk):
    request = sdk.request("ecs", "DescribeInstances")
    request.set_action_name("DescribeRegions")
    with pytest.raises(ServerException) as caught:
        sdk.send(request)
    assert (caught.value.error_code, caught.value.http_status) == ("InvalidAction.NotFound", 404)
    request.set_version("2001-01-01")
    with pytest.raises(ServerException) as caught:
        sdk.send(request)
    assert caught.value.error_code == "InvalidVersion"


def test_get_works_as_post_does(sdk):
    request = sdk.request("ecs", "DescribeInstances")
    request.set_method("GET")
    assert sdk.send(request)["TotalCount"] == 2


def test_text_in_any_script_arrives_as_it_was(sdk):
    text = "a~b*c+d/e 汉字"
    eni = sdk("ecs", "CreateNetworkInterface", VSwitchId="vsw-h", SecurityGroupId="sg-1", Description=text)
    assert eni["Description"] == text


def test_the_log_can_be_asked_and_cleared(emulator, call, clock):
    call("ecs", "DescribeInstances")
    clock.advance(10)
    call("ens", "DescribeInstances")
    log = emulator.log
    assert [each.product for each in log.calls("DescribeInstances")] == ["ecs", "ens"]
    assert [each.product for each in log.calls("ens:DescribeInstances")] == ["ens"]
    assert [each.product for each in log.calls(since=clock.now())] == ["ens"]
    assert (log.total, log.counts["ecs:DescribeInstances"]) == (2, 1)
    log.clear()
    assert (log.total, log.calls()) == (0, [])


def test_nothing_secret_is_logged(emulator, sdk):
    role = "acs:ram::1000000000000001:role/edge-node"
    made = sdk("sts", "AssumeRole", RoleArn=role, RoleSessionName="s1")["Credentials"]
    kept = repr(emulator.log.calls())
    for secret in ("testsecret", "Signature", made["AccessKeySecret"], made["SecurityToken"]):
        assert secret not in kept
    assert emulator.log.calls()[0].identity == "acs:ram::1000000000000001:root"
