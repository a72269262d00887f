"""Which address of a pool goes out next. Pure: integers in, integers out, time is an argument.

The order is least recently used, which is round robin as long as pods come and go: addresses that were never used
first (a CIDR pool keeps them as a few gaps, so a pool of 2^64 costs as much as one of 2^8), then the one that was
released longest ago. That one comes first if so many were released that to remember more would only cost. An address
rests for a cool-down between two pods: kube-proxy, conntrack and neighbours' caches still know its former owner. The
same pod may have its own address back at once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Refused, Retry

SHORTEST_WAIT = 0.001  # seconds; keeps a caller that sleeps `after` from spinning on a rounding error
REMEMBERED = 256
"""Released addresses, as many as a /24 has; with more of them one that has rested goes out before a fresh one."""


class Release(NamedTuple):
    """When an address was given back (CLOCK_BOOTTIME seconds) and by the pod of which UID."""

    at: float
    pod_uid: str


NEVER = Release(-math.inf, "")


class Usage(NamedTuple):
    """Counts of addresses: size = free + used + cooling + reserved + unavailable; draining ones are among the used."""

    size: int
    free: int
    used: int
    cooling: int
    reserved: int
    unavailable: int
    draining: int


class Known(NamedTuple):
    """What is known of a new pool's addresses: owned ones, released ones, and the one granted last (-1: none)."""

    used: Collection[int] = ()
    released: Mapping[int, Release] = {}
    last_granted: int = -1


class Pool(ABC):
    """The engine of both kinds. `pick`, `take` and `release` take constant time whatever the size and the fill."""

    family = 0
    advice = ""

    def __init__(self, name: str, cooldown: float) -> None:
        self.name = name
        self.cooldown = cooldown
        self._gaps: deque[list[int]] = deque()  # never used: [first, last], in the order they go out
        self._stale: set[int] = set()  # inside a gap, but no longer to be had from it
        self._queue: OrderedDict[int, Release] = OrderedDict()  # released, the oldest first
        self._own: dict[str, int] = {}  # pod UID -> its newest address in the queue
        self._used: set[int] = set()
        self._reserved: frozenset[int] = frozenset()
        self._unavailable: dict[int, Release] = {}  # its latest release, for when it comes back
        self._draining: set[int] = set()

    @property
    @abstractmethod
    def size(self) -> int: ...

    @abstractmethod
    def contains(self, address: Address) -> bool: ...

    @abstractmethod
    def overlaps(self, prefix: Prefix) -> bool: ...

    def pick(self, pod_uid: str, now: float) -> int:
        """The address to give out next; it stays where it is until `take`.

        Raises Retry: everything left is cooling down (`after` says when the first is ready), or all is in use.
        """
        own = self._own.get(pod_uid)
        if own is not None and not self._is_ready(self._queue[own], now):
            return own
        self._drop_stale_heads()
        if self._gaps and len(self._queue) < REMEMBERED:
            return self._gaps[0][0]
        if not self._queue:
            raise self._exhausted(now)
        oldest, release = next(iter(self._queue.items()))
        if self._is_ready(release, now):
            return oldest
        if self._gaps:
            return self._gaps[0][0]
        raise self._resting(release.at + self.cooldown - now)

    def take(self, value: int) -> None:
        """Count as used what `pick` returned."""
        if value in self._queue:
            self._unqueue(value)
        else:
            self._drop_head()
        self._used.add(value)

    def claim(self, value: int) -> None:
        """Count as used an address that somebody already has."""
        self._withdraw(value)
        self._used.add(value)

    def release(self, value: int, release: Release) -> bool:
        """Let a used address rest; False if it has left the pool instead."""
        self._used.discard(value)
        if value in self._unavailable:
            self._unavailable[value] = release
        elif value not in self._reserved:
            self._enqueue(value, release)
        return True

    def bar(self, value: int) -> None:
        """Give the address to nobody until `unbar`; who has it keeps it."""
        if value not in self._reserved and value not in self._unavailable:
            self._unavailable[value] = NEVER if value in self._used else self._withdraw(value)

    def unbar(self, value: int) -> None:
        """Undo `bar`; what is left of a cool-down goes on."""
        release = self._unavailable.pop(value, None)
        if release is not None and value not in self._used:
            self._enqueue(value, release)
            self._sort_queue()

    def resting(self, now: float) -> Mapping[int, Release]:
        """Addresses whose cool-down is not over."""
        barred = {value: release for value, release in self._unavailable.items() if not self._is_ready(release, now)}
        return barred | dict(self._cooling(now))

    def usage(self, now: float) -> Usage:
        used, cooling = len(self._used), sum(1 for _ in self._cooling(now))
        reserved, unavailable = len(self._reserved - self._used), len(self._unavailable.keys() - self._used)
        free = self.size - used - cooling - reserved - unavailable
        return Usage(self.size, free, used, cooling, reserved, unavailable, len(self._draining))

    def _cooling(self, now: float) -> Iterator[tuple[int, Release]]:
        """Resting addresses that may be allocated then, the newest first. Takes time by their number only."""
        for value, release in reversed(self._queue.items()):
            if self._is_ready(release, now):
                return
            yield value, release

    def _is_ready(self, release: Release, now: float) -> bool:
        return release.at + self.cooldown <= now

    def _enqueue(self, value: int, release: Release) -> None:
        self._queue[value] = release
        if release.pod_uid:
            self._own[release.pod_uid] = value

    def _unqueue(self, value: int) -> Release:
        release = self._queue.pop(value)
        if self._own.get(release.pod_uid) == value:
            del self._own[release.pod_uid]
        return release

    def _sort_queue(self, last_granted: int = -1) -> None:
        """Oldest first; those never used in round-robin order after `last_granted`."""
        order = sorted(self._queue.items(), key=lambda item: (item[1].at, item[0] <= last_granted, item[0]))
        self._queue = OrderedDict(order)

    def _withdraw(self, value: int) -> Release:
        """Take an unused address out of the order; returns its latest release, if it waited among the released."""
        if value in self._queue:
            return self._unqueue(value)
        self._stale.add(value)
        return NEVER

    def _drop_stale_heads(self) -> None:
        while self._gaps and self._gaps[0][0] in self._stale:
            self._stale.discard(self._gaps[0][0])
            self._drop_head()

    def _drop_head(self) -> None:
        gap = self._gaps[0]
        gap[0] += 1
        if gap[0] > gap[1]:
            self._gaps.popleft()

    def _resting(self, rest: float) -> Retry:
        return Retry(
            f"pool {self}: the only addresses left cool down after their last pod; the next is ready in {rest:.1f} s",
            after=max(rest, SHORTEST_WAIT),
            details="addresses cooling down",
        )

    def _exhausted(self, now: float) -> Retry:
        usage = self.usage(now)
        usable = usage.size - usage.reserved - usage.unavailable
        barred = f" ({usage.unavailable} more are marked unavailable)" if usage.unavailable else ""
        return Retry(
            f"pool {self}: all {usable} addresses are in use by {usage.used} pods{barred}; {self.advice}",
            after=max(self.cooldown, 1.0),
            details="pool exhausted",
        )


class CidrPool(Pool):
    """Every address of a prefix but the reserved ones."""

    advice = "remove pods from this node or give it a larger pod CIDR"

    def __init__(
        self, name: str, prefix: Prefix, reserved: Iterable[Address], cooldown: float, known: Known
    ) -> None:  # fmt: skip
        super().__init__(name, cooldown)
        self.prefix = prefix
        self.family = prefix.family
        self._first, self._last = prefix.first, prefix.last
        self._reserved = _reserved_of(name, prefix, reserved)
        self._used = set(known.used)
        for value, release in known.released.items():
            if value not in self._reserved:
                self._enqueue(value, release)
        self._sort_queue(known.last_granted)
        gaps = list(_gaps(prefix, sorted({*self._used, *self._queue, *self._reserved})))
        after = [gap for gap in gaps if gap[0] > known.last_granted]
        self._gaps.extend(after + gaps[: len(gaps) - len(after)])

    @property
    def size(self) -> int:
        return self.prefix.size

    def contains(self, address: Address) -> bool:
        return address.family == self.family and self._first <= address.value <= self._last

    def overlaps(self, prefix: Prefix) -> bool:
        return self.prefix.covers(prefix) or prefix.covers(self.prefix)

    def is_same(self, prefix: Prefix, reserved: Iterable[Address]) -> bool:
        """True if a pool made of these would be this one."""
        return prefix == self.prefix and _reserved_of(self.name, prefix, reserved) == self._reserved

    def __str__(self) -> str:
        return str(self.prefix)


class SetPool(Pool):
    """Addresses of one family that come and go one by one, as those of an ENI do.

    `family` is 0 until the first address is in. Those never used wait in the queue, ahead of the released ones.
    """

    advice = "remove pods from this node or give the pool more addresses"

    def __init__(self, name: str, cooldown: float) -> None:
        super().__init__(name, cooldown)
        self._members: set[int] = set()

    @property
    def size(self) -> int:
        return len(self._members)

    def contains(self, address: Address) -> bool:
        return address.family == self.family and address.value in self._members

    def overlaps(self, prefix: Prefix) -> bool:
        return any(prefix.contains(Address(self.family, value)) for value in self._members)

    def add(self, addresses: Iterable[Address], known: Known) -> None:
        """Put addresses in; those draining stay after all. Raises Refused if the families differ."""
        addresses = tuple(addresses)
        families = {address.family for address in addresses} | ({self.family} - {0})
        if len(families) > 1:
            raise Refused(f"pool {self}: its addresses are of IPv4 and of IPv6; make one pool for each")
        self.family = max(families, default=0)
        for _, value in addresses:
            self._draining.discard(value)
            if value in self._members:
                continue
            self._members.add(value)
            if value in known.used:
                self._used.add(value)
            else:
                self._enqueue(value, known.released.get(value, NEVER))
        self._sort_queue(known.last_granted)

    def remove(self, value: int) -> Release | None:
        """Take a member out, now or when its pod is gone; returns the release it still rests from, if any."""
        if value in self._used:
            self._draining.add(value)
            return None
        release = self._queue.get(value) or self._unavailable.get(value, NEVER)
        self._drop_member(value)
        return None if release is NEVER else release

    def release(self, value: int, release: Release) -> bool:
        if value not in self._draining:
            return super().release(value, release)
        self._used.discard(value)
        self._drop_member(value)
        return False

    def _drop_member(self, value: int) -> None:
        if value in self._queue:
            self._unqueue(value)
        self._members.discard(value)
        self._draining.discard(value)
        self._unavailable.pop(value, None)

    def __str__(self) -> str:
        return self.name


def _reserved_of(name: str, prefix: Prefix, configured: Iterable[Address]) -> frozenset[int]:
    """Configured addresses, the network address (IPv6: subnet-router anycast, RFC 4291 §2.6.1) and the broadcast
    address; point-to-point prefixes (RFC 3021, RFC 6164) have neither."""
    reserved = set()
    for address in configured:
        if not prefix.contains(address):
            raise Refused(f"pool {name}: reserved address {address} is outside {prefix}; remove it from the list")
        reserved.add(address.value)
    if prefix.length <= (30 if prefix.family == 4 else 126):
        reserved.add(prefix.first)
        if prefix.family == 4:
            reserved.add(prefix.last)
    return frozenset(reserved)


def _gaps(prefix: Prefix, taken: Iterable[int]) -> Iterator[list[int]]:
    """What `taken` (ascending, inside the prefix) leaves of it, as [first, last]."""
    first = prefix.first
    for value in taken:
        if first < value:
            yield [first, value - 1]
        first = value + 1
    if first <= prefix.last:
        yield [first, prefix.last]
