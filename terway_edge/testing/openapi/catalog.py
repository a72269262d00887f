"""Every action that the emulator has, by version and name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from terway_edge.testing.openapi.action import Action
from terway_edge.testing.openapi.ecs import actions as ecs
from terway_edge.testing.openapi.ens import actions as ens
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.sts import actions as sts
from terway_edge.testing.openapi.vpc import actions as vpc


class Api(NamedTuple):
    product: str
    version: str
    actions: Mapping[str, Action]


APIS = tuple(
    Api(product, module.VERSION, {action.name: action for action in module.ACTIONS})
    for product, module in (("ecs", ecs), ("vpc", vpc), ("ens", ens), ("sts", sts))
)


def find(version: str, name: str) -> tuple[Api, Action]:
    """Raises ApiError."""
    api = next((each for each in APIS if each.version == version), None)
    if api is None:
        raise ApiError("InvalidVersion", f"no product has the version {version!r} here", parameter="Version")
    if name not in api.actions:
        raise ApiError("InvalidAction.NotFound", f"{api.product} has no action {name!r} here", 404, parameter="Action")
    return api, api.actions[name]
