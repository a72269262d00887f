"""Mending what others break on this node: at once from netlink events, and by comparison every resync period."""

from __future__ import annotations

import logging
from collections.abc import Callable

from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.agent.locks import SandboxLocks
from terway_edge.agent.telemetry import Telemetry
from terway_edge.core.datapath import host_items
from terway_edge.core.dispatcher import Dispatcher
from terway_edge.core.drift import Fights
from terway_edge.core.errors import EdgeError, Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease, NodeView, Sandbox
from terway_edge.core.names import is_own_link, key_of_alias
from terway_edge.core.plans import HOST, PROTO, Change, FibRoute, Item, Link, Neighbour, Plan, Step, Verb, Where
from terway_edge.core.ports import Clock, Happening, Kernel, KernelEvent
from terway_edge.core.uplink import may_move_uplink

log = logging.getLogger(__name__)


class Repair:
    """The pods' host side; routes to other nodes are mended by the plugin that advertises them."""

    def __init__(
        self,
        kernel: Kernel,
        ipam: Ipam,
        dispatcher: Dispatcher,
        clock: Clock,
        telemetry: Telemetry,
        locks: SandboxLocks,
        view: Callable[[], NodeView | None],
        surroundings_changed: Callable[[], None],
    ) -> None:
        self._kernel = kernel
        self._ipam = ipam
        self._dispatcher = dispatcher
        self._clock = clock
        self._telemetry = telemetry
        self._locks = locks
        self._view = view
        self._surroundings_changed = surroundings_changed
        self._fights = Fights()

    def on_event(self, event: KernelEvent) -> None:
        """Called from the kernel's thread: put back what belongs to a lease, pass on what concerns the uplink."""
        item = event.item
        if event.what is Happening.OVERRUN:
            self.audit()
        if isinstance(item, FibRoute) and item.proto == PROTO and item.via is None:
            if event.what is Happening.ROUTE_REMOVED:
                self._put_back(item, self._ipam.owner(item.prefix.address))
        elif isinstance(item, Neighbour):
            lease = self._ipam.owner(item.address)
            if lease is not None and self._fights.may_repair(f"neighbour entry for {item.address}", self._clock.now()):
                self._mend(lease, "event")  # which does not say what the entry was
        elif isinstance(item, Link) and is_own_link(item.name, item.alias):
            self._link_changed(item)
        elif may_move_uplink(event, self._view()):
            self._surroundings_changed()

    def catch_up(self) -> None:
        """Mend what was left broken while backing off, when that is over."""
        if self._fights.is_due(self._clock.now()):
            self.audit()

    def audit(self) -> int:
        """Compare every lease with the kernel in three dumps, have what differs mended; return how many did."""
        leases = self._ipam.leases()
        if not leases:
            return 0
        links = plugged_sandboxes(self._kernel.dump(Link))
        present: set[Item] = set(self._kernel.dump(FibRoute, Where(proto=PROTO)))
        present.update(self._kernel.dump(Neighbour))
        broken = [
            lease
            for lease in leases
            if (link := links.get(lease.key)) is not None
            and not (link.up and present.issuperset(host_items(lease, link.ifindex)))
        ]
        for lease in broken:
            self._mend(lease)
        for item in self._fights.fought_over(self._clock.now()):
            log.warning("another process keeps undoing %s: find it with 'ip monitor' and stop it", item)
        return len(broken)

    def _link_changed(self, link: Link) -> None:
        """A pod's host link was set down, which takes its routes and neighbours in silence."""
        key = key_of_alias(link.alias)
        lease = None if key is None or link.up else self._ipam.get(key)
        if lease is not None and self._fights.may_repair(f"link {link.name}", self._clock.now()):
            self._mend(lease)

    def _mend(self, lease: Lease, kind: str = "audit") -> None:
        """A sandbox with a call in flight is left alone: an ADD half done looks broken and would meet our route."""
        sandbox = Sandbox(lease.sandbox.container_id, lease.sandbox.ifname)
        try:
            with self._locks.hold(lease.key, timeout=0):
                if self._ipam.get(lease.key) is not lease:
                    return
                found = self._dispatcher.check(sandbox, lease, repair=True)
        except Retry:
            return
        except EdgeError as error:
            log.error("container %s cannot be mended: %s", lease.sandbox.container_id, error)
            return
        for discrepancy in found:
            self._telemetry.repaired(kind if discrepancy.mended else f"{kind} failed")
            log.warning(
                "container %s: %s%s",
                lease.sandbox.container_id,
                discrepancy.what,
                ", put back" if discrepancy.mended else "",
            )

    def _put_back(self, route: FibRoute, lease: Lease | None) -> None:
        words = f"route to {route.prefix}"
        if lease is None or not self._fights.may_repair(words, self._clock.now()):
            return
        # ADD, so that nothing of anybody else is overwritten; a link that went meanwhile makes it fail harmlessly.
        failures = self._kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, route),)),), atomic=False))
        if not failures:
            self._telemetry.repaired("event")
            log.warning("container %s: somebody removed its %s, put back", lease.sandbox.container_id, words)
