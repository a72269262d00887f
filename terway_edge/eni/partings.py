"""Addresses and prefixes that were taken from an ENI: not for pods any more, whatever an old list says.

They are open until the cloud has confirmed it, and remembered as closed for a while after.
"""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.eni.actions import Item
from terway_edge.eni.intents import Parted

REMEMBERED = 600.0  # seconds; lists that are older than that are not expected


class Partings:
    """By ENI; each item with the time when it was taken, or confirmed."""

    def __init__(self, parted: Iterable[Parted] = ()) -> None:
        self._open: dict[str, dict[Item, float]] = {}
        self._closed: dict[str, dict[Item, float]] = {}
        for each in parted:
            side = self._closed if each.is_done else self._open
            side.setdefault(each.eni, {}).update(dict.fromkeys(each.items, each.at))

    def begin(self, eni: str, items: Iterable[Item], at: float) -> None:
        self._open.setdefault(eni, {}).update(dict.fromkeys(items, at))

    def take_back(self, eni: str, items: Iterable[Item]) -> None:
        """They stay after all; nobody has asked the cloud yet."""
        self._remove(self._open, eni, items)

    def close(self, eni: str, items: Iterable[Item], at: float) -> None:
        """The cloud has confirmed, or they were seen to be gone."""
        items = tuple(items)
        self._remove(self._open, eni, items)
        self._closed.setdefault(eni, {}).update(dict.fromkeys(items, at))

    def reopen(self, eni: str, items: Iterable[Item]) -> None:
        """The cloud has assigned them again."""
        items = tuple(items)
        self._remove(self._open, eni, items)
        self._remove(self._closed, eni, items)

    def forget(self, eni: str) -> None:
        """The ENI is gone, and its addresses with it."""
        self._open.pop(eni, None)
        self._closed.pop(eni, None)

    def expire(self, now: float) -> None:
        for eni, items in list(self._closed.items()):
            self._remove(self._closed, eni, [item for item, at in items.items() if at + REMEMBERED <= now])

    def open(self, eni: str) -> tuple[Item, ...]:
        return tuple(self._open.get(eni, ()))

    def closed(self, eni: str) -> tuple[Item, ...]:
        """Confirmed, and remembered still."""
        return tuple(self._closed.get(eni, ()))

    def enis(self) -> tuple[str, ...]:
        """Those with open items."""
        return tuple(self._open)

    def has(self, eni: str, item: Item) -> bool:
        return item in self._open.get(eni, ()) or item in self._closed.get(eni, ())

    def parted(self) -> tuple[Parted, ...]:
        """All, items of one time together."""
        found = []
        for is_done, side in ((False, self._open), (True, self._closed)):
            for eni, items in side.items():
                found += [
                    Parted(eni, tuple(item for item, when in items.items() if when == at), at, is_done)
                    for at in sorted(set(items.values()))
                ]
        return tuple(found)

    @staticmethod
    def _remove(side: dict[str, dict[Item, float]], eni: str, items: Iterable[Item]) -> None:
        known = side.get(eni)
        if known is None:
            return
        for item in items:
            known.pop(item, None)
        if not known:
            del side[eni]
