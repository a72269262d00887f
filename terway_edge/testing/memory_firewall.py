"""A firewall that only remembers what it was told."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection

from terway_edge.core.errors import Bug, KernelError
from terway_edge.core.ports import Forward, Masquerade, Source

PROTOCOLS = ("tcp", "udp", "sctp")


class MemoryFirewall:
    """`ports.Firewall`; `masquerade` is what is in force, None for nothing, and `writes` counts the changes of
    this and of forwards, `source_writes` those of sources.

    It is as strict as a kernel's maps: one forward for each port of an address.
    """

    def __init__(self) -> None:
        self.masquerade: Masquerade | None = None
        self.writes = 0
        self.source_writes = 0
        self._forwards: frozenset[Forward] = frozenset()
        self._refusals: list[KernelError] = []
        self._sources: frozenset[Source] | None = None
        self._source_refusals: list[KernelError] = []
        self._wanted_masquerade: Masquerade | None = None
        self._watchers: list[Callable[[], None]] = []

    def refuse_next(self, times: int = 1, number: int = errno.EPERM) -> None:
        """Make the next changes of forwards raise KernelError and change nothing; ENOENT: as if nft were missing."""
        self._refusals += _refusals(times, number)

    def refuse_sources(self, times: int = 1, number: int = errno.EPERM) -> None:
        """As refuse_next(), of changes of sources."""
        self._source_refusals += _refusals(times, number)

    def flush(self) -> None:
        """What a stranger's `nft flush ruleset` does."""
        self.masquerade, self._forwards, self._sources = None, frozenset(), None
        self._tell()

    def lose_source(self, source: Source) -> None:
        """What a stranger does who removes one."""
        assert self._sources is not None
        self._sources -= {source}
        self._tell()

    def add_stranger(self, forward: Forward) -> None:
        """Something that nobody of ours asked for."""
        self._forwards |= {forward}
        self._tell()

    def set_masquerade(self, wanted: Masquerade | None) -> None:
        if wanted != self._wanted_masquerade:
            self.masquerade = self._wanted_masquerade = wanted
            self.writes += 1

    def mend_masquerade(self) -> bool:
        if self.masquerade == self._wanted_masquerade:
            return False
        self.masquerade = self._wanted_masquerade
        self.writes += 1
        return True

    def set_forwards(self, wanted: Collection[Forward]) -> None:
        if frozenset(wanted) == self._forwards:
            return
        _check(wanted)
        if self._refusals:
            raise self._refusals.pop(0)
        self._forwards = frozenset(wanted)
        self.writes += 1

    def forwards(self) -> frozenset[Forward]:
        return self._forwards

    def set_sources(self, wanted: Collection[Source] | None) -> None:
        new = None if wanted is None else frozenset(wanted)
        if new != self._sources:
            self._change_sources(new)

    def admit(self, sources: Collection[Source]) -> None:
        if self._sources is None:
            raise KernelError("memory firewall: there is no such set", errno=errno.ENOENT)
        self._change_sources(self._sources | set(sources))

    def dismiss(self, sources: Collection[Source]) -> None:
        if self._sources is not None:
            self._change_sources(self._sources - set(sources))

    def sources(self) -> frozenset[Source] | None:
        return self._sources

    def watch(self, changed: Callable[[], None]) -> Watch:
        self._watchers.append(changed)
        return Watch(self._watchers, changed)

    def remove(self) -> None:
        self.masquerade = self._wanted_masquerade = None
        self._forwards, self._sources = frozenset(), None

    def _tell(self) -> None:
        for changed in list(self._watchers):
            changed()

    def _change_sources(self, wanted: frozenset[Source] | None) -> None:
        if self._source_refusals:
            raise self._source_refusals.pop(0)
        self._sources = wanted
        self.source_writes += 1


class Watch:
    def __init__(self, watchers: list[Callable[[], None]], changed: Callable[[], None]) -> None:
        self._watchers, self._changed = watchers, changed

    def close(self) -> None:
        if self._changed in self._watchers:
            self._watchers.remove(self._changed)


def _refusals(times: int, number: int) -> list[KernelError]:
    text = "the nft program is missing: install nftables" if number == errno.ENOENT else "a test asked for it"
    return [KernelError(f"memory firewall: {text}", errno=number) for _ in range(times)]


def _check(wanted: Collection[Forward]) -> None:
    owners: dict[object, Forward] = {}
    for forward in wanted:
        if forward.protocol not in PROTOCOLS or not (0 < forward.port < 1 << 16 and 0 < forward.to_port < 1 << 16):
            raise Bug(f"no packet can match {forward}")
        if forward.address is not None and (forward.address.family != forward.to.family or not forward.address.value):
            raise Bug(f"{forward}: the kernel would refuse this address")
        key = (forward.protocol, forward.port, forward.address, forward.to.family)
        if owners.setdefault(key, forward) != forward:
            raise Bug(f"{forward} and {owners[key]} want the same packets")
