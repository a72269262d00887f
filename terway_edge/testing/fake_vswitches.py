"""The vSwitches of a fake cloud: which of their addresses are whose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Eni, VSwitch

KEPT = 5
"""Addresses that a vSwitch keeps for itself: the network's, three for gateway and services, the last one."""


class NoneLeft(Exception):
    """The vSwitch has not so many."""


class FakeVSwitches:
    """By id, with their IPv4 CIDRs; all in one zone unless `zones` says otherwise. Each has an IPv6 CIDR, too."""

    def __init__(self, cidrs: Mapping[str, str], zones: Mapping[str, str], default_zone: str) -> None:
        self.all = {id: _vswitch(id, cidr, zones.get(id, default_zone)) for id, cidr in cidrs.items()}
        self._taken: dict[str, set[int]] = {id: set() for id in self.all}
        self._six = count(1)

    def free(self, vswitch: str, enis: Iterable[Eni]) -> int:
        return self.all[vswitch].cidr.size - KEPT - len(self._used(vswitch, enis))

    def take(self, vswitch: str, ipv4: int, ipv6: int, enis: Iterable[Eni]) -> tuple[Address, ...]:
        """The lowest that are free, so that what was just given back is out again at once. Raises NoneLeft."""
        used, subnet = self._used(vswitch, enis), self.all[vswitch]
        if subnet.cidr.size - KEPT - len(used) < ipv4:
            raise NoneLeft(vswitch)
        free = (value for value in range(subnet.cidr.first + 1, subnet.cidr.last - 3) if value not in used)
        four = [Address(4, next(free)) for _ in range(ipv4)]
        assert subnet.ipv6_cidr is not None
        six = [Address(6, subnet.ipv6_cidr.first + next(self._six)) for _ in range(ipv6)]
        return (*four, *six)

    def take_prefixes(self, vswitch: str, ipv4: int, ipv6: int, enis: Iterable[Eni]) -> tuple[Prefix, ...]:
        """/28 and /80. Raises NoneLeft."""
        used, subnet = self._used(vswitch, enis), self.all[vswitch]
        blocks = (Prefix(4, value, 28) for value in range(subnet.cidr.first + 16, subnet.cidr.last - 16, 16))
        free = [block for block in blocks if used.isdisjoint(range(block.first, block.last + 1))]
        if len(free) < ipv4:
            raise NoneLeft(vswitch)
        assert subnet.ipv6_cidr is not None
        six = [Prefix(6, subnet.ipv6_cidr.first + (next(self._six) << 48), 80) for _ in range(ipv6)]
        return (*free[:ipv4], *six)

    def occupy(self, vswitch: str, address: Address) -> None:
        """Somebody else has it."""
        self._taken[vswitch].add(address.value)

    def use_up(self, vswitch: str, left: int, enis: Iterable[Eni]) -> None:
        """Other people take addresses until so many are left."""
        for address in self.take(vswitch, max(self.free(vswitch, enis := list(enis)) - left, 0), 0, enis):
            self.occupy(vswitch, address)

    def give_back(self, vswitch: str) -> None:
        """Other people leave."""
        self._taken[vswitch].clear()

    def _used(self, vswitch: str, enis: Iterable[Eni]) -> set[int]:
        used = set(self._taken[vswitch])
        for eni in enis:
            if eni.vswitch == vswitch:
                used.update(address.value for address in addresses4(eni))
        return used


def addresses4(eni: Eni) -> list[Address]:
    """All that an ENI owns, those of its prefixes included."""
    found = [address for address in eni.addresses if address.family == 4]
    for prefix in eni.prefixes:
        if prefix.family == 4:
            found += [Address(4, value) for value in range(prefix.first, prefix.last + 1)]
    return found


def _vswitch(id: str, cidr: str, zone: str) -> VSwitch:
    prefix = Prefix.parse(cidr)
    six = Prefix(6, 0x20010DB8 << 96 | prefix.value << 64, 64)
    return VSwitch(id, zone, prefix, Address(4, prefix.last - 2), six, Address(6, six.last - 2))
