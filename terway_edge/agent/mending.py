"""Settings of the kernel and our tables of the packet filter, put right when others change them.

Their events come in hundreds, when forwarding is switched off or all tables are flushed, and say little: one only notes
where to look, soon and in another thread. What gives no event is found by the audit.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock

from terway_edge.agent.locks import SandboxLocks
from terway_edge.agent.telemetry import Telemetry
from terway_edge.core.anti_spoofing import SourceGuard
from terway_edge.core.datapath import host_settings
from terway_edge.core.drift import Fights
from terway_edge.core.errors import KernelError, Retry
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Condition, Lease
from terway_edge.core.names import link_name
from terway_edge.core.node_settings import NodeSettings
from terway_edge.core.plans import HOST, Change, Link, Plan, Step, Sysctl, Verb
from terway_edge.core.plumbing import FIRST_IFINDEX
from terway_edge.core.ports import Clock, Firewall, Kernel

log = logging.getLogger(__name__)

Mend = Callable[[], list[str]]
"""Puts right what others changed; tells what it was, a line for each. Raises KernelError."""

TABLES = "nftables tables terway_edge"


class Mending:
    """`tables` are the parts of our tables, by what they are for. Any thread may call."""

    def __init__(
        self,
        kernel: Kernel,
        ipam: Ipam,
        clock: Clock,
        telemetry: Telemetry,
        locks: SandboxLocks,
        settings: NodeSettings,
        tables: Mapping[str, Mend],
    ) -> None:
        self._kernel = kernel
        self._ipam = ipam
        self._clock = clock
        self._telemetry = telemetry
        self._locks = locks
        self._settings = settings
        self._tables = tables
        self._fights = Fights()
        self._lock = Lock()
        self._links: set[int] = set()
        self._is_table_hit = False
        self.hurry: Callable[[], object] = lambda: None
        """Called when something was noted: has mend_noted() called soon, from another thread than the kernel's."""

    def note_setting(self, link: int) -> None:
        """Somebody changed a setting of this link, 0: of all."""
        with self._lock:
            self._links.add(link)
        self.hurry()

    def note_tables(self) -> None:
        """Somebody changed a table of ours."""
        with self._lock:
            self._is_table_hit = True
        self.hurry()

    def mend_noted(self) -> bool:
        """Look where events pointed to, and nowhere else; whether there were any."""
        with self._lock:
            links, is_table_hit = self._links, self._is_table_hit
            self._links, self._is_table_hit = set(), False
        if links:
            self._mend_settings("event", links)
        if is_table_hit and self._fights.may_repair(TABLES, self._clock.now()):
            self._mend_tables("event")
        return bool(links) or is_table_hit

    def audit(self) -> None:
        """Look at everything."""
        self._mend_settings("audit", None)
        self._mend_tables("audit")

    def is_due(self) -> bool:
        """True once when the back-off for something that was left broken is over."""
        return self._fights.is_due(self._clock.now())

    def fights(self) -> Iterator[Condition]:
        for item in self._fights.fought_over(self._clock.now()):
            where = "with 'nft monitor'" if item == TABLES else "in /etc/sysctl.d or among daemons that tune the node"
            told = f"another process keeps undoing it: find it {where} and stop it"
            yield Condition("DatapathFight", str(item), told)

    def _mend_settings(self, kind: str, links: set[int] | None) -> None:
        """Those of the node first: forwarding for all is that of every link as well."""
        try:
            self._put_right(kind, self._settings.all())
            for lease, link in self._deviating(links):
                self._mend_pod(kind, lease, link)
        except KernelError as error:
            log.error("settings cannot be mended: %s", error)

    def _deviating(self, links: set[int] | None) -> list[tuple[Lease, int]]:
        """The pods of these links, None: of all, whose link is not set as it should be; and its index, if given."""
        leases = {link_name(lease.key): (lease, 0) for lease in self._ipam.leases()}
        if links is not None:
            own = {index for index in links if index >= FIRST_IFINDEX}
            found = [link for link in self._kernel.dump(Link) if link.ifindex in own] if own else []
            leases = {link.name: (leases[link.name][0], link.ifindex) for link in found if link.name in leases}
        settings = {each: found for found in leases.values() for each in host_settings(found[0])}
        return list(dict.fromkeys(settings[each] for each in self._kernel.deviations(settings)))

    def _mend_pod(self, kind: str, lease: Lease, link: int) -> None:
        """A sandbox with a call in flight is left alone: an ADD half done has not set its link yet."""
        try:
            with self._locks.hold(lease.key, timeout=0):
                if self._ipam.get(lease.key) is lease:
                    self._put_right(kind, host_settings(lease))
        except Retry:
            if link:
                with self._lock:
                    self._links.add(link)  # without haste

    def _put_right(self, kind: str, wanted: Iterable[Sysctl]) -> None:
        now = self._clock.now()
        wrong = [
            each
            for each in self._kernel.deviations(wanted)
            if kind == "audit" or self._fights.may_repair(f"setting {each.path}", now)
        ]
        if not wrong:
            return
        changes = tuple(Change(Verb.REPLACE, each) for each in wrong)
        refused = {each.change.item: each for each in self._kernel.apply(Plan((Step(HOST, changes),), atomic=False))}
        for each in wrong:
            if (failure := refused.get(each)) is not None:
                if failure.errno == errno.ENOENT:
                    continue  # its link went meanwhile
                self._telemetry.repaired(f"{kind} failed")
                log.error("setting %s is not %s and cannot be written: %s", each.path, each.value, failure.message)
            else:
                self._fights.mended(f"setting {each.path}", now)
                self._telemetry.repaired(kind)
                log.warning("setting %s was not %s, put right", each.path, each.value)

    def _mend_tables(self, kind: str) -> None:
        for what, mend in self._tables.items():
            try:
                for line in mend():
                    self._fights.mended(TABLES, self._clock.now())
                    self._telemetry.repaired(kind)
                    log.warning("%s, put right", line)
            except KernelError as error:
                log.error("%s cannot be mended: %s", what, error)
                if kind == "event":  # somebody may have been faster
                    with self._lock:
                        self._is_table_hit = True


def parts_of(firewall: Firewall, sources: SourceGuard, ports: HostPorts) -> dict[str, Mend]:
    """The `tables` of a firewall; first the one without which pods are mute."""

    def masquerading() -> list[str]:
        return ["the rules of masquerading were not as they should be"] if firewall.mend_masquerade() else []

    return {"anti-spoofing": sources.mend, "masquerading": masquerading, "hostPorts": ports.mend}
