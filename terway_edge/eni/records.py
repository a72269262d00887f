"""What the pool knows of each ENI it has, makes or gives up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import AddressWish, Eni, EniWish
from terway_edge.eni.actions import Item
from terway_edge.eni.policy import BLOCK, Shape


@dataclass(slots=True)
class Held:
    """An attached ENI whose addresses pods may have.

    `since`: when that began; lists may be older. `items`: what it owns and since when that is known. `missing`: items
    that the newest list lacks, and since which list; `noticed`: what it shows beyond them. `absent_at`: the list that
    first lacked the ENI as a whole, or showed it on its way out.
    """

    eni: Eni
    since: float
    items: dict[Item, float]
    missing: dict[Item, float] = field(default_factory=dict)
    noticed: dict[Item, float] = field(default_factory=dict)
    absent_at: float | None = None
    _offer: dict[int, frozenset[Address]] | None = None
    _sizes: dict[int, int] | None = None
    _certain: tuple[dict[Item, float], tuple[Item, ...]] | None = None

    @property
    def is_present(self) -> bool:
        return self.absent_at is None

    def add(self, items: Iterable[Item], at: float) -> None:
        for item in items:
            self.items.setdefault(item, at)
            self.noticed.pop(item, None)
        self._offer = self._sizes = self._certain = None

    def drop(self, items: Iterable[Item]) -> None:
        for item in items:
            self.items.pop(item, None)
            self.missing.pop(item, None)
        self._offer = self._sizes = self._certain = None

    def offer(self, shape: Shape) -> dict[int, frozenset[Address]]:
        """Addresses for pods, by family; those missing are among them."""
        if self._offer is None:
            found: dict[int, set[Address]] = {family: set() for family in shape.families}
            for item in self.items:
                if item.family in found and (shape.uses_primary or item != self.eni.primary):
                    found[item.family].update(addresses_of(item, shape))
            self._offer = {family: frozenset(addresses) for family, addresses in found.items()}
        return self._offer

    def certain(self) -> tuple[Item, ...]:
        """What no list lacks; the same tuple until a list says something else, so that to compare it costs nothing."""
        if self._certain is None or self._certain[0] is not self.missing:
            self._certain = self.missing, tuple(item for item in self.items if item not in self.missing)
        return self._certain[1]

    def size(self, family: int) -> int:
        """Addresses and prefixes of a family."""
        if self._sizes is None:
            self._sizes = {each: sum(item.family == each for item in self.items) for each in (4, 6)}
        return self._sizes[family]

    def pods(self, shape: Shape) -> int:
        """How many it serves, those that have an address included."""
        return min(map(len, self.offer(shape).values()))

    def unused(self, shape: Shape, used: frozenset[Address]) -> int:
        """How many more it serves."""
        return min(len(addresses - used) for addresses in self.offer(shape).values())

    def barred(self, shape: Shape) -> frozenset[Address]:
        """Addresses that no pod may be given now."""
        if not self.is_present:
            return frozenset().union(*self.offer(shape).values())
        return frozenset(address for item in self.missing for address in addresses_of(item, shape))


@dataclass(slots=True)
class Making:
    """An ENI on its way: wished for, then made (`eni` is its id), then attaching since `attach_at`.

    `first_attach_at` starts the patience; `listed_at` is the newest list that showed it attaching.
    """

    wish: EniWish
    eni: str = ""
    attach_at: float | None = None
    first_attach_at: float | None = None
    listed_at: float = 0.0

    def pods(self, shape: Shape) -> int:
        """How many it serves without another call."""
        four = self.wish.ipv4 - (not shape.uses_primary) + self.wish.ipv4_prefixes * BLOCK
        six = shape.per_eni if self.wish.ipv6_prefixes else self.wish.ipv6
        return max(min({4: four, 6: six}[family] for family in shape.families), 0)


@dataclass(slots=True)
class Leaving:
    """An ENI of ours that is given up. `addresses` are those that pods may have had: none may have one now.

    `is_bound`: it must be detached first. An orphan is never detached: it must not be in use.
    """

    eni: str
    addresses: tuple[Address, ...] = ()
    is_bound: bool = True
    is_orphan: bool = False
    detached_at: float = 0.0
    held: Held | None = None


def addresses_of(item: Item, shape: Shape) -> Iterator[Address]:
    """A /80 has more than anybody needs; its first address is every router's (RFC 4291, section 2.6.1)."""
    if isinstance(item, Address):
        yield item
    else:
        first, most = (item.first, BLOCK) if item.family == 4 else (item.first + 1, shape.per_eni)
        for value in range(first, min(item.last + 1, first + most)):
            yield Address(item.family, value)


def items_of(eni: Eni) -> tuple[Item, ...]:
    return (*eni.addresses, *eni.prefixes)


def pods_of(wish: AddressWish, shape: Shape) -> int:
    """How many more pods a wish is to serve; with both families what one lacks may be there already."""
    four, six = wish.ipv4 + wish.ipv4_prefixes * BLOCK, wish.ipv6
    if shape.unit > 1:
        return four if 4 in shape.families else shape.per_eni
    return max(four if 4 in shape.families else 0, six if 6 in shape.families else 0)
