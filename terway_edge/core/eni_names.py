"""Names inside `rate_limit` of `eni_conf`: actions of the API. The empty one stands for all without an entry."""

from __future__ import annotations

from collections.abc import Mapping

from terway_edge.core.config_error import nearest
from terway_edge.core.eni_notes import Effect, Note, path

ACTIONS = (
    "AssignIpv6Addresses",
    "AssignPrivateIpAddresses",
    "AttachNetworkInterface",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DeleteNetworkInterfaces",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeNetworkInterfaces",
    "DescribeVSwitches",
    "DetachNetworkInterface",
    "ModifyNetworkInterfaceAttribute",
    "UnassignIpv6Addresses",
    "UnassignPrivateIpAddresses",
)
"""Those that are called here."""
_OTHERS = ("DescribeNetworkInterfaceAttribute",)
"""Those that only Terway calls."""


def notes_on_actions(above: str, key: str, value: Mapping[str, object]) -> list[Note]:
    """One for each name that means nothing here."""
    return [_note(path(above, key, name), name) for name in value if name not in ("", *ACTIONS)]


def _note(where: str, name: str) -> Note:
    if name in _OTHERS:
        return Note(where, Effect.WITHOUT_EFFECT, "an action that is not called here")
    return Note(where, Effect.UNKNOWN, f"is no action that is called here{nearest(name, ACTIONS)}")
