"""Anti-spoofing: a pod sends with its own addresses and its own MAC, or not at all.

The leases say which sources may come from which link; the firewall's table only follows. A link of ours without a
source there is mute, so a pod is let in before it is plugged in, and shut out by its detach, while its link still goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from terway_edge.core.errors import KernelError
from terway_edge.core.models import Discrepancy, Lease
from terway_edge.core.names import Key, link_macs, link_name
from terway_edge.core.ports import Firewall, Source


class SourceGuard:
    """Lets the sources of leases in and shuts them out. Give a lock if several threads call; it is held while the
    firewall works.

    With `on` false everything passes, and restore() takes a former process' rules away.
    """

    def __init__(
        self, firewall: Firewall, *, on: bool = True, lock: AbstractContextManager[object] | None = None
    ) -> None:
        self._firewall = firewall
        self._on = on
        self._lock = nullcontext() if lock is None else lock
        self._admitted: dict[Key, tuple[Source, ...]] = {}

    def admit(self, lease: Lease) -> None:
        """Let a pod send, before it is plugged in. Raises KernelError, having let nothing in."""
        if not self._on:
            return
        with self._lock:
            wanted = self._admitted[lease.key] = sources_of(lease)
            try:
                self._admit(wanted)
            except KernelError as error:
                del self._admitted[lease.key]
                raise _explained(error) from error

    def dismiss(self, lease: Lease) -> None:
        """Let nothing of a pod pass any more; unknown ones are success. Raises KernelError; what stays is for mend()
        then."""
        if not self._on:
            return
        with self._lock:
            if gone := self._admitted.pop(lease.key, ()):
                self._firewall.dismiss(gone)

    def restore(self, leases: Iterable[Lease]) -> None:
        """Take over from a former process: exactly these leases' sources pass. Raises KernelError; what is not as it
        should be after that is for mend()."""
        with self._lock:
            self._admitted = {lease.key: sources_of(lease) for lease in leases} if self._on else {}
            try:
                self._firewall.set_sources(self._wanted() if self._on else None)
            except KernelError as error:
                raise _explained(error) from error

    def check(self, lease: Lease) -> list[Discrepancy]:
        """The sources of a lease that do not pass, or that the rules are not as they should be. Raises KernelError."""
        if not self._on:
            return []
        with self._lock:
            found = self._firewall.sources()
        if found is None:
            return [Discrepancy("the rules of anti-spoofing are not as they should be")]
        return [Discrepancy(f"{_text(each)} is not let through") for each in sources_of(lease) if each not in found]

    def mend(self) -> list[str]:
        """Put right what others changed; tells what it was, a line for each. Raises KernelError."""
        if not self._on:
            return []
        with self._lock:
            wanted, found = self._wanted(), self._firewall.sources()
            if found == wanted:
                return []
            self._firewall.set_sources(wanted)
            if found is None:
                return ["the rules of anti-spoofing were not as they should be"]
            lines = [f"{_text(source)} was not let through" for source in wanted - found]
            return sorted(lines + [f"{_text(source)} is no pod's and was let through" for source in found - wanted])

    def _admit(self, wanted: tuple[Source, ...]) -> None:
        try:
            self._firewall.admit(wanted)
        except KernelError:
            # Others changed the table, or it could not be made until now; they hardly do it twice in a row.
            self._firewall.set_sources(self._wanted())

    def _wanted(self) -> frozenset[Source]:
        return frozenset(source for sources in self._admitted.values() for source in sources)


def sources_of(lease: Lease) -> tuple[Source, ...]:
    """What a pod may send from."""
    name, (_, mac) = link_name(lease.key), link_macs(lease.key)
    return tuple(Source(name, mac, address) for address in lease.addresses)


def _explained(error: KernelError) -> KernelError:
    return KernelError(f"{error}; or set cni.anti_spoofing to false", errno=error.errno)


def _text(source: Source) -> str:
    return f"source {source.address} with MAC {source.mac.hex(':')} on {source.link}"
