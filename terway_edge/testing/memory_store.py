"""A lease store in memory that can be made to fail, and be opened again as after a restart."""

from __future__ import annotations

from terway_edge.core.errors import IO_FAILURE, Retry
from terway_edge.core.models import Lease
from terway_edge.core.names import Key
from terway_edge.core.ports import Cooling, Stored


class MemoryStore:
    """`ports.Store`; `stored` is what a new process would find."""

    def __init__(self, stored: Stored = Stored()) -> None:  # noqa: B008 - an immutable tuple
        self._leases: dict[Key, Lease] = {lease.key: lease for lease in stored.leases}
        self._cooling = list(stored.cooling)
        self._failures = 0

    @property
    def stored(self) -> Stored:
        return Stored(tuple(self._leases.values()), tuple(self._cooling))

    def fail_next(self, times: int = 1) -> None:
        """Make the next writes raise Retry and record nothing, as a full disk does."""
        self._failures += times

    def put(self, lease: Lease) -> None:
        self._write("put")
        self._leases[lease.key] = lease

    def release(self, lease: Lease, released_at: float) -> None:
        self._write("release")
        self._leases.pop(lease.key, None)
        self._cooling += [
            Cooling(address, pool, lease.sandbox.pod_uid, released_at)
            for address, pool in zip(lease.addresses, lease.pools, strict=True)
        ]

    def _write(self, what: str) -> None:
        if self._failures:
            self._failures -= 1
            raise Retry(f"memory store: {what} fails because a test asked for it", code=IO_FAILURE)
