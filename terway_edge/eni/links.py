"""The links that ENIs are, made ready for pods and kept so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from terway_edge.core.addresses import Address
from terway_edge.core.drift import Fights
from terway_edge.core.errors import Retry
from terway_edge.core.models import Discrepancy
from terway_edge.core.plans import (
    HOST,
    PROTO,
    Change,
    FibRoute,
    Item,
    Link,
    LinkAddress,
    Plan,
    Rule,
    Step,
    Verb,
    Where,
)
from terway_edge.core.ports import Clock, Happening, Kernel, KernelEvent
from terway_edge.eni.policy_routing import (
    eni_plan,
    find_link,
    is_harmless,
    is_pod_rule,
    lasting_items,
    remains,
    rules_about,
    table_of,
)


class Wanted(NamedTuple):
    """An ENI and how its link is to be: `gateways`, `node` and `mtu` as in `policy_routing.eni_plan`."""

    eni: str
    mac: bytes
    gateways: tuple[Address, ...]
    node: tuple[Address, ...]
    mtu: int


class EniLinks:
    """Any thread may call. A link that is ready is not looked at again until the kernel tells of a change."""

    def __init__(self, kernel: Kernel, clock: Clock) -> None:
        self._kernel = kernel
        self._clock = clock
        self._ready: dict[int, Wanted] = {}
        self._fights = Fights()

    def make_ready(self, wanted: Wanted) -> int:
        """The ifindex of the ENI's link, which pods may use. Raises Retry if it is not there, or the kernel refuses."""
        for ifindex, known in list(self._ready.items()):
            if known == wanted:
                return ifindex
            if known.eni == wanted.eni:
                self._ready.pop(ifindex, None)
        link = self.find(wanted)
        if link is None:
            raise Retry(f"{_named(wanted)} is attached, but this machine does not show its link yet")
        # Before the change: what is undone at once is told by an event, which must find it here.
        self._ready[link.ifindex] = wanted
        refusal = self._apply(link, wanted)
        if refusal:
            self._ready.pop(link.ifindex, None)
            raise Retry(f"{_named(wanted)}, link {link.name}: {refusal}")
        return link.ifindex

    def check(self, wanted: Wanted, *, repair: bool) -> list[Discrepancy]:
        """What of an ENI's link is not as pods need it."""
        link = self.find(wanted)
        if link is None:
            return [Discrepancy(f"the link of {_named(wanted)} is missing")]
        missing = [] if link.up else [f"link {link.name} of {_named(wanted)} is down"]
        where = Where(link=link.ifindex)
        present: set[Item] = {*self._kernel.dump(LinkAddress, where)}
        present.update(self._kernel.dump(FibRoute, Where(table=table_of(link.ifindex))))
        lasting = lasting_items(link.ifindex, wanted.gateways, wanted.node)
        missing += [_complaint(item, link.name) for item in lasting if item not in present]
        mended = bool(missing) and repair and not self._apply(link, wanted)
        return [Discrepancy(what, mended) for what in missing]

    def rules_of(self, addresses: Sequence[Address]) -> tuple[Rule, ...]:
        """The rules that the kernel has about a pod: also those of an ENI that nobody knows any more."""
        return rules_about(self._kernel.dump(Rule, Where(proto=PROTO)), addresses)

    def on_event(self, event: KernelEvent) -> None:
        """Make a link ready again that somebody has changed; one that went is forgotten."""
        for ifindex in _links_of(event) if event.what is not Happening.OVERRUN else list(self._ready):
            wanted = self._ready.get(ifindex)
            if wanted is None or not self._fights.may_repair(ifindex, self._clock.now()):
                continue
            link = self.find(wanted)
            if link is None or link.ifindex != ifindex or self._apply(link, wanted):
                self._ready.pop(ifindex, None)

    def remove(self) -> None:
        """Remove rules, tables and addresses of ours; links stay up."""
        dump = self._kernel.dump
        rest = remains(dump(FibRoute, Where(proto=PROTO)), dump(Rule, Where(proto=PROTO)), dump(LinkAddress))
        self._ready.clear()
        self._kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, item) for item in rest)),), atomic=False))

    def find(self, wanted: Wanted) -> Link | None:
        return find_link(self._kernel.dump(Link), wanted.mac)

    def _apply(self, link: Link, wanted: Wanted) -> str:
        """Why the link is not ready, empty if it is."""
        failures = self._kernel.apply(eni_plan(link, wanted.gateways, wanted.node, wanted.mtu))
        return "; ".join(f"{each.change.item}: {each.message}" for each in failures if not is_harmless(each))


def is_lost_rule(event: KernelEvent) -> Rule | None:
    """The pod's rule that somebody removed."""
    rule = event.item
    return rule if isinstance(rule, Rule) and event.what is Happening.RULE_REMOVED and is_pod_rule(rule) else None


def _links_of(event: KernelEvent) -> list[int]:
    """Indexes of links that an event says were changed or have lost something."""
    match event.item:
        case Link(ifindex=ifindex):
            return [ifindex]
        case LinkAddress(link=link):
            return [link]
        case FibRoute(link=link, table=table) if event.what is Happening.ROUTE_REMOVED and table == table_of(link):
            return [link]
        case _:
            return []


def _named(wanted: Wanted) -> str:
    return f"ENI {wanted.eni} (MAC {wanted.mac.hex(':')})"


def _complaint(item: LinkAddress | FibRoute, name: str) -> str:
    if isinstance(item, LinkAddress):
        return f"the node's address {item.address} on link {name} is missing"
    return f"IPv{item.prefix.family} default route in table {item.table} of link {name} is missing"
