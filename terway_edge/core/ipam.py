"""Leases: who has which address. One engine for all backends, over pools (`pools.py`) and a store (`ports.Store`).

Order of every change: decide in memory, write to the store, then change memory. A write that fails has changed
nothing; a process killed after the write finds the lease again when it loads the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Bug, Conflict, Refused, Retry
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import Key
from terway_edge.core.pools import CidrPool, Known, Pool, Release, SetPool, Usage
from terway_edge.core.ports import Clock, Cooling, Store, Stored

COOLDOWN = 30.0  # seconds


class Ipam:
    """Allocates and releases. Give a lock if several threads call; it is held while the store writes.

    `cooldown` is in seconds. `max_pods` is the most leases there may be at once, 0 for no limit.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        cooldown: float = COOLDOWN,
        max_pods: int = 0,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._cooldown = cooldown
        self._max_pods = max_pods
        self._lock = nullcontext() if lock is None else lock
        self._pools: dict[str, Pool] = {}
        self._leases: dict[Key, Lease] = {}
        self._owners: dict[Address, Key] = {}
        self._homeless: dict[Address, Release] = {}  # resting, but in no pool at present
        self._quarantined_until = 0.0

    def load(self, stored: Stored) -> None:
        """Start from what the store held; call it once, before anything else.

        Damage lets every address without a lease rest: nobody knows which ones were in use a moment ago.

        Give it all the store held, then release what the kernel disproves and adopt what it proves: so the store
        and this memory stay equal.
        """
        with self._lock:
            if self._leases or self._pools:
                raise Bug("IPAM: load() was called after first use; load before adding pools")
            now = self._clock.now()
            for lease in stored.leases:
                self._refuse_second_owner(lease)
                self._hold(lease)
            for record in stored.cooling:
                if record.address not in self._owners:
                    # A time ahead of the clock would rest for ever; a damaged store may have one of another boot.
                    self._homeless[record.address] = Release(min(record.released_at, now), record.pod_uid)
            if stored.damage:
                self._quarantined_until = now + self._cooldown

    def adopt(self, lease: Lease) -> None:
        """Record a lease that the kernel proves but the store has lost. Known already is success.

        Raises Conflict if another sandbox has one of the addresses, Retry if the record cannot be written.
        """
        with self._lock:
            held = self._leases.get(lease.key)
            if held is not None and held.addresses == lease.addresses:
                return
            self._refuse_second_owner(lease)
            if held is not None:
                raise Conflict(f"sandbox {lease.key} has {_text(held)} on record, not {_text(lease)}; release it first")
            self._store.put(lease)
            self._hold(lease)
            for address in lease.addresses:
                self._homeless.pop(address, None)
                pool = self._pool_of(address)
                if pool is not None:
                    pool.claim(address.value)

    def add_pool(
        self,
        name: str,
        prefix: Prefix | None = None,
        addresses: Iterable[Address] = (),
        reserved: Iterable[Address] = (),
    ) -> None:
        """Add a pool: all of `prefix` but the `reserved` addresses, or, without a prefix, these `addresses`.

        The same pool again is success, and lets a pool of single addresses grow. A node whose CIDR changes gets a
        new pool after the old one was removed.
        Raises Refused if the name stands for another pool or an address is in a pool already.
        """
        reserved = tuple(reserved)
        with self._lock:
            if prefix is None:
                self._add_set(name, tuple(addresses))
            else:
                self._add_prefix(name, prefix, reserved)

    def remove_pool(self, name: str) -> None:
        """Allocate nothing more from a pool; its leases stay valid until released. Missing is success."""
        with self._lock:
            pool = self._pools.pop(name, None)
            if pool is not None:
                for value, release in pool.resting(self._clock.now()).items():
                    self._homeless[Address(pool.family, value)] = release

    def add_addresses(self, name: str, addresses: Iterable[Address]) -> None:
        """Let a pool of single addresses grow. Raises Refused as add_pool()."""
        with self._lock:
            self._extend(self._set_pool(name), tuple(addresses))

    def remove_addresses(self, name: str, addresses: Iterable[Address]) -> None:
        """Let a pool of single addresses shrink: free ones leave at once, used ones when they are released."""
        with self._lock:
            pool = self._set_pool(name)
            for address in addresses:
                release = pool.remove(address.value) if pool.contains(address) else None
                if release is not None:
                    self._homeless[address] = release

    def set_unavailable(self, addresses: Iterable[Address], unavailable: bool) -> None:
        """Keep addresses from being allocated, or allow it again. Who has one keeps it.

        Not stored: whoever finds an address unavailable says so again after a restart.
        """
        with self._lock:
            for pool, address in [(self._home_of(address), address) for address in addresses]:
                if unavailable:
                    pool.bar(address.value)
                else:
                    pool.unbar(address.value)

    def allocate(self, sandbox: Sandbox, backend: str, pools: Sequence[str]) -> Lease:
        """Hold one address of each pool for a sandbox: all or none. The same sandbox again gets the same lease.

        Raises Retry if there is no address now, the node has all the pods it may have or the record cannot be
        written, Refused if a pool does not exist or two are of one family. Nothing has changed then.
        """
        with self._lock:
            held = self._leases.get(sandbox.key)
            if held is not None:
                return held
            now = self._clock.now()
            self._admit(now)
            chosen = [self._pool(name) for name in pools]
            addresses = tuple([Address(pool.family, pool.pick(sandbox.pod_uid, now)) for pool in chosen])
            if len({address.family for address in addresses}) != max(len(chosen), 1):
                raise Refused(f"sandbox {sandbox.container_id}: pools {list(pools)}; name one or two, one per family")
            if sandbox.netns_fd >= 0:  # valid during this call only
                sandbox = replace(sandbox, netns_fd=-1)
            lease = Lease(sandbox, addresses, backend, tuple(pools), now)
            self._store.put(lease)
            self._hold(lease)
            for pool, address in zip(chosen, addresses, strict=True):
                pool.take(address.value)
            return lease

    def release(self, lease: Lease | Key) -> None:
        """Give a lease's addresses back; already released is success. Raises Retry if it cannot be recorded."""
        with self._lock:
            key = lease.key if isinstance(lease, Lease) else lease
            held = self._leases.get(key)
            if held is None or (isinstance(lease, Lease) and _differ(lease, held)):
                return
            now = self._clock.now()
            self._store.release(held, now)
            del self._leases[key]
            release = Release(now, held.sandbox.pod_uid)
            for address in held.addresses:
                del self._owners[address]
                pool = self._pool_of(address)
                if pool is None or not pool.release(address.value, release):
                    self._homeless[address] = release

    def leases(self) -> tuple[Lease, ...]:
        with self._lock:
            return tuple(self._leases.values())

    def get(self, key: Key) -> Lease | None:
        with self._lock:
            return self._leases.get(key)

    def owner(self, address: Address) -> Lease | None:
        """The lease that has an address."""
        with self._lock:
            key = self._owners.get(address)
            return None if key is None else self._leases[key]

    def pools(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._pools)

    def usage(self, name: str) -> Usage:
        """Counts of a pool. Raises Refused if there is none of this name."""
        with self._lock:
            now = self._clock.now()
            usage = self._pool(name).usage(now)
            if now < self._quarantined_until:
                return usage._replace(free=0, cooling=usage.cooling + usage.free)
            return usage

    def _admit(self, now: float) -> None:
        """Raises Retry if no new lease may be granted now, whatever the pool."""
        if self._max_pods and len(self._leases) >= self._max_pods:
            raise Retry(
                f"this node has {len(self._leases)} pods of at most {self._max_pods}; remove some or raise the limit",
                details="pods per node",
            )
        if now < self._quarantined_until:
            rest = self._quarantined_until - now
            raise Retry(
                f"the lease store was damaged: all free addresses rest for {rest:.1f} s more",
                after=rest,
                details="quarantine",
            )

    def _hold(self, lease: Lease) -> None:
        key = lease.sandbox.key
        self._leases[key] = lease
        for address in lease.addresses:
            self._owners[address] = key

    def _refuse_second_owner(self, lease: Lease) -> None:
        for address in lease.addresses:
            owner = self._owners.get(address)
            if owner is not None and owner != lease.key:
                raise Conflict(f"address {address} of sandbox {lease.key} already belongs to sandbox {owner}")

    def _pool(self, name: str) -> Pool:
        pool = self._pools.get(name)
        if pool is None:
            raise Refused(f"there is no address pool {name!r}; pools of this node: {', '.join(self._pools) or 'none'}")
        return pool

    def _set_pool(self, name: str) -> SetPool:
        pool = self._pool(name)
        if not isinstance(pool, SetPool):
            raise Refused(f"pool {name!r} is the CIDR {pool}; mark its addresses unavailable instead")
        return pool

    def _pool_of(self, address: Address) -> Pool | None:
        for pool in self._pools.values():
            if pool.contains(address):
                return pool
        return None

    def _home_of(self, address: Address) -> Pool:
        pool = self._pool_of(address)
        if pool is None:
            raise Refused(f"address {address} is in no pool; add it first")
        return pool

    def _add_prefix(self, name: str, prefix: Prefix, reserved: tuple[Address, ...]) -> None:
        same = self._pools.get(name)
        if isinstance(same, CidrPool) and same.is_same(prefix, reserved):
            return
        if same is not None:
            raise Refused(f"pool {name!r} exists already and is different; remove it first")
        for other in self._pools.values():
            if other.overlaps(prefix):
                raise Refused(f"pool {name!r}: {prefix} overlaps pool {other.name!r} ({other}); remove that one first")
        known = self._known(prefix.contains)
        self._pools[name] = CidrPool(name, prefix, reserved, self._cooldown, known)
        self._bring_home(prefix.contains)

    def _add_set(self, name: str, addresses: tuple[Address, ...]) -> None:
        pool = self._pools.get(name, SetPool(name, self._cooldown))
        if not isinstance(pool, SetPool):
            raise Refused(f"pool {name!r} exists already and is the CIDR {pool}; remove it first")
        self._extend(pool, addresses)
        self._pools[name] = pool

    def _extend(self, pool: SetPool, addresses: tuple[Address, ...]) -> None:
        for address in addresses:
            other = self._pool_of(address)
            if other is not None and other is not pool:
                raise Refused(f"pool {pool.name!r}: address {address} is in pool {other.name!r} already")
        new = frozenset(addresses)
        pool.add(addresses, self._known(new.__contains__))
        self._bring_home(new.__contains__)

    def _known(self, inside: Callable[[Address], bool]) -> Known:
        used = {address.value: self._leases[key].granted_at for address, key in self._owners.items() if inside(address)}
        released = {address.value: release for address, release in self._homeless.items() if inside(address)}
        return Known(used, released, max(used, key=used.__getitem__, default=-1))

    def _bring_home(self, inside: Callable[[Address], bool]) -> None:
        """Forget as homeless what a pool now knows, and whatever has rested long enough."""
        ready = self._clock.now() - self._cooldown
        self._homeless = {a: r for a, r in self._homeless.items() if not inside(a) and r.at > ready}


def cooling_of(lease: Lease, released_at: float) -> tuple[Cooling, ...]:
    """What a store remembers of a lease that was released. A lease found in the kernel may name no pools."""
    pools = (*lease.pools, *[""] * len(lease.addresses))
    return tuple(
        Cooling(address, pool, lease.sandbox.pod_uid, released_at)
        for address, pool in zip(lease.addresses, pools, strict=False)
    )


def _text(lease: Lease) -> str:
    return " and ".join(str(address) for address in lease.addresses)


def _differ(lease: Lease, held: Lease) -> bool:
    """True if the sandbox was released and granted again since: `lease` is then gone, and `held` is not meant."""
    return (lease.granted_at, lease.addresses) != (held.granted_at, held.addresses)
