"""`core.cloud.Cloud` on ECS and VPC.

Calls that create or assign carry a ClientToken made of the wish's intent, so they may be repeated. Attach, detach,
delete and unassign have none: when one of them is refused, the state tells whether an earlier attempt had its effect.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from terway_edge.cloud import ecs_shapes as shapes
from terway_edge.cloud import requests
from terway_edge.cloud.client import Client
from terway_edge.cloud.ecs_reading import EcsReader
from terway_edge.cloud.ecs_wishes import BATCH, Unassignment, assignments, creation, unassignments
from terway_edge.cloud.failures import MISSING_ADDRESS, MISSING_ENI, MISSING_INSTANCE, may_be_done, not_understood
from terway_edge.cloud.kinds import is_bound, is_loose
from terway_edge.cloud.limits import InstanceTypes
from terway_edge.cloud.parameters import Value
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import (
    AddressWish,
    CloudError,
    Eni,
    EniWish,
    Features,
    Instance,
    Limits,
    VSwitch,
)

_LOG = logging.getLogger(__name__)

_FEATURES = Features(
    attaches_hot=True,
    assigns_many=True,
    has_tokens=True,
    has_tags=True,
    has_ipv6=True,
    has_prefixes=True,
    batch=BATCH,
)


class Ecs:
    """Any thread may call."""

    def __init__(self, client: Client, types: InstanceTypes) -> None:
        self._client, self._types = client, types
        self._reader = EcsReader(client)

    @property
    def features(self) -> Features:
        return _FEATURES

    def close(self) -> None:
        self._client.close()

    def instance(self, instance: str, deadline: float) -> Instance:
        return self._reader.instance(instance, deadline)

    def limits(self, instance_type: str, deadline: float) -> Limits:
        known = self._types.get(instance_type)
        if known is None:
            known = self._reader.limits(instance_type, deadline)
            self._types.put(instance_type, known)
        return known

    def vswitches(self, ids: Sequence[str], deadline: float) -> list[VSwitch]:
        return self._reader.vswitches(ids, deadline)

    def enis_of(self, instance: str, deadline: float) -> list[Eni]:
        found = self._reader.enis({"InstanceId": instance}, deadline)
        return [each for each in found if each.instance == instance]

    def find_enis(self, deadline: float, *, tags: Mapping[str, str] | None = None, name: str = "") -> list[Eni]:
        wanted = tags or {}
        found = self._reader.enis({"Tag": wanted or None, "NetworkInterfaceName": name or None}, deadline)
        return [each for each in found if wanted.items() <= each.tags.items() and name in ("", each.name)]

    def create_eni(self, wish: EniWish, deadline: float) -> Eni:
        attempts = self._client.attempts(deadline)
        while True:
            answer = self._client.call(requests.ECS_CREATE, creation(wish), deadline)
            made = shapes.eni_of(answer)
            if made is not None and made.id:
                return made
            attempts.pause_after(not_understood(requests.ECS_CREATE, "the answer has no ENI"))

    def attach(self, eni: str, instance: str, deadline: float) -> None:
        try:
            self._client.call(requests.ECS_ATTACH, {"NetworkInterfaceId": eni, "InstanceId": instance}, deadline)
        except CloudError as error:
            if not (may_be_done(error) and is_bound(self._reader.eni(eni, deadline), instance)):
                raise

    def detach(self, eni: str, instance: str, deadline: float) -> None:
        try:
            self._client.call(requests.ECS_DETACH, {"NetworkInterfaceId": eni, "InstanceId": instance}, deadline)
        except CloudError as error:
            if error.error_code in (MISSING_ENI, MISSING_INSTANCE):
                return
            if not (may_be_done(error) and is_loose(self._reader.eni(eni, deadline), instance)):
                raise

    def delete_eni(self, eni: str, deadline: float) -> None:
        try:
            self._client.call(requests.ECS_DELETE, {"NetworkInterfaceId": eni}, deadline)
        except CloudError as error:
            if error.error_code != MISSING_ENI:
                raise

    def disable_source_check(self, eni: str, deadline: float) -> None:
        self._client.call(requests.ECS_MODIFY, {"NetworkInterfaceId": eni, "SourceDestCheck": False}, deadline)

    def assign(self, wish: AddressWish, deadline: float) -> tuple[Address | Prefix, ...]:
        added: list[Address | Prefix] = []
        for call in assignments(wish):
            try:
                added += call.read(self._client.call(call.action, call.values, deadline))
            except CloudError as error:
                # After one that passes the same wish again gives the whole; else what there is counts.
                if error.is_retryable or not added:
                    raise
                _LOG.warning("only a part of the addresses wished for %s was added: %s", wish.eni, error)
                break
        return tuple(added)

    def unassign(self, eni: str, what: Sequence[Address | Prefix], deadline: float) -> None:
        for call in unassignments(what):
            self._unassign(eni, call, deadline)

    def _unassign(self, eni: str, call: Unassignment, deadline: float) -> None:
        """One missing address makes the API refuse all that are named with it: the others are named again."""
        values: dict[str, Value | None] = {
            "NetworkInterfaceId": eni,
            call.parameter: [str(each) for each in call.what],
        }
        try:
            self._client.call(call.action, values, deadline)
        except CloudError as error:
            if error.error_code == MISSING_ENI:
                return
            if error.error_code not in MISSING_ADDRESS:
                raise
            left = self._still_owned(eni, call.what, deadline)
            if len(left) == len(call.what):
                raise
        else:
            return
        if left:
            self._unassign(eni, call._replace(what=left), deadline)

    def _still_owned(
        self, eni: str, what: tuple[Address | Prefix, ...], deadline: float
    ) -> tuple[Address | Prefix, ...]:
        """Of several; a single one that the API misses is not."""
        found = self._reader.eni(eni, deadline) if len(what) > 1 else None
        owned = {*found.addresses, *found.prefixes} if found else set()
        return tuple(each for each in what if each in owned)
