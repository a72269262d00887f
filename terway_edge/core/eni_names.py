"""Names inside two keys of `eni_conf`: actions of the API (`rate_limit`) and waits (`backoff_override`).

The empty name stands for all that have no entry of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from terway_edge.core.config_error import nearest
from terway_edge.core.eni_notes import Effect, Note, path

_ACTIONS = (
    "",
    "AssignIpv6Addresses",
    "AssignPrivateIpAddresses",
    "AttachNetworkInterface",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeInstanceTypes",
    "DescribeNetworkInterfaceAttribute",
    "DescribeNetworkInterfaces",
    "DescribeVSwitches",
    "DetachNetworkInterface",
    "UnassignIpv6Addresses",
    "UnassignPrivateIpAddresses",
)
_WAITS = (
    "",
    "eni_create",
    "eni_delete_confirm",
    "eni_ip_ops",
    "eni_ops",
    "eni_release",
    "wait_eni_ip_removed",
    "wait_eni_status",
)
_OTHERS_WAITS = (
    "meta_assign_private_ip",
    "meta_unassign_private_ip",
    "wait_ecs_hdeni",
    "wait_ecs_leni",
    "wait_hdeni",
    "wait_leni",
    "wait_member_eni_status",
    "wait_networkinterface_status",
    "wait_node_status",
    "wait_podeni_status",
    "wait_sts_token_ready",
)
NAMES: Mapping[str, tuple[str, ...]] = {"rate_limit": _ACTIONS, "backoff_override": _WAITS}
"""By key, the names that mean something here."""


def notes_on_names(above: str, key: str, value: Mapping[str, object]) -> list[Note]:
    """One for each name that means nothing here."""
    return [_note(path(above, key, name), key, name) for name in value if name not in NAMES[key]]


def _note(where: str, key: str, name: str) -> Note:
    if name in _OTHERS_WAITS:
        return Note(where, Effect.WITHOUT_EFFECT, "of a wait that does not exist here")
    return Note(where, Effect.UNKNOWN, f"is no {_KINDS[key]}{nearest(name, NAMES[key])}")


_KINDS = {"rate_limit": "action that is called here", "backoff_override": "wait"}
