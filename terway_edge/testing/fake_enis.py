"""The ENIs of a fake cloud as they really are, what other people do to them, and what they were like before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Eni, EniKind, EniStatus, Instance
from terway_edge.core.ports import Clock
from terway_edge.testing.fake_vswitches import FakeVSwitches, addresses4

INSTANCE = Instance("i-node", "ecs.fake", "zone-a", "vpc-a", "vsw-a")
REMEMBERED = 1000.0
Item = Address | Prefix


class _Change(NamedTuple):
    due: float
    status: EniStatus | None
    """None: gone."""


class FakeEnis:
    """Those of one instance, its primary one among them, and those attached to nothing."""

    def __init__(
        self, clock: Clock, vswitches: Mapping[str, str] | None, zones: Mapping[str, str] | None, attach_seconds: float
    ) -> None:
        self._clock = clock
        self._attach_seconds = attach_seconds
        self._vswitches = FakeVSwitches(vswitches or {"vsw-a": "10.0.0.0/16"}, zones or {}, INSTANCE.zone)
        self._enis: dict[str, Eni] = {}
        self._changes: dict[str, _Change] = {}
        self._history: list[tuple[float, dict[str, Eni]]] = []
        self._serial = 0
        self.staleness = 0.0
        """How old lists are, in seconds."""
        first = next(iter(self._vswitches.all))
        self._enis["eni-primary"] = self._build("eni-primary", first, EniKind.PRIMARY, EniStatus.IN_USE, 1)

    def enis(self) -> dict[str, Eni]:
        """As they really are now."""
        for id, change in list(self._changes.items()):
            if change.due <= self._clock.now():
                del self._changes[id]
                found = self._enis.pop(id)
                if change.status is not None:
                    keeps = change.status is EniStatus.IN_USE
                    self._put(replace(found, status=change.status, instance=found.instance if keeps else ""))
        return self._enis

    def owned(self, instance: str = INSTANCE.id) -> set[Address]:
        """Single addresses of ENIs that the instance has in use, and all of their IPv4 prefixes."""
        found: set[Address] = set()
        for eni in self.enis().values():
            if eni.instance == instance and eni.status is EniStatus.IN_USE:
                found.update(eni.addresses, addresses4(eni))
        return found

    def free(self, vswitch: str) -> int:
        return self._vswitches.free(vswitch, self.enis().values())

    # --- what others do -------------------------------------------------------------------------------------------

    def use_up(self, vswitch: str, left: int) -> None:
        """Other people take addresses until so many are left."""
        self._vswitches.use_up(vswitch, left, self.enis().values())

    def give_back(self, vswitch: str) -> None:
        """Other people leave."""
        self._vswitches.give_back(vswitch)

    def add_eni(self, addresses: int = 1, vswitch: str = "", **changes: object) -> Eni:
        """Somebody attaches an ENI."""
        self._serial += 1
        where = vswitch or next(iter(self._vswitches.all))
        eni = self._build(f"eni-x{self._serial}", where, EniKind.SECONDARY, EniStatus.IN_USE, addresses)
        eni = replace(eni, **changes)  # type: ignore[arg-type]
        self._put(eni)
        return eni

    def take_address(self, eni: str, address: Address) -> None:
        """Somebody unassigns an address, and somebody else gets it."""
        found = self.enis()[eni]
        self._put(without(found, {address}))
        if address.family == 4:
            self._vswitches.occupy(found.vswitch, address)

    def tear_off(self, eni: str) -> None:
        """Somebody detaches an ENI, at once."""
        found = self.enis()[eni]
        self._changes.pop(eni, None)
        self._put(replace(found, status=EniStatus.AVAILABLE, instance=""))

    def drop(self, eni: str) -> None:
        """Somebody deletes an ENI, whatever its state."""
        self.enis()
        self._note()
        self._changes.pop(eni, None)
        del self._enis[eni]

    def move(self, eni: str, instance: str) -> None:
        """Somebody attaches an ENI to another instance, at once."""
        found = self.enis()[eni]
        self._changes.pop(eni, None)
        self._put(replace(found, status=EniStatus.IN_USE, instance=instance))

    def unstick(self) -> None:
        for id, change in self._changes.items():
            self._changes[id] = change._replace(due=min(change.due, self._clock.now() + self._attach_seconds))

    # --- within ---------------------------------------------------------------------------------------------------

    def _build(self, id: str, vswitch: str, kind: EniKind, status: EniStatus, ipv4: int, ipv6: int = 0) -> Eni:
        """Raises NoneLeft."""
        addresses = self._vswitches.take(vswitch, ipv4, ipv6, self._enis.values())
        mac = bytes([2, 0, 0, *self._serial.to_bytes(3, "big")])
        return Eni(
            id, mac, status, kind, vswitch, addresses[0], addresses, (), INSTANCE.id, "zone-a", "", ("sg-a",), {}
        )

    def _change(self, eni: str, status: EniStatus | None, *, is_stuck: bool) -> None:
        self._changes[eni] = _Change(math.inf if is_stuck else self._clock.now() + self._attach_seconds, status)

    def _put(self, eni: Eni) -> None:
        self._note()
        self._enis[eni.id] = eni

    def _note(self) -> None:
        """Remember what was, for old lists."""
        now = self._clock.now()
        if not self._history or self._history[-1][0] < now:
            self._history.append((now, dict(self._enis)))
            self._history = [moment for moment in self._history if moment[0] > now - REMEMBERED]

    def _shown(self) -> dict[str, Eni]:
        """A moment holds what was so until then."""
        if not self.staleness:
            return self._enis
        then = self._clock.now() - self.staleness
        return next((enis for at, enis in self._history if at > then), self._enis)


def without(eni: Eni, gone: Iterable[Item]) -> Eni:
    gone = set(gone)
    return replace(
        eni,
        addresses=tuple(each for each in eni.addresses if each not in gone),
        prefixes=tuple(each for each in eni.prefixes if each not in gone),
    )
