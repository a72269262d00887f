"""AssumeRole and GetCallerIdentity."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Action, Body, Call
from terway_edge.testing.openapi.errors import absent
from terway_edge.testing.openapi.fields import Number, Text
from terway_edge.testing.openapi.gate import utc

VERSION = "2015-04-01"
ROLE_ARN = r"acs:ram::\d+:role/[A-Za-z0-9._-]+"
DURATION = 3600


def assume_role(call: Call) -> Body:
    arguments = call.arguments
    arn, session = arguments.text("RoleArn"), arguments.text("RoleSessionName")
    account, role = arn.removeprefix("acs:ram::").split(":role/")
    if account != call.cloud.site.account or not call.vault.has_role(role):
        raise absent("EntityNotExist.Role", arn)
    expires = call.cloud.wall + arguments.number("DurationSeconds", DURATION)
    made = call.vault.assume(role, session, expires=expires)
    return {
        "AssumedRoleUser": {"Arn": made.identity.arn, "AssumedRoleId": f"{role}:{session}"},
        "Credentials": {
            "AccessKeyId": made.key_id,
            "AccessKeySecret": made.secret,
            "SecurityToken": made.token,
            "Expiration": utc(made.expires),
        },
    }


def caller_identity(call: Call) -> Body:
    who = call.identity
    return {
        "AccountId": who.account,
        "Arn": who.arn,
        "IdentityType": "AssumedRoleUser" if who.role else "Account",
        "PrincipalId": f"{who.role}:{who.session}" if who.role else who.account,
        "UserId": "" if who.role else who.account,
        "RoleId": who.role,
    }


ACTIONS = (
    Action(
        "AssumeRole",
        (
            Text("RegionId"),
            Text("RoleArn", required=True, pattern=ROLE_ARN),
            Text("RoleSessionName", required=True, shortest=2, longest=64, pattern=r"[A-Za-z0-9.@_-]+"),
            Number("DurationSeconds", 900, 43200),
            Text("Policy", shortest=1, longest=2048),
        ),
        assume_role,
    ),
    Action("GetCallerIdentity", (Text("RegionId"),), caller_identity),
)
