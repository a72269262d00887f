from __future__ import annotations

import pytest

from terway_edge.cloud import requests
from terway_edge.cloud.failures import refused, unreachable
from terway_edge.core.cloud import Cause

CAUSES = {
    Cause.THROTTLED: ["Throttling", "Throttling.User", "Throttling.Api", "Rejected.Throttling"],
    Cause.EXHAUSTED: ["InvalidVSwitchId.IpNotEnough", "QuotaExceeded.PrivateIpAddress"],
    Cause.QUOTA: [
        *("EniPerInstanceLimitExceeded", "MaxEniCountExceeded", "SecurityGroupInstanceLimitExceed", "QuotaExceed.Tags"),
        *("InvalidOperation.Ipv4CountExceeded", "InvalidOperation.Ipv6CountExceeded"),
        *("MaxEniPrivateIpsCountExceeded", "MaxEniIpv6IpsCountExceeded"),
    ],
    Cause.CONFLICT: [
        *("Operation.Conflict", "OperationConflict", "LastTokenProcessing", "IncorrectPrivateIpAddressStatus"),
        *("InvalidOperation.InvalidEniState", "InvalidOperation.InvalidEcsState"),
        *("InvalidOperation.InvalidEniStatus", "IncorrectInstanceStatus"),
    ],
    Cause.MISSING: [
        *("InvalidEniId.NotFound", "InvalidEcsId.NotFound", "InvalidVSwitchId.NotFound", "InstanceNotFound"),
        *("InvalidIp.IpUnassigned", "InvalidPrivateIpAddress.NotFound", "InvalidSecurityGroupId.NotFound"),
    ],
    Cause.DENIED: [
        *("Forbidden.RAM", "Forbidden.SubUser", "Forbidden.Unauthorized", "NoPermission", "InvalidTimeStamp.Expired"),
        *("IllegalTimestamp", "SignatureDoesNotMatch", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive"),
        *("InvalidSecurityToken.Expired", "InvalidSecurityToken.Malformed", "IncompleteSignature"),
    ],
    Cause.SPENT: ["IdempotentFailed", "IdempotentParameterMismatch", "InvalidIdempotenceParameter.Mismatch"],
    Cause.UNAVAILABLE: [
        *("InternalError", "ServiceUnavailable", "ServiceUnavailable.RegionMaintaining", "SignatureNonceUsed"),
        *("ens.interface.error", "SDK.UnknownServerError"),
    ],
    Cause.INVALID: [
        *(
            "InvalidParameter",
            "MissingParameter",
            "InvalidAction.NotFound",
            "Forbidden.RegionId",
            "UnsupportedParameter",
        ),
        *("InvalidOperation.InvalidEnsStatus", "InvalidOperation.VpcMismatch", "InvalidVSwitch.Ipv6NotTurnOn"),
        *("InvalidOperation.EniServiceManaged", "InvalidParameter.EniServiceManaged", "InvalidParameter.Conflict"),
        *("InvalidOperation.AvailabilityZoneMismatch", "InvalidIp.IpRepeated", "Unheard.Of"),
    ],
}


@pytest.mark.parametrize(("cause", "code"), [(cause, code) for cause, codes in CAUSES.items() for code in codes])
def test_each_documented_code_has_a_cause_and_an_advice(cause, code):
    error = refused(requests.ECS_CREATE, code, "what the server said", 403, "R-1")
    assert error.cause is cause
    text = str(error)
    assert text.startswith(f"ecs:CreateNetworkInterface failed with {code}")
    assert text.endswith("(request R-1)")
    assert len(text.split(": ", 1)[1]) > 30
    assert "{" not in text


@pytest.mark.parametrize(("status", "cause"), [(429, Cause.THROTTLED), (500, Cause.UNAVAILABLE), (404, Cause.INVALID)])
def test_an_unknown_code_is_judged_by_its_status(status, cause):
    assert refused(requests.ECS_CREATE, "Unheard.Of", "", status, "").cause is cause


def test_a_missing_permission_names_what_to_grant():
    assert "grant vpc:DescribeVSwitches on * in the RAM policy" in str(
        refused(requests.VPC_VSWITCHES, "Forbidden.RAM", "", 403, "")
    )


def test_a_rate_limit_names_its_key():
    assert "lower rate_limit for DescribeVSwitches" in str(
        refused(requests.VPC_VSWITCHES, "Throttling.User", "", 400, "")
    )


def test_a_long_message_is_cut():
    assert len(str(refused(requests.ECS_CREATE, "Odd", "x" * 10_000, 400, ""))) < 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HTTPConnectionPool(...url: /?Signature=s (Caused by ... timed out))", "did not answer in time"),
        ("[Errno 111] Connection refused", "refuses connections"),
        ("[Errno -2] Name or service not known", "cannot be resolved"),
        ("Connection aborted", "cut the connection"),
        ("Cannot connect to proxy.", "through the proxy"),
        ("Network is unreachable", "check the node's routes"),
        ("who knows: Signature=s", "gave no answer"),
    ],
)
def test_network_errors_are_told_in_words_of_ours(text, words):
    told = str(unreachable(requests.ECS_CREATE, "ecs.example", text))
    assert words in told
    assert "Signature" not in told
