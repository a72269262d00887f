"""Wishes as the calls that they take in ECS."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from terway_edge.cloud import requests
from terway_edge.cloud.answers import Answer
from terway_edge.cloud.ecs_shapes import assigned4, assigned6
from terway_edge.cloud.parameters import Value
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import AddressWish, EniWish

BATCH = 10  # addresses or prefixes in one call
LONGEST_TOKEN = 64  # ASCII characters
DESCRIPTION = "made by terway-edge"

Owned = Address | Prefix


class Assignment(NamedTuple):
    """One call; `read` takes what was added from its answer."""

    action: requests.Action
    values: dict[str, Value | None]
    read: Callable[[Answer], tuple[Owned, ...]]


class Unassignment(NamedTuple):
    """One call; `parameter` names the addresses or prefixes."""

    action: requests.Action
    parameter: str
    what: tuple[Owned, ...]


_UNASSIGN = {
    (Address, 4): (requests.ECS_UNASSIGN, "PrivateIpAddress"),
    (Prefix, 4): (requests.ECS_UNASSIGN, "Ipv4Prefix"),
    (Address, 6): (requests.ECS_UNASSIGN6, "Ipv6Address"),
    (Prefix, 6): (requests.ECS_UNASSIGN6, "Ipv6Prefix"),
}


def creation(wish: EniWish) -> dict[str, Value | None]:
    """Parameters of CreateNetworkInterface. Who terminates the instance leaves no ENI behind."""
    return {
        "VSwitchId": wish.vswitch,
        "SecurityGroupIds": wish.security_groups,
        "SecondaryPrivateIpAddressCount": wish.ipv4 - 1 or None,
        "Ipv6AddressCount": wish.ipv6 or None,
        "Ipv4PrefixCount": wish.ipv4_prefixes or None,
        "Ipv6PrefixCount": wish.ipv6_prefixes or None,
        "SourceDestCheck": wish.checks_source,
        "DeleteOnRelease": True,
        "ResourceGroupId": wish.resource_group or None,
        "Description": DESCRIPTION,
        "Tag": wish.tags or None,
        "ClientToken": token_of(wish.intent),
    }


def assignments(wish: AddressWish) -> list[Assignment]:
    """Addresses and prefixes of a family go apart, and each call has a token of its own."""
    parts = (
        (requests.ECS_ASSIGN, "SecondaryPrivateIpAddressCount", wish.ipv4, "-4", assigned4),
        (requests.ECS_ASSIGN, "Ipv4PrefixCount", wish.ipv4_prefixes, "-4p", assigned4),
        (requests.ECS_ASSIGN6, "Ipv6AddressCount", wish.ipv6, "-6", assigned6),
        (requests.ECS_ASSIGN6, "Ipv6PrefixCount", wish.ipv6_prefixes, "-6p", assigned6),
    )
    return [
        Assignment(
            action,
            {
                "NetworkInterfaceId": wish.eni,
                parameter: min(count, BATCH),
                "ClientToken": token_of(wish.intent, suffix),
            },
            read,
        )
        for action, parameter, count, suffix, read in parts
        if count > 0
    ]


def unassignments(what: Sequence[Owned]) -> list[Unassignment]:
    """By kind and family, so many at a time as a call takes."""
    found: list[Unassignment] = []
    for (kind, family), (action, parameter) in _UNASSIGN.items():
        items = [each for each in what if type(each) is kind and each.family == family]
        chunks = [tuple(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]
        found += [Unassignment(action, parameter, chunk) for chunk in chunks]
    return found


def token_of(intent: str, suffix: str = "") -> str:
    """At most as long as a ClientToken may be."""
    text = f"{intent}{suffix}"
    return text if len(text) <= LONGEST_TOKEN else hashlib.sha256(text.encode()).hexdigest()
