"""Mending what others break on this node: at once from netlink events, and by comparison every resync period."""

from __future__ import annotations

import logging
from collections.abc import Callable

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.gc import plugged_sandboxes
from terway_edge.agent.locks import SandboxLocks
from terway_edge.agent.mending import Mending
from terway_edge.agent.telemetry import Telemetry
from terway_edge.core.datapath import host_items
from terway_edge.core.dispatcher import Dispatcher, explain
from terway_edge.core.drift import Fights
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Condition, Lease, NodeView, Sandbox
from terway_edge.core.names import Key, is_own_link, key_of_alias, link_macs
from terway_edge.core.plans import (
    HOST,
    MAIN,
    PROTO,
    Change,
    FibRoute,
    Item,
    Link,
    Neighbour,
    Plan,
    RouteKind,
    Rule,
    Setting,
    Step,
    Verb,
    Where,
)
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
        mending: Mending,
        conditions: Conditions,
        view: Callable[[], NodeView | None],
        surroundings_changed: Callable[[], None],
    ) -> None:
        self._kernel = kernel
        self._ipam = ipam
        self._dispatcher = dispatcher
        self._clock = clock
        self._telemetry = telemetry
        self._locks = locks
        self._mending = mending
        self._conditions = conditions
        self._view = view
        self._surroundings_changed = surroundings_changed
        self._fights = Fights()
        self._others = Fights()
        """Over routes of advertisers, who mend them by the same rule but are not woken when a back-off is over."""

    def on_event(self, event: KernelEvent) -> None:
        """Called from the kernel's thread: put back what belongs to a lease, pass on what concerns the uplink."""
        item = event.item
        if event.what is Happening.OVERRUN:
            self.audit()
        if event.what is Happening.ROUTE_REMOVED and isinstance(item, FibRoute) and _is_advertised(item):
            self._others.may_repair(item.prefix, self._clock.now())
        if isinstance(item, FibRoute) and item.proto == PROTO and item.via is None:
            # With another metric or table it is none that a pod has.
            if event.what is Happening.ROUTE_REMOVED and item == FibRoute(item.prefix.address.host, link=item.link):
                self._put_back(item, f"route to {item.prefix}", self._ipam.owner(item.prefix.address))
        elif isinstance(item, Rule):
            about = item.src or item.dst
            if event.what is Happening.RULE_REMOVED and item.proto == PROTO and about is not None:
                self._put_back(item, f"rule {item.priority} of {about}", self._ipam.owner(about.address))
        elif isinstance(item, Neighbour):
            lease = self._ipam.owner(item.address)
            if lease is not None:
                self._mend_soon(f"neighbour entry for {item.address}", lease, "event")  # not saying what the entry was
        elif isinstance(item, Setting):
            self._mending.note_setting(item.link)
        elif isinstance(item, Link) and is_own_link(item.name, item.alias):
            self._link_changed(item)
        elif may_move_uplink(event, self._view()):
            self._surroundings_changed()

    def catch_up(self) -> None:
        """Mend where events pointed to, and what was left broken while backing off, when that is over."""
        if self._mending.mend_noted():
            self._say_fights()
        if self._fights.is_due(self._clock.now()) or self._mending.is_due():
            self.audit()
        if self._others.is_due(self._clock.now()):
            self._surroundings_changed()

    def audit(self) -> int:
        """Compare every lease with the kernel in three dumps, and those of backends; have what differs mended.

        Returns how many leases did.
        """
        leases = self._ipam.leases()
        self._say_fights()
        self._mending.audit()
        if not leases:
            return 0
        links = plugged_sandboxes(self._kernel.dump(Link))
        present: set[Item] = set(self._kernel.dump(FibRoute, Where(proto=PROTO)))
        present.update(self._kernel.dump(Neighbour))
        broken: list[Lease] = []
        whole: list[Lease] = []
        for lease in leases:
            if (link := links.get(lease.key)) is not None:
                is_whole = _is_sound(link, lease.key) and present.issuperset(host_items(lease, link.ifindex))
                (whole if is_whole else broken).append(lease)
        broken += self._broken_beside(whole)
        for lease in broken:
            self._mend(lease)
        return len(broken)

    def _say_fights(self) -> None:
        told = "another process keeps undoing it: find it with 'ip monitor' and stop it"
        fights = (Condition("DatapathFight", str(what), told) for what in self._fights.fought_over(self._clock.now()))
        self._conditions.say("repair", *fights, *self._mending.fights())

    def _broken_beside(self, leases: list[Lease]) -> list[Lease]:
        """Of leases that lack nothing of the shared datapath, those that lack something of their backend's."""
        found: list[Lease] = []
        for backend in sorted({lease.backend for lease in leases}):
            if not self._dispatcher.has(backend):
                continue
            try:
                found += self._dispatcher.audit(backend, [lease for lease in leases if lease.backend == backend])
            except Exception as error:  # noqa: BLE001 - one backend must not keep the others' pods from being mended
                log.error("backend %s cannot look at its pods: %s", backend, explain(error))
        return found

    def _link_changed(self, link: Link) -> None:
        """A pod's host link was set down, which takes its routes and neighbours in silence, or got another MAC."""
        key = key_of_alias(link.alias)
        lease = None if key is None or _is_sound(link, key) else self._ipam.get(key)
        if lease is not None:
            self._mend_soon(f"link {link.name}", lease, "audit")

    def _mend_soon(self, words: str, lease: Lease, kind: str) -> None:
        """Unless somebody keeps undoing it."""
        if self._fights.may_repair(words, self._clock.now()) and self._mend(lease, kind):
            self._fights.mended(words, self._clock.now())

    def _mend(self, lease: Lease, kind: str = "audit") -> bool:
        """Whether there was anything to mend. A sandbox with a call in flight is left alone: an ADD half done looks
        broken and would meet our route."""
        sandbox = Sandbox(lease.sandbox.container_id, lease.sandbox.ifname)
        try:
            with self._locks.hold(lease.key, timeout=0):
                if self._ipam.get(lease.key) is not lease:
                    return False
                found = self._dispatcher.check(sandbox, lease, repair=True)
        except Retry:
            return False
        except Exception as error:  # noqa: BLE001 - the others must be mended whatever a plugin does
            log.error("container %s cannot be mended: %s", lease.sandbox.container_id, explain(error))
            return False
        for discrepancy in found:
            self._telemetry.repaired(kind if discrepancy.mended else f"{kind} failed")
            log.warning(
                "container %s: %s%s",
                lease.sandbox.container_id,
                discrepancy.what,
                ", put back" if discrepancy.mended else "",
            )
        return any(discrepancy.mended for discrepancy in found)

    def _put_back(self, item: FibRoute | Rule, words: str, lease: Lease | None) -> None:
        if lease is None or not self._fights.may_repair(words, self._clock.now()):
            return
        # ADD, so that nothing of anybody else is overwritten; a link that went meanwhile makes it fail harmlessly.
        failures = self._kernel.apply(Plan((Step(HOST, (Change(Verb.ADD, item),)),), atomic=False))
        if not failures:
            self._fights.mended(words, self._clock.now())
            self._telemetry.repaired("event")
            log.warning("container %s: somebody removed its %s, put back", lease.sandbox.container_id, words)


def _is_advertised(route: FibRoute) -> bool:
    """Whether it is a route of ours to other nodes, or one that covers this node's pod CIDR."""
    return (
        route.proto == PROTO and route.table == MAIN and (route.via is not None or route.kind is not RouteKind.UNICAST)
    )


def _is_sound(link: Link, key: Key) -> bool:
    """Whether a sandbox's host link is as it was made."""
    return link.up and link.mac == link_macs(key)[0]
