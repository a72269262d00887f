"""What the API refuses, as a cause and what to do next. No message repeats a secret, or a URL that holds one."""

from __future__ import annotations

import re
from typing import NamedTuple

from terway_edge.cloud.requests import Action
from terway_edge.core.brief import shown
from terway_edge.core.cloud import Cause, CloudError

MISSING_ENI = "InvalidEniId.NotFound"
MISSING_INSTANCE = "InvalidEcsId.NotFound"
MISSING_ADDRESS = frozenset(("InvalidIp.IpUnassigned", "InvalidPrivateIpAddress.NotFound"))
BUSY = frozenset(("Operation.Conflict", "OperationConflict", "LastTokenProcessing", "IncorrectPrivateIpAddressStatus"))
"""Another change is under way and soon over: the same call is repeated."""
GENERIC = "ens.interface.error"
"""What ENS says to anything: passing trouble, a quota, a vSwitch without addresses."""


class Rule(NamedTuple):
    codes: str
    """A regular expression for the whole error code."""
    cause: Cause
    advice: str


_KEY = "check the AccessKey: the pair, its token, whether it is disabled or has ended"
_RULES = (
    Rule(
        r"Throttling.*|Rejected\.Throttling.*",
        Cause.THROTTLED,
        "the account calls too often; lower rate_limit for {name}, or ask for a higher API quota",
    ),
    Rule(
        r"InvalidVSwitchId\.IpNotEnough|QuotaExceeded\.PrivateIpAddress",
        Cause.EXHAUSTED,
        "add another vSwitch of the same zone, or free addresses in this one",
    ),
    Rule(
        r"IdempotentFailed|IdempotentParameterMismatch|InvalidIdempotenceParameter\.Mismatch",
        Cause.SPENT,
        "the ClientToken cannot be used again; the next attempt is made with a new one",
    ),
    Rule(
        r"Operation\.?Conflict|LastTokenProcessing|IncorrectPrivateIpAddressStatus",
        Cause.CONFLICT,
        "another change is under way; wait for its end",
    ),
    Rule(
        r"InvalidOperation\.InvalidEnsStatus",
        Cause.INVALID,
        "ENIs of an ENS instance are bound and unbound while it is stopped; stop it, repeat, and start it again",
    ),
    Rule(
        r"InvalidOperation\.Invalid(Eni|Ecs)Stat(e|us)|IncorrectInstanceStatus",
        Cause.CONFLICT,
        "it is in a state that does not allow this; wait for the change under way",
    ),
    Rule(r"InvalidTimeStamp.*|IllegalTimestamp", Cause.DENIED, "the node's clock is wrong; synchronise it with NTP"),
    Rule(
        r"SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKey.*|InvalidSecurityToken.*|MissingSecurityToken",
        Cause.DENIED,
        _KEY,
    ),
    Rule(
        r"InvalidAction.*|Forbidden\.RegionId|InvalidRegionId.*",
        Cause.INVALID,
        "the endpoint does not serve this; check region and endpoints",
    ),
    Rule(
        r"Forbidden.*|NoPermission.*|.*AccessDenied.*",
        Cause.DENIED,
        "grant {action} on * in the RAM policy of the credentials",
    ),
    Rule(r".*\.EniServiceManaged", Cause.INVALID, "a cloud service owns this ENI; it must be left alone"),
    Rule(
        r"EniPerInstanceLimitExceeded",
        Cause.QUOTA,
        "the instance type takes no more ENIs; choose a larger type, or lower max_eni",
    ),
    Rule(
        r"InvalidOperation\.Ipv[46]CountExceeded|MaxEni(PrivateIps|Ipv6Ips)CountExceeded",
        Cause.QUOTA,
        "the instance type allows no more addresses on an ENI; use another ENI, or a larger type",
    ),
    Rule(
        r"SecurityGroupInstanceLimitExceed.*",
        Cause.QUOTA,
        "the security group is full; add another one to security_groups, or ask for a higher quota",
    ),
    Rule(r"MaxEniCountExceeded|Quota.*|.*LimitExceed.*", Cause.QUOTA, "ask for a higher quota of the account"),
    Rule(
        r"InvalidVSwitch\.Ipv6NotTurnOn|InvalidOperation\.Ipv6NotSupport",
        Cause.INVALID,
        "turn IPv6 on for the vSwitch and choose an instance type that has it, or set ip_stack to ipv4",
    ),
    Rule(
        r"InvalidOperation\.(VpcMismatch|AvailabilityZoneMismatch)",
        Cause.INVALID,
        "choose vSwitches and security groups of the instance's VPC and zone",
    ),
    Rule(
        r".*NotFound|InvalidIp\.IpUnassigned",
        Cause.MISSING,
        "it does not exist, or is in another region or account",
    ),
    Rule(
        r"SDK\.UnknownServerError",
        Cause.UNAVAILABLE,
        "what answered is not the API; check the endpoint and the proxy",
    ),
    Rule(
        r"InternalError.*|ServiceUnavailable.*|SignatureNonceUsed|ens\.interface\.error",
        Cause.UNAVAILABLE,
        "it may pass; if it lasts, give the request id to the vendor's support",
    ),
)
_PATTERNS = tuple((re.compile(rule.codes), rule) for rule in _RULES)
_KEY_CODES = re.compile(next(rule.codes for rule in _RULES if rule.advice == _KEY))

# Words of the operating system and of HTTP libraries; the rest of their text holds the signed URL.
_NETWORK = (
    ("timed out", "did not answer in time"),
    ("refused", "refuses connections; check endpoint, port and firewall"),
    ("Name or service not known", "is a name that cannot be resolved; check DNS and the endpoint"),
    ("name resolution", "is a name that cannot be resolved now; check DNS"),
    ("CERTIFICATE_VERIFY_FAILED", "has a certificate that is not trusted; check ca_bundle and the proxy"),
    ("doesn't match", "has the certificate of another name; check the endpoint and the proxy"),
    ("SSL", "does not speak TLS as it should; check protocol and the proxy"),
    ("proxy", "cannot be reached through the proxy; check proxy or NO_PROXY"),
    ("unreachable", "cannot be reached; check the node's routes"),
    ("No route to host", "cannot be reached; check the node's routes"),
    ("reset", "cut the connection before it answered"),
    ("aborted", "cut the connection before it answered"),
)


def refused(action: Action, code: str, message: str, http_status: int, request_id: str) -> CloudError:
    """An error the API answered with; `message` has been cleared of secrets."""
    cause, advice = _judge(code, http_status)
    told = f" ({shown(message)})" if message and not is_about_key(code) else ""
    asked = f" (request {request_id})" if request_id else ""
    return CloudError(
        f"{action} failed with {code}{told}: {advice.format(action=action, name=action.name)}{asked}",
        action=action.name,
        cause=cause,
        error_code=code,
        http_status=http_status,
        request_id=request_id,
    )


def is_about_key(code: str) -> bool:
    """Whether the AccessKey is refused: its message may repeat what was signed."""
    return _KEY_CODES.fullmatch(code) is not None


def may_be_done(error: CloudError) -> bool:
    """Whether the refusal may mean that an earlier attempt had its effect: the state tells."""
    return error.cause in (Cause.CONFLICT, Cause.INVALID, Cause.MISSING, Cause.QUOTA)


def absent(action: Action, what: str) -> CloudError:
    """A listing does not have what was asked for."""
    return CloudError(
        f"{action} knows no {what}; it does not exist, or is in another region or account",
        action=action.name,
        cause=Cause.MISSING,
    )


def unreachable(action: Action, endpoint: str, error: str) -> CloudError:
    """No answer came: the call may have had its effect. `error` is searched for known words and not repeated."""
    happened = next((words for sign, words in _NETWORK if sign.lower() in error.lower()), "gave no answer")
    return CloudError(f"{action}: {endpoint} {happened}", action=action.name, cause=Cause.UNAVAILABLE)


def not_understood(action: Action, what: str) -> CloudError:
    """An answer came that tells nothing: the call may have had its effect."""
    return CloudError(
        f"{action}: {what}; it may pass; if it lasts, check the endpoint and the proxy",
        action=action.name,
        cause=Cause.UNAVAILABLE,
    )


def _judge(code: str, http_status: int) -> tuple[Cause, str]:
    for pattern, rule in _PATTERNS:
        if pattern.fullmatch(code):
            return rule.cause, rule.advice
    if http_status == 429:
        return Cause.THROTTLED, "the account calls too often; lower rate_limit for {name}"
    if http_status >= 500:
        return Cause.UNAVAILABLE, "it may pass; if it lasts, give the request id to the vendor's support"
    return Cause.INVALID, "correct what it names in the configuration; if it names nothing of yours, report it"
