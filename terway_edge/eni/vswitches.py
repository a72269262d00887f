"""Which vSwitch has room: the cloud's counts are old, so what was asked for since is taken off, and failures count."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from terway_edge.core.cloud import VSwitch
from terway_edge.eni.moment import Moment
from terway_edge.eni.policy import VSwitchSelection

RAN_OUT = 600.0  # seconds until one that had no address left is tried again
PLENTY = 1 << 30


class _Short(NamedTuple):
    """At most so many are asked for until then."""

    most: int
    until: float


class _Promise(NamedTuple):
    vswitch: str
    addresses: int


class VSwitches:
    """By id; of one that was never read nothing but failures is known, and perhaps what an earlier process read."""

    def __init__(self) -> None:
        self.seen: dict[str, VSwitch] = {}
        self._recalled: dict[str, VSwitch] = {}
        self._promises: dict[str, _Promise] = {}
        self._spent: Counter[str] = Counter()
        self._short: dict[str, _Short] = {}

    def recall(self, vswitches: Iterable[VSwitch]) -> None:
        """Their counts are not known, but the way out of them."""
        self._recalled = {each.id: each for each in vswitches}

    def way(self, vswitch: str) -> VSwitch | None:
        """Gateways and CIDRs; None if they were never read."""
        return self.seen.get(vswitch) or self._recalled.get(vswitch)

    def saw(self, vswitches: Iterable[VSwitch]) -> None:
        for vswitch in vswitches:
            self.seen[vswitch.id] = vswitch
            del self._spent[vswitch.id]

    def is_none(self, vswitch: str, now: float) -> None:
        """The cloud does not show it: what an earlier process read counts no more."""
        self._recalled.pop(vswitch, None)
        self.pass_over(vswitch, now)

    def promise(self, intent: str, vswitch: str, addresses: int) -> None:
        """A call is about to ask for so many."""
        self._promises[intent] = _Promise(vswitch, addresses)

    def settle(self, intent: str, addresses: int) -> None:
        """It got so many; 0 if it failed. An unknown intent is fine: it is of another process."""
        promise = self._promises.pop(intent, None)
        if promise is not None:
            self._spent[promise.vswitch] += addresses

    def ran_out(self, vswitch: str, asked: int, now: float) -> None:
        """It had not so many left: ask for half, if that is any, and for none after one."""
        self._short[vswitch] = _Short(asked // 2, now + RAN_OUT)

    def pass_over(self, vswitch: str, now: float) -> None:
        """It is of no use as it is: there is none of that id, or it does not fit."""
        self._short[vswitch] = _Short(0, now + RAN_OUT)

    def short(self, now: float) -> list[str]:
        """Those that have run out, or are of no use."""
        return [each for each, short in self._short.items() if short.most == 0 and now < short.until]

    def most(self, vswitch: str, unit: int, moment: Moment) -> int:
        """How many addresses, or prefixes of `unit` addresses, may be asked for."""
        most = PLENTY
        short = self._short.get(vswitch)
        if short is not None and moment.is_due(short.until):
            del self._short[vswitch]
        elif short is not None:
            most = short.most
        if vswitch in self.seen:
            most = min(most, self.free(vswitch) // unit)
        return max(most, 0)

    def free(self, vswitch: str) -> int:
        """Addresses that should be left."""
        known = self.seen.get(vswitch)
        if known is None:
            return 0
        promised = sum(each.addresses for each in self._promises.values() if each.vswitch == vswitch)
        return known.free - promised - self._spent[vswitch]

    def is_in(self, vswitch: str, zone: str) -> bool:
        """Whether it is in the zone, as far as is known."""
        return vswitch not in self.seen or self.seen[vswitch].zone == zone

    def choose(
        self,
        candidates: Sequence[str],
        wanted: int,
        unit: int,
        selection: VSwitchSelection,
        rng: random.Random,
        moment: Moment,
    ) -> tuple[str, int]:
        """(vSwitch, how many to ask it for), with 0 if there is none: one that has all that is wanted, if any has."""
        room = {each: min(self.most(each, unit, moment), wanted) for each in candidates}
        best = max(room.values(), default=0)
        if best == 0:
            return "", 0
        fitting = [each for each, most in room.items() if most == best]
        if selection is VSwitchSelection.ORDERED:
            return max(fitting, key=self.free), best
        return rng.choice(fitting), best
