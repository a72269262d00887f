"""What an ENI has more than before: how an API without tokens tells what an earlier attempt did."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from terway_edge.core.addresses import Address, Prefix


class Growth:
    """:param before: what the ENI had when addresses were first wished for; empty: what it has now"""

    def __init__(self, before: Collection[Address | Prefix], owned: Collection[Address]) -> None:
        self._before = set(before or owned)
        self._owned = set(owned)
        self.items: list[Address] = []
        self.see(owned)

    def see(self, addresses: Iterable[Address]) -> None:
        """The ENI has these, and perhaps others."""
        for address in addresses:
            self._owned.add(address)
            if address not in self._before and address not in self.items:
                self.items.append(address)

    def count(self, family: int) -> int:
        """Addresses of a family that the ENI has."""
        return sum(address.family == family for address in self._owned)
