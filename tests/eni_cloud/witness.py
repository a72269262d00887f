"""Who watches the cloud while a pool is at work, and what the calls of one may cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from terway_edge.cloud.budget import DEFAULT_RATE, RATES
from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi import CallRecord, Eni, Observer

TOLERANCE = 1.05


class Witness(Observer):
    """Notes every address that an ENI of the instance loses while a pod has it, unless others took it.

    `used` are the addresses of pods; `by_others` is set while somebody else changes something.
    """

    def __init__(self, instance: str, used: Callable[[], Collection[Address]]) -> None:
        self._instance, self._used = instance, used
        self._owned: dict[str, set[Address]] = {}
        self.by_others = False
        self.touched: set[Address] = set()
        """Addresses that others took from a pod's ENI: what became of them is nobody's promise."""
        self.losses: list[str] = []

    def know(self, enis: Iterable[Eni]) -> None:
        """What there is from the start."""
        self._owned = {eni.id: owned(eni) for eni in enis}

    def on_attached(self, instance: str, eni: Eni) -> None:
        self._owned[eni.id] = owned(eni)

    def on_detached(self, instance: str, eni: Eni) -> None:
        self._owned.pop(eni.id, None)
        if instance == self._instance:
            self._lost(eni.id, owned(eni))

    def on_addresses_changed(self, eni: Eni) -> None:
        before, self._owned[eni.id] = self._owned.get(eni.id, set()), owned(eni)
        if eni.instance == self._instance:
            self._lost(eni.id, before - self._owned[eni.id])

    def _lost(self, eni: str, addresses: set[Address]) -> None:
        if self.by_others:
            self.touched |= addresses
            return
        self.losses += [f"{address} of {eni}" for address in addresses & set(self._used()) - self.touched]


def owned(eni: Eni) -> set[Address]:
    """All that an ENI owns; of a prefix as many as pods may have."""
    return {address for each in eni.owned() for address in addresses_in(each)}


def addresses_in(prefix: Prefix) -> Iterator[Address]:
    """The first ones, and more than an ENI serves pods."""
    for value in range(prefix.first, min(prefix.last, prefix.first + 300) + 1):
        yield Address(prefix.family, value)


def over_budget(calls: Iterable[CallRecord], own_rates: Mapping[str, int] = {}) -> list[str]:
    """Actions called more often than a bucket of a minute's calls, refilled evenly, lets pass; 5 % are forgiven.

    :param own_rates: calls a minute by action, over the client's own
    """
    rates = defaultdict(lambda: DEFAULT_RATE, {**RATES, **own_rates})
    level: dict[str, tuple[float, float]] = {}
    found: dict[str, float] = defaultdict(float)
    for call in calls:
        rate = rates[call.action]
        was, at = level.get(call.action, (0.0, call.at))
        now = max(was - (call.at - at) * rate / 60, 0.0) + 1
        level[call.action] = now, call.at
        if now > rate * TOLERANCE:
            found[call.action] = max(found[call.action], now)
    return [f"{action}: {most:.1f} calls of {rates[action]} a minute" for action, most in found.items()]
