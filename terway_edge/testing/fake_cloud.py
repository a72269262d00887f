"""A strict cloud in memory behind the cloud port: what the APIs refuse it refuses, and it fails as told.

Time is a FakeClock's. Attaching, detaching and deleting take a while of it, and are seen to be done when it has passed.
No call is repeated within: a fault is what the caller gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import (
    AddressWish,
    Cause,
    CloudError,
    Eni,
    EniKind,
    EniStatus,
    EniWish,
    Features,
    Instance,
    Limits,
    VSwitch,
)
from terway_edge.core.ports import Clock
from terway_edge.testing.cloud_faults import PREVENTING, Fault, Made
from terway_edge.testing.fake_enis import INSTANCE, FakeEnis, Item, without
from terway_edge.testing.fake_vswitches import NoneLeft

ECS = Features(True, True, True, True, True, True, 10)
ENS = Features(False, False, False, False, False, False, 1)
T = TypeVar("T")


class FakeCloud(FakeEnis):
    """`core.cloud.Cloud` of one instance. `calls` are all made so far; `faults` of a verb are used up in order."""

    def __init__(
        self,
        clock: Clock,
        limits: Limits = Limits(6, 15, 15),  # noqa: B008 - an immutable tuple
        features: Features = ECS,
        vswitches: Mapping[str, str] | None = None,
        *,
        zones: Mapping[str, str] | None = None,
        attach_seconds: float = 3.0,
    ) -> None:
        super().__init__(clock, vswitches, zones, attach_seconds)
        self._limits = limits
        self._features = features
        self._tokens: dict[str, tuple[object, object]] = {}
        self.calls: list[Made] = []
        self.faults: dict[str, list[Fault]] = {}
        self.outage: Fault | None = None
        """What every call ends with."""

    # --- the port -------------------------------------------------------------------------------------------------

    @property
    def features(self) -> Features:
        return self._features

    def instance(self, instance: str, deadline: float) -> Instance:
        self._enter("instance", instance)
        return INSTANCE

    def limits(self, instance_type: str, deadline: float) -> Limits:
        self._enter("limits", instance_type)
        return self._limits

    def vswitches(self, ids: Sequence[str], deadline: float) -> list[VSwitch]:
        self._enter("vswitches", ",".join(ids))
        known = self._vswitches.all
        return [replace(known[id], free=self.free(id)) for id in ids if id in known]

    def enis_of(self, instance: str, deadline: float) -> list[Eni]:
        self._enter("enis_of", instance)
        return [eni for eni in self._shown().values() if eni.instance == instance]

    def find_enis(self, deadline: float, *, tags: Mapping[str, str] | None = None, name: str = "") -> list[Eni]:
        self._enter("find_enis", name)
        wanted = (tags or {}).items()
        return [eni for eni in self._shown().values() if wanted <= eni.tags.items() and name in ("", eni.name)]

    def create_eni(self, wish: EniWish, deadline: float) -> Eni:
        fault = self._enter("create_eni", wish.intent)
        known = self._recall(wish.intent, wish)
        if known is None:
            known = self._create(wish if fault is not Fault.PARTIAL else wish._replace(ipv4=1, ipv4_prefixes=0))
            self._put(known)
            self._tokens[wish.intent] = (wish, known)
        assert isinstance(known, Eni)
        return self._leave("create_eni", fault, known)

    def attach(self, eni: str, instance: str, deadline: float) -> None:
        fault = self._enter("attach", eni)
        found = self._find("attach", eni)
        if not (found.instance == instance and found.status in (EniStatus.ATTACHING, EniStatus.IN_USE)):
            if not self._features.attaches_hot:
                raise self._refuse("attach", Cause.INVALID)
            if found.status is not EniStatus.AVAILABLE:
                raise self._refuse("attach", Cause.CONFLICT)
            if sum(1 for each in self._enis.values() if each.instance == instance) >= self._limits.enis:
                raise self._refuse("attach", Cause.QUOTA)
            self._put(replace(found, status=EniStatus.ATTACHING, instance=instance))
            self._change(
                eni,
                EniStatus.AVAILABLE if fault is Fault.FALLS_BACK else EniStatus.IN_USE,
                is_stuck=fault is Fault.STUCK,
            )
        self._leave("attach", fault, None)

    def detach(self, eni: str, instance: str, deadline: float) -> None:
        fault = self._enter("detach", eni)
        found = self._enis.get(eni)
        if found is not None and found.instance == instance and found.status is not EniStatus.DETACHING:
            if found.status is not EniStatus.IN_USE or found.kind is EniKind.PRIMARY:
                raise self._refuse("detach", Cause.CONFLICT)
            self._put(replace(found, status=EniStatus.DETACHING))
            self._change(
                eni,
                EniStatus.IN_USE if fault is Fault.FALLS_BACK else EniStatus.AVAILABLE,
                is_stuck=fault is Fault.STUCK,
            )
        self._leave("detach", fault, None)

    def delete_eni(self, eni: str, deadline: float) -> None:
        fault = self._enter("delete_eni", eni)
        found = self._enis.get(eni)
        if found is not None and found.status is not EniStatus.DELETING:
            if found.status is not EniStatus.AVAILABLE:
                raise self._refuse("delete_eni", Cause.CONFLICT)
            self._put(replace(found, status=EniStatus.DELETING))
            self._change(eni, EniStatus.AVAILABLE if fault is Fault.FALLS_BACK else None, is_stuck=fault is Fault.STUCK)
        self._leave("delete_eni", fault, None)

    def assign(self, wish: AddressWish, deadline: float) -> tuple[Item, ...]:
        fault = self._enter("assign", wish.eni)
        known = self._recall(wish.intent, wish) if self._features.has_tokens else self._growth(wish)
        if known is None:
            found = self._find("assign", wish.eni)
            if found.status not in (EniStatus.AVAILABLE, EniStatus.IN_USE):
                raise self._refuse("assign", Cause.CONFLICT)
            grown = self._grow(found, wish if fault is not Fault.PARTIAL else _least(wish))
            known = tuple(item for item in _items(grown) if item not in _items(found))
            self._put(grown)
            self._tokens[wish.intent] = (wish, known)
        assert isinstance(known, tuple)
        return self._leave("assign", fault, known)

    def unassign(self, eni: str, what: Sequence[Item], deadline: float) -> None:
        fault = self._enter("unassign", eni)
        found = self._enis.get(eni)
        if found is not None:
            if found.status not in (EniStatus.AVAILABLE, EniStatus.IN_USE):
                raise self._refuse("unassign", Cause.CONFLICT)
            if found.primary in what or len(what) > max(self._features.batch, 10) * 2:
                raise self._refuse("unassign", Cause.INVALID)
            gone = set(what[:1] if fault is Fault.PARTIAL else what)
            self._put(without(found, gone))
        if fault is Fault.PARTIAL:
            raise CloudError("unassign: a part was done", action="unassign", cause=Cause.UNAVAILABLE)
        self._leave("unassign", fault, None)

    def disable_source_check(self, eni: str, deadline: float) -> None:
        fault = self._enter("disable_source_check", eni)
        self._put(replace(self._find("disable_source_check", eni), checks_source=False))
        self._leave("disable_source_check", fault, None)

    def made(self, *verbs: str) -> int:
        """How many calls of these verbs were made; of all verbs if none is given."""
        return sum(1 for call in self.calls if not verbs or call.verb in verbs)

    # --- within ---------------------------------------------------------------------------------------------------

    def _enter(self, verb: str, subject: str) -> Fault | None:
        """Raises CloudError for what prevents the call."""
        self.enis()
        queue = self.faults.get(verb, [])
        fault = self.outage or (queue.pop(0) if queue else None)
        self.calls.append(Made(verb, subject, fault or ""))
        if fault in PREVENTING:
            raise CloudError(f"{verb}: {fault}", action=verb, cause=PREVENTING[fault])
        return fault

    def _leave(self, verb: str, fault: Fault | None, answer: T) -> T:
        if fault is Fault.LOST:
            raise CloudError(f"{verb}: the answer was lost", action=verb, cause=Cause.UNAVAILABLE)
        return answer

    def _refuse(self, verb: str, cause: Cause) -> CloudError:
        self.calls[-1] = self.calls[-1]._replace(outcome=cause)
        return CloudError(f"{verb}: refused as {cause}", action=verb, cause=cause)

    def _find(self, verb: str, eni: str) -> Eni:
        if eni not in self._enis:
            raise self._refuse(verb, Cause.MISSING)
        return self._enis[eni]

    def _recall(self, intent: str, wish: object) -> object:
        """The answer of an earlier attempt."""
        if intent not in self._tokens:
            return None
        if self._tokens[intent][0] != wish:
            raise self._refuse(self.calls[-1].verb, Cause.SPENT)
        return self._tokens[intent][1]

    def _create(self, wish: EniWish) -> Eni:
        if wish.vswitch not in self._vswitches.all:
            raise self._refuse("create_eni", Cause.MISSING)
        if not wish.security_groups:
            raise self._refuse("create_eni", Cause.INVALID)
        self._serial += 1
        id, counts = f"eni-{self._serial}", (wish.ipv4, wish.ipv6)
        try:
            made = self._build(id, wish.vswitch, EniKind.SECONDARY, EniStatus.AVAILABLE, *counts)
        except NoneLeft:
            raise self._refuse("create_eni", Cause.EXHAUSTED) from None
        return replace(
            self._with_prefixes(made, wish.ipv4_prefixes, wish.ipv6_prefixes),
            instance="",
            tags=dict(wish.tags),
            security_groups=wish.security_groups,
            checks_source=wish.checks_source,
        )

    def _growth(self, wish: AddressWish) -> tuple[Item, ...] | None:
        """Without tokens: what a list shows that the ENI has more than before."""
        found = self._shown().get(wish.eni) or self._find("assign", wish.eni)
        known = {*wish.before, *wish.parted}
        return tuple(item for item in _items(found) if item not in known)[: wish.ipv4] or None

    def _grow(self, eni: Eni, wish: AddressWish) -> Eni:
        if not self._features.assigns_many:
            wish = wish._replace(ipv4=min(wish.ipv4, 1))
        for family, limit in (4, self._limits.ipv4_per_eni), (6, self._limits.ipv6_per_eni):
            added = (wish.ipv4 + wish.ipv4_prefixes) if family == 4 else (wish.ipv6 + wish.ipv6_prefixes)
            if added and sum(1 for item in _items(eni) if item.family == family) + added > limit:
                raise self._refuse("assign", Cause.QUOTA)
        four = self._take(eni.vswitch, wish.ipv4, wish.ipv6)
        grown = replace(eni, addresses=(*eni.addresses, *four))
        return self._with_prefixes(grown, wish.ipv4_prefixes, wish.ipv6_prefixes)

    def _take(self, vswitch: str, ipv4: int, ipv6: int) -> tuple[Address, ...]:
        try:
            return self._vswitches.take(vswitch, ipv4, ipv6, self._enis.values())
        except NoneLeft:
            raise self._refuse(self.calls[-1].verb, Cause.EXHAUSTED) from None

    def _with_prefixes(self, eni: Eni, ipv4: int, ipv6: int) -> Eni:
        try:
            more = self._vswitches.take_prefixes(eni.vswitch, ipv4, ipv6, self._enis.values())
        except NoneLeft:
            raise self._refuse(self.calls[-1].verb, Cause.EXHAUSTED) from None
        return replace(eni, prefixes=(*eni.prefixes, *more))


def _items(eni: Eni) -> tuple[Item, ...]:
    return (*eni.addresses, *eni.prefixes)


def _least(wish: AddressWish) -> AddressWish:
    return wish._replace(ipv4=min(wish.ipv4, 1), ipv6=min(wish.ipv6, 1), ipv4_prefixes=min(wish.ipv4_prefixes, 1))
