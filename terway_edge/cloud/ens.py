"""`core.cloud.Cloud` on ENS.

No call has a token, and ENIs are bound while the instance is stopped. What creates or assigns is therefore never
repeated blindly: an ENI is looked for by its unique name first, and an address is what the ENI has more than before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from terway_edge.cloud import ens_shapes as shapes
from terway_edge.cloud import requests
from terway_edge.cloud.client import Client
from terway_edge.cloud.ens_reading import EnsReader
from terway_edge.cloud.failures import MISSING_ADDRESS, MISSING_ENI, absent, may_be_done, not_understood
from terway_edge.cloud.growth import Growth
from terway_edge.cloud.kinds import is_bound, is_loose
from terway_edge.cloud.parameters import Value
from terway_edge.cloud.turns import Turns
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import (
    AddressWish,
    Cause,
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
    attaches_hot=False,
    assigns_many=False,
    has_tokens=False,
    has_tags=False,
    has_ipv6=False,
    has_prefixes=False,
    batch=1,
)
DESCRIPTION = "made by terway-edge"
LAG = 3.0  # seconds after which a listing should show what a call did of which the answer was lost
BATCH = 10  # addresses named in one call; how many the API takes is not documented


class Ens:
    """Any thread may call.

    :param region: EnsRegionId of the ENIs that are listed; empty: all
    :param limits: of every instance type: the API does not tell them
    """

    def __init__(self, client: Client, turns: Turns, limits: Limits, region: str = "") -> None:
        self._client, self._turns, self._limits, self._region = client, turns, limits, region
        self._reader = EnsReader(client)

    @property
    def features(self) -> Features:
        return _FEATURES

    def close(self) -> None:
        self._client.close()

    def instance(self, instance: str, deadline: float) -> Instance:
        return self._reader.instance(instance, deadline)

    def limits(self, instance_type: str, deadline: float) -> Limits:
        return self._limits

    def vswitches(self, ids: Sequence[str], deadline: float) -> list[VSwitch]:
        return self._reader.vswitches(ids, deadline)

    def enis_of(self, instance: str, deadline: float) -> list[Eni]:
        found = self._reader.enis({"InstanceId": instance}, deadline)
        return [each for each in found if each.instance == instance]

    def find_enis(self, deadline: float, *, tags: Mapping[str, str] | None = None, name: str = "") -> list[Eni]:
        if tags:
            raise _refused(requests.ENS_ENIS, "ENS ENIs have no tags; look for their name")
        filters = {"NetworkInterfaceName": name or None, "EnsRegionId": self._region or None}
        return [each for each in self._reader.enis(filters, deadline) if name in ("", each.name)]

    def create_eni(self, wish: EniWish, deadline: float) -> Eni:
        with self._turns.turn(wish.intent, deadline):
            attempts = self._client.attempts(deadline)
            made = ""
            while not made:
                found = self._named(wish.intent, deadline)
                if found is not None:
                    return found
                try:
                    made = self._create(wish, deadline)
                except CloudError as error:
                    if error.cause is not Cause.UNAVAILABLE:
                        raise
                    attempts.pause_after(error, LAG)
            return self._listed(made, deadline)

    def attach(self, eni: str, instance: str, deadline: float) -> None:
        try:
            self._client.call(requests.ENS_ATTACH, {"NetworkInterfaceId": eni, "InstanceId": instance}, deadline)
        except CloudError as error:
            if not (may_be_done(error) and is_bound(self._reader.eni(eni, deadline), instance)):
                raise

    def detach(self, eni: str, instance: str, deadline: float) -> None:
        """The API is not told the instance: an ENI that has moved to another one is left there."""
        if is_loose(self._reader.eni(eni, deadline), instance):
            return
        try:
            self._client.call(requests.ENS_DETACH, {"NetworkInterfaceId": eni}, deadline)
        except CloudError as error:
            if not (may_be_done(error) and is_loose(self._reader.eni(eni, deadline), instance)):
                raise

    def delete_eni(self, eni: str, deadline: float) -> None:
        try:
            self._client.call(requests.ENS_DELETE, {"NetworkInterfaceIds": [eni]}, deadline)
        except CloudError as error:
            # The documentation has no code for an ENI that is gone.
            if error.error_code != MISSING_ENI and not (may_be_done(error) and self._is_gone(eni, deadline)):
                raise

    def disable_source_check(self, eni: str, deadline: float) -> None:
        """ENS has none."""

    def assign(self, wish: AddressWish, deadline: float) -> tuple[Address | Prefix, ...]:
        """One address a call; none is asked for that an earlier attempt already got."""
        if wish.ipv6 or wish.ipv4_prefixes or wish.ipv6_prefixes:
            raise _refused(requests.ENS_ASSIGN, "ENS assigns IPv4 addresses and nothing else; set ip_stack to ipv4")
        with self._turns.turn(wish.eni, deadline):
            growth = Growth(wish.before, self._known(wish.eni, deadline).addresses, wish.parted)
            try:
                self._grow(wish, growth, deadline)
            except CloudError as error:
                # After one that passes the same wish again gives the whole; else what there is counts.
                if error.is_retryable or not growth.items:
                    raise
                _LOG.warning("only a part of the addresses wished for %s was added: %s", wish.eni, error)
            return tuple(growth.items)

    def unassign(self, eni: str, what: Sequence[Address | Prefix], deadline: float) -> None:
        with self._turns.turn(eni, deadline):
            for start in range(0, len(what), BATCH):
                self._unassign(eni, what[start : start + BATCH], deadline)

    def _create(self, wish: EniWish, deadline: float) -> str:
        """The id: the answer has nothing else."""
        values = {
            "VSwitchId": wish.vswitch,
            "SecurityGroupIds": wish.security_groups,
            "Name": wish.intent,
            "Description": DESCRIPTION,
        }
        answer = self._client.call(requests.ENS_CREATE, values, deadline, repeatable=False)
        for identifier in answer.texts("NetworkInterfaceIds"):
            return identifier
        raise not_understood(requests.ENS_CREATE, "the answer has no ENI")

    def _listed(self, eni: str, deadline: float) -> Eni:
        """Once the listing shows it."""
        attempts = self._client.attempts(deadline)
        while True:
            found = self._reader.eni(eni, deadline)
            if found is not None:
                return found
            attempts.pause_after(not_understood(requests.ENS_CREATE, f"{eni} is made and not listed yet"))

    def _named(self, name: str, deadline: float) -> Eni | None:
        """The oldest by id, should there be several."""
        found = [each for each in self._reader.enis({"NetworkInterfaceName": name}, deadline) if each.name == name]
        return min(found, key=lambda eni: eni.id, default=None)

    def _grow(self, wish: AddressWish, growth: Growth, deadline: float) -> None:
        attempts = self._client.attempts(deadline)
        while len(growth.items) < wish.ipv4:
            if growth.count(4) >= self._limits.ipv4_per_eni:
                raise _refused(
                    requests.ENS_ASSIGN,
                    f"{wish.eni} has {growth.count(4)} addresses, the most allowed; bind another ENI to the instance",
                    Cause.QUOTA,
                )
            before = len(growth.items)
            try:
                answer = self._client.call(
                    requests.ENS_ASSIGN, {"NetworkInterfaceId": wish.eni}, deadline, repeatable=False
                )
                growth.take(shapes.assigned(answer))
            except CloudError as error:
                if error.cause is not Cause.UNAVAILABLE:
                    raise
                attempts.pause_after(error, LAG)
                growth.see(self._known(wish.eni, deadline).addresses)
            else:
                if len(growth.items) == before:
                    return  # the API gave none, and says it is done

    def _unassign(self, eni: str, what: Sequence[Address | Prefix], deadline: float) -> None:
        """One missing address makes the API refuse all that are named with it: the others are named again."""
        values: dict[str, Value | None] = {
            "NetworkInterfaceId": eni,
            "PrivateIpAddress": [str(each) for each in what],
        }
        try:
            self._client.call(requests.ENS_UNASSIGN, values, deadline)
        except CloudError as error:
            if error.error_code == MISSING_ENI:
                return
            if error.error_code not in MISSING_ADDRESS:
                raise
            found = self._reader.eni(eni, deadline) if len(what) > 1 else None
            left = [each for each in what if found and each in found.addresses]
            if len(left) == len(what):
                raise
        else:
            return
        if left:
            self._unassign(eni, left, deadline)

    def _known(self, eni: str, deadline: float) -> Eni:
        found = self._reader.eni(eni, deadline)
        if found is None:
            raise absent(requests.ENS_ENIS, f"ENI {eni}")
        return found

    def _is_gone(self, eni: str, deadline: float) -> bool:
        return self._reader.eni(eni, deadline) is None


def _refused(action: requests.Action, why: str, cause: Cause = Cause.INVALID) -> CloudError:
    """A wish that is not sent at all."""
    return CloudError(f"{action} was not called: {why}", action=action.name, cause=cause)
