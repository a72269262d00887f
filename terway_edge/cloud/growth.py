"""What an ENI has more than before: how an API without tokens tells what an earlier attempt did."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from terway_edge.core.addresses import Address, Prefix


class Growth:
    """
    :param before: what the ENI had when addresses were first wished for; empty: what it has now
    :param parted: what was taken from it lately, and lists may show still
    """

    def __init__(
        self,
        before: Collection[Address | Prefix],
        owned: Collection[Address],
        parted: Collection[Address | Prefix] = (),
    ) -> None:
        self._before = set(before or owned)
        self._parted = set(parted)
        self._owned: set[Address] = set()
        self.items: list[Address] = []
        self.see(owned)

    def see(self, listed: Iterable[Address]) -> None:
        """A list says that the ENI has these."""
        self.take(address for address in listed if address not in self._parted)

    def take(self, given: Iterable[Address]) -> None:
        """An answer says that the ENI has got these."""
        for address in given:
            self._owned.add(address)
            if address not in self._before and address not in self.items:
                self.items.append(address)

    def count(self, family: int) -> int:
        """Addresses of a family that the ENI has."""
        return sum(address.family == family for address in self._owned)
