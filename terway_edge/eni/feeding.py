"""The pool's offers as pools of the IPAM: one for each ENI and family, so that a pod's addresses are of one ENI."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from terway_edge.core.addresses import Address
from terway_edge.core.errors import Refused
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease
from terway_edge.eni.state import Stock

log = logging.getLogger(__name__)

Offers = Mapping[str, Mapping[int, frozenset[Address]]]


class Feeder:
    """Knows what the IPAM was given. `order` has the pools that a pod may be served from, best first."""

    def __init__(self, ipam: Ipam) -> None:
        self._ipam = ipam
        self._fed: dict[str, frozenset[Address]] = {}
        self._refused: set[Address] = set()
        self._barred: frozenset[Address] = frozenset()
        self.order: tuple[tuple[str, ...], ...] = ()
        self.arrivals = 0
        """Counts up whenever pods may have found something new."""

    def feed(self, offers: Offers, barred: frozenset[Address]) -> None:
        """Make the IPAM's pools equal to the offers; who has an address that is not offered any more keeps it."""
        wanted = {pool_name(eni, family): each for eni, families in offers.items() for family, each in families.items()}
        known = set(self._ipam.pools())
        self._fed = {name: addresses for name, addresses in self._fed.items() if name in known}
        for name in [name for name in self._fed if name not in wanted]:
            self._ipam.remove_pool(name)
            del self._fed[name]
        for name, addresses in wanted.items():
            gone = self._fed.get(name, addresses) - addresses
            if gone:
                self._ipam.remove_addresses(name, gone)
                self._fed[name] -= gone
        for name, addresses in wanted.items():
            if self._fed.get(name) != addresses:
                had = self._fed.get(name, frozenset())
                self._fed[name] = had | self._add(name, addresses - had)
        self._bar(barred)
        self.order = tuple(tuple(pool_name(eni, family) for family in families) for eni, families in offers.items())

    def stock(self) -> Stock:
        """Of what was fed last."""
        used = frozenset(address for lease in self._ipam.leases() for address in lease.addresses)
        free, cooling = {}, {}
        for names in self.order:
            usages = [self._ipam.usage(name) for name in names]
            eni = eni_of(names[0])
            free[eni] = min(usage.free for usage in usages)
            cooling[eni] = min(usage.free + usage.cooling for usage in usages) - free[eni]
        return Stock(used, free, cooling)

    def has_free(self, names: tuple[str, ...]) -> bool:
        return all(self._ipam.usage(name).free for name in names)

    def is_used(self, eni: str, address: Address) -> bool:
        """Whether a pod has the address from this ENI; one whose ENI is not on record counts."""
        lease = self._ipam.owner(address)
        return lease is not None and lease_eni(lease) in (eni, "")

    def _add(self, name: str, addresses: frozenset[Address]) -> frozenset[Address]:
        """What could be added: an address may still be in the pool of an ENI that it was taken from."""
        try:
            self._ipam.add_pool(name, addresses=addresses)
        except Refused:
            self._ipam.add_pool(name)
            return frozenset(address for address in addresses if self._add_one(name, address))
        self.arrivals += 1
        return addresses

    def _add_one(self, name: str, address: Address) -> bool:
        try:
            self._ipam.add_pool(name, addresses=(address,))
        except Refused as error:
            if address not in self._refused:
                log.warning("%s; it is added when that one has let it go", error)
            self._refused.add(address)
            return False
        self._refused.discard(address)
        self.arrivals += 1
        return True

    def _bar(self, barred: frozenset[Address]) -> None:
        if not barred and not self._barred:
            return
        fed = frozenset().union(*self._fed.values())
        free, shut = (self._barred & fed) - barred, barred & fed
        if free:
            self._ipam.set_unavailable(free, False)
            self.arrivals += 1
        if shut - self._barred:
            self._ipam.set_unavailable(shut - self._barred, True)
        self._barred = shut


def pool_name(eni: str, family: int) -> str:
    return f"{eni}/{family}"


def eni_of(pool: str) -> str:
    return pool.partition("/")[0]


def lease_eni(lease: Lease) -> str:
    """Empty for a lease that was found in the kernel."""
    return eni_of(lease.pools[0]) if lease.pools else ""
