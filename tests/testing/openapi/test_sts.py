"""STS, by the vendor's SDK."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException

from tests.testing.openapi.sdk import Sdk

ROLE = "acs:ram::1000000000000001:role/edge-node"


def assume(sdk, **asked):
    return sdk("sts", "AssumeRole", **{"RoleArn": ROLE, "RoleSessionName": "node-1", **asked})


def test_a_role_is_assumed_and_used(server, sdk):
    answer = assume(sdk)
    made = answer["Credentials"]
    assert answer["AssumedRoleUser"]["Arn"] == "acs:ram::1000000000000001:assumed-role/edge-node/node-1"
    with closing(Sdk(server.endpoint, (made["AccessKeyId"], made["AccessKeySecret"]), made["SecurityToken"])) as role:
        who = role("sts", "GetCallerIdentity")
        assert role("ecs", "DescribeInstances")["TotalCount"] == 2
    assert (who["IdentityType"], who["Arn"]) == ("AssumedRoleUser", answer["AssumedRoleUser"]["Arn"])


def test_the_account_itself(sdk):
    who = sdk("sts", "GetCallerIdentity")
    assert (who["IdentityType"], who["AccountId"]) == ("Account", "1000000000000001")
    assert who["Arn"] == "acs:ram::1000000000000001:root"


@pytest.mark.parametrize(("asked", "seconds"), [({}, 3600), ({"DurationSeconds": 900}, 900)])
def test_the_expiration_is_that_of_the_duration(emulator, asked, seconds):
    parameters = {"RoleArn": ROLE, "RoleSessionName": "node-1", **{name: str(value) for name, value in asked.items()}}
    before = time.time()
    made = emulator.invoke("sts", "AssumeRole", parameters).json["Credentials"]
    expires = datetime.strptime(made["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    assert -1 <= expires - before - seconds <= 60


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        ({"RoleArn": ROLE + "x"}, "EntityNotExist.Role", 404),
        ({"RoleArn": ROLE.replace("01:", "02:")}, "EntityNotExist.Role", 404),
        ({"RoleArn": "edge-node"}, "InvalidParameter", 400),
        ({"RoleSessionName": "a"}, "InvalidParameter", 400),
        ({"DurationSeconds": 899}, "InvalidParameter", 400),
        ({"RoleSessionName": ""}, "MissingParameter", 400),
    ],
)
def test_what_is_not_assumed(sdk, asked, code, status):
    with pytest.raises(ServerException) as caught:
        assume(sdk, **asked)
    assert (caught.value.error_code, caught.value.http_status) == (code, status)
