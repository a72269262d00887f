"""Which addresses of a vSwitch are free, lowest first: what was just given back is given out again at once, the
unkindest order for whoever releases too early."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.records import Product, VSwitch

BLOCK = {4: 28, 6: 80}
"""Lengths of the prefixes that an ENI can be given."""

# (first, last) addresses that the vSwitch keeps for itself.
_KEPT = {(Product.ECS, 4): (1, 3), (Product.ECS, 6): (1, 9), (Product.ENS, 4): (2, 1), (Product.ENS, 6): (2, 1)}


class Exhausted(Exception):
    """The vSwitch has not as many as asked."""


def gateway(vswitch: VSwitch, family: int = 4) -> Address:
    """The last but two of a VPC vSwitch, the first of an ENS one. Raises ValueError without a CIDR of the family."""
    cidr = _cidr(vswitch, family)
    return Address(family, cidr.last - 2 if vswitch.product is Product.ECS else cidr.first + 1)


@dataclass
class Subnet:
    """One family of a vSwitch with what is owned in it."""

    vswitch: VSwitch
    family: int
    owned: list[Prefix]

    @classmethod
    def of(cls, vswitch: VSwitch, family: int, owned: Iterable[Prefix]) -> Subnet:
        """:param owned: of any vSwitch and family; what is not of this one is passed over."""
        cidr = _cidr(vswitch, family)
        return cls(vswitch, family, [each for each in owned if cidr.covers(each)])

    @property
    def bounds(self) -> tuple[int, int]:
        """First and last usable value."""
        cidr = _cidr(self.vswitch, self.family)
        low, high = _KEPT[self.vswitch.product, self.family]
        return cidr.first + low, cidr.last - high

    @property
    def free_count(self) -> int:
        first, last = self.bounds
        return last - first + 1 - sum(each.size for each in self.owned)

    def is_usable(self, wanted: Prefix) -> bool:
        """Whether it is in the vSwitch and not kept back."""
        first, last = self.bounds
        return wanted.family == self.family and first <= wanted.first and wanted.last <= last

    def is_free(self, wanted: Prefix) -> bool:
        return not any(each.covers(wanted) or wanted.covers(each) for each in self.owned)

    def take(self, count: int, length: int | None = None) -> tuple[Prefix, ...]:
        """So many free addresses, or blocks of a length, owned from now on. Raises Exhausted, and owns none then."""
        found: list[Prefix] = []
        for candidate in self._candidates(length or Address(self.family, 0).bits):
            if len(found) == count:
                break
            found.append(candidate)
        if len(found) < count:
            raise Exhausted(f"vSwitch {self.vswitch.id} has {len(found)} free, {count} were asked")
        self.owned += found
        return tuple(found)

    def _candidates(self, length: int) -> Iterator[Prefix]:
        """Free blocks of a length in ascending order, skipping over what is owned."""
        size = 1 << (Address(self.family, 0).bits - length)
        first, last = self.bounds
        value = -(-first // size) * size
        owned = sorted((each.first, each.last) for each in self.owned)
        position = 0
        while value + size - 1 <= last:
            while position < len(owned) and owned[position][1] < value:
                position += 1
            if position < len(owned) and owned[position][0] <= value + size - 1:
                value = (owned[position][1] // size + 1) * size
                continue
            yield Prefix(self.family, value, length)
            value += size


def _cidr(vswitch: VSwitch, family: int) -> Prefix:
    cidr = vswitch.cidr if family == 4 else vswitch.cidr6
    if cidr is None:
        raise ValueError(f"vSwitch {vswitch.id} has no IPv6 CIDR")
    return cidr
