"""All that exists, and how it changes with time."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from terway_edge.testing.openapi.history import History, Moment
from terway_edge.testing.openapi.pace import Delay
from terway_edge.testing.openapi.records import (
    Change,
    Eni,
    EniStatus,
    Instance,
    Network,
    Product,
    Route,
    SecurityGroup,
    VSwitch,
)
from terway_edge.testing.openapi.site import InstanceTypeSpec, Site
from terway_edge.testing.openapi.subnet import Subnet


class EventKind(StrEnum):
    ATTACHED = "attached"
    DETACHED = "detached"
    ADDRESSES_CHANGED = "addresses_changed"


class Event(NamedTuple):
    """What happened to an ENI that an instance has, or had until then."""

    kind: EventKind
    instance: str
    eni: Eni


class Cloud:
    """Records by id. `now` is the emulator's clock, `wall` the time of day, both in seconds and set from outside.

    Whoever changes something has checked everything before: a change is one `put` or `drop`, so it is whole or not.
    """

    def __init__(self, site: Site, *, now: float, wall: float) -> None:
        self.site = site
        self.now, self.wall = now, wall
        self.networks: dict[str, Network] = {}
        self.vswitches: dict[str, VSwitch] = {}
        self.security_groups: dict[str, SecurityGroup] = {}
        self.types: Mapping[str, InstanceTypeSpec] = {each.id: each for each in site.instance_types}
        self.instances: dict[str, Instance] = {}
        self.enis: dict[str, Eni] = {}
        self.routes: dict[str, Route] = {}
        self.events: deque[Event] = deque()
        self.history = History()
        self._serials = count(1)

    # What there is.

    def enis_of(self, instance: str) -> list[Eni]:
        """The instance's ENIs, those under way included, the primary one first."""
        return sorted((each for each in self.enis.values() if each.instance == instance), key=_primary_first)

    def subnet(self, vswitch: VSwitch, family: int) -> Subnet:
        """Raises ValueError if the vSwitch has no CIDR of the family."""
        owned = (each for eni in self.enis.values() if eni.network == vswitch.network for each in eni.owned())
        return Subnet.of(vswitch, family, owned)

    def vswitches_of(self, product: Product) -> Iterator[VSwitch]:
        return (each for each in self.vswitches.values() if each.product is product)

    def seen(self, at: float) -> Cloud:
        """This cloud as its listings would have shown it then, as far back as history is kept."""
        moment = self.history.at(at)
        view = copy.copy(self)
        view.enis, view.instances = dict(moment.enis), dict(moment.instances)
        return view

    def keep_history(self, horizon: float) -> None:
        """So that `seen` reaches so many seconds back. What there is at the first time stands for all time before."""
        self.history.reach_back(horizon)
        self._note()

    # How it changes.

    def new_id(self, kind: str) -> tuple[str, int]:
        """An id that is not in use, and its serial number."""
        while True:
            serial = next(self._serials)
            identifier = f"{kind}-{serial:06d}"
            if identifier not in self.enis and identifier not in self.routes:
                return identifier, serial

    def put(self, eni: Eni) -> None:
        """Create or replace an ENI; whoever watches is told what that means for its instance."""
        before = self.enis.get(eni.id)
        self.enis[eni.id] = eni
        self._tell(before, eni)
        self._note()

    def drop(self, eni: Eni) -> None:
        del self.enis[eni.id]
        self._tell(eni, None)
        self._note()

    def put_instance(self, instance: Instance) -> None:
        self.instances[instance.id] = instance
        self._note()

    def release_instance(self, instance: Instance) -> None:
        """The instance goes, with its primary ENI and those that are to be deleted with it; the others stay."""
        del self.instances[instance.id]
        for eni in self.enis_of(instance.id):
            if eni.type == "Primary" or eni.delete_on_release:
                self.drop(eni)
            else:
                self.put(replace(eni, instance="", status=EniStatus.AVAILABLE, change=None))
        self._note()

    def change_in(self, delay: Delay, status: str) -> Change:
        """A change that begins now."""
        return Change(status, self.now + delay.seconds, delay.describes)

    def settle(self, now: float, wall: float) -> None:
        """Let time pass, and finish what is due."""
        self.now, self.wall = now, wall
        for eni in list(self.enis.values()):
            if eni.change and self._is_over(eni.change):
                self._finish(eni, eni.change)
        for instance in list(self.instances.values()):
            if instance.change and self._is_over(instance.change):
                self.put_instance(replace(instance, status=instance.change.status, change=None))

    def listed(self, enis: Iterable[str]) -> None:
        """A listing showed these ENIs."""
        for identifier in enis:
            eni = self.enis.get(identifier)
            if eni and eni.change and eni.change.describes:
                change = eni.change._replace(describes=eni.change.describes - 1)
                self.enis[identifier] = replace(eni, change=change)

    def _is_over(self, change: Change) -> bool:
        return change.due <= self.now and not change.describes

    def _finish(self, eni: Eni, change: Change) -> None:
        if not change.status:
            self.drop(eni)
            return
        status = EniStatus(change.status)
        instance = "" if status is EniStatus.AVAILABLE else eni.instance
        self.put(replace(eni, status=status, instance=instance, change=None))

    def _tell(self, before: Eni | None, after: Eni | None) -> None:
        was, now = bool(before and before.is_plugged), bool(after and after.is_plugged)
        if before and was and not (after and now and after.instance == before.instance):
            self.events.append(Event(EventKind.DETACHED, before.instance, before))
        if after and now and not (before and was and after.instance == before.instance):
            self.events.append(Event(EventKind.ATTACHED, after.instance, after))
        elif before and after and list(before.owned()) != list(after.owned()):
            self.events.append(Event(EventKind.ADDRESSES_CHANGED, after.instance, after))

    def _note(self) -> None:
        if self.history.is_kept:
            self.history.note(Moment(self.now, dict(self.enis), dict(self.instances)))


def _primary_first(eni: Eni) -> tuple[bool, int]:
    return (eni.type != "Primary", eni.serial)
