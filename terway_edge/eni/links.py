"""The links that ENIs are, made ready for pods and kept so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from typing import NamedTuple

from terway_edge.core.addresses import Address
from terway_edge.core.drift import Fights
from terway_edge.core.errors import Retry
from terway_edge.core.models import Condition, Discrepancy
from terway_edge.core.node_settings import NodeSettings
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
    doubles,
    eni_plan,
    find_link,
    gateways_of,
    is_harmless,
    is_pod_rule,
    lasting_items,
    remains,
    rules_about,
    settings,
    table_of,
)

log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """An ENI and how its link is to be: `gateways`, `node` and `mtu` as in `policy_routing.eni_plan`."""

    eni: str
    mac: bytes
    gateways: tuple[Address, ...]
    node: tuple[Address, ...]
    mtu: int


class EniLinks:
    """Any thread may call. A link that is ready is not looked at again until the kernel tells of a change."""

    def __init__(self, kernel: Kernel, clock: Clock, node_settings: NodeSettings) -> None:
        """:param node_settings: whose keeper puts right what others change of a ready link's sysctls"""
        self._kernel = kernel
        self._clock = clock
        self._settings = node_settings
        self._ready: dict[int, Wanted] = {}
        self._kept: frozenset[Wanted] = frozenset()
        self._fights = Fights()
        self.left_broken: Callable[[], object] = lambda: None
        """Called when something is left broken for a while: has `keep` called when `due_at` is over."""

    @property
    def due_at(self) -> float:
        """When `keep` will mend what was left broken; infinite if nothing was."""
        return self._fights.due_at()

    def recall(self) -> None:
        """Know the links that an earlier process made ready, as the kernel shows them: their events count before the
        cloud has said which ENIs they are, however long that takes. Three dumps."""
        links, addresses = self._kernel.dump(Link), self._kernel.dump(LinkAddress)
        routes = self._kernel.dump(FibRoute, Where(proto=PROTO))
        for link in links:
            gateways = gateways_of(link.ifindex, routes)
            if gateways:
                node = tuple(each.address for each in doubles(routes, addresses) if each.link == link.ifindex)
                self._remember(link, Wanted(f"on link {link.name}", link.mac, gateways, node, link.mtu))

    def keep(self, wanted: Collection[Wanted]) -> None:
        """Those that pods are on, as far as they are known. What became known since the last call is looked at now,
        and from then on at events; so is what was left to somebody who kept undoing it, once that was long enough."""
        if self._fights.is_due(self._clock.now()) or not self._kept.issuperset(wanted):
            self.audit(wanted)
        self._kept = frozenset(wanted)

    def make_ready(self, wanted: Wanted) -> int:
        """The ifindex of the ENI's link, which pods may use. Raises Retry if it is not there, or the kernel refuses."""
        for ifindex, known in list(self._ready.items()):
            if known == wanted:
                return ifindex
            if known.eni == wanted.eni:
                self._forget(ifindex)
        link = self.find(wanted)
        if link is None:
            raise Retry(f"{_named(wanted)} is attached, but this machine does not show its link yet")
        # Before the change: what is undone at once is told by an event, which must find it here.
        self._remember(link, wanted)
        refusal = self._apply(link, wanted)
        if refusal:
            self._forget(link.ifindex)
            raise Retry(f"{_named(wanted)}, link {link.name}: {refusal}")
        return link.ifindex

    def check(self, wanted: Wanted, *, repair: bool) -> list[Discrepancy]:
        """What of an ENI's link is not as pods need it."""
        link = self.find(wanted)
        if link is None:
            return [Discrepancy(f"the link of {_named(wanted)} is missing")]
        missing = [] if link.up else [f"link {link.name} of {_named(wanted)} is down"]
        if link.mac != wanted.mac:
            missing.append(f"link {link.name} of {_named(wanted)} has got MAC {link.mac.hex(':')}")
        where = Where(link=link.ifindex)
        present: set[Item] = {*self._kernel.dump(LinkAddress, where)}
        present.update(self._kernel.dump(FibRoute, Where(table=table_of(link.ifindex))))
        lasting = lasting_items(link.ifindex, wanted.gateways, wanted.node)
        missing += [_complaint(item, link.name) for item in lasting if item not in present]
        mended = bool(missing) and repair and not self._apply(link, wanted)
        return [Discrepancy(what, mended) for what in missing]

    def audit(self, wanted: Collection[Wanted]) -> dict[Wanted, int]:
        """Put right what these links lack, whatever it is; gives the ifindex of each that is there. Three dumps."""
        links = self._kernel.dump(Link)
        present: set[Item] = {*self._kernel.dump(LinkAddress), *self._kernel.dump(FibRoute, Where(proto=PROTO))}
        found = {}
        for each in wanted:
            link = self._find(links, each)
            if link is None:
                continue
            found[each] = link.ifindex
            self._remember(link, each)
            if _is_as_wanted(link, each, present):
                continue
            if refusal := self._apply(link, each):
                self._forget(link.ifindex)
                log.error("%s, link %s: %s", _named(each), link.name, refusal)
            else:
                log.warning("%s, link %s: somebody had changed it, put right", _named(each), link.name)
        return found

    def conditions(self) -> Iterator[Condition]:
        for ifindex in self._fights.fought_over(self._clock.now()):
            wanted = self._ready.get(ifindex) if isinstance(ifindex, int) else None
            if wanted is not None:
                told = "another process keeps undoing addresses and routes of its link: find it with 'ip monitor'"
                yield Condition("LinkFight", wanted.eni, f"{told} and stop it")

    def rules_of(self, addresses: Sequence[Address]) -> tuple[Rule, ...]:
        """The rules that the kernel has about a pod: also those of an ENI that nobody knows any more."""
        return rules_about(self._kernel.dump(Rule, Where(proto=PROTO)), addresses)

    def rules_by_pod(self) -> dict[Address, set[Rule]]:
        """All that are about pods, by the address that they are about."""
        found: dict[Address, set[Rule]] = {}
        for rule in self._kernel.dump(Rule, Where(proto=PROTO)):
            about = rule.src or rule.dst
            if about is not None and is_pod_rule(rule):
                found.setdefault(about.address, set()).add(rule)
        return found

    def check_rules(self, addresses: Sequence[Address], wanted: Collection[Rule], *, repair: bool) -> list[Discrepancy]:
        """What steers a pod elsewhere: rules that lead to the table of an ENI's former link."""
        others = [rule for rule in self.rules_of(addresses) if rule not in wanted]
        if repair and others:
            self._kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, rule) for rule in others)),), atomic=False))
        return [
            Discrepancy(f"rule {rule.priority} of {rule.src or rule.dst} leads to table {rule.table}", repair)
            for rule in others
        ]

    def on_event(self, event: KernelEvent) -> None:
        """Make a link ready again that somebody has changed; one that went is forgotten."""
        for ifindex in _links_of(event) if event.what is not Happening.OVERRUN else list(self._ready):
            wanted = self._ready.get(ifindex)
            if wanted is None:
                continue
            link = self.find(wanted)
            if link is None or link.ifindex != ifindex:
                self._forget(ifindex)
            # The kernel tells of an IPv6 address long after we set it, and not that it was us: look before anything.
            elif self._is_whole(link, wanted):
                continue
            elif not self._fights.may_repair(ifindex, self._clock.now()):
                self.left_broken()
            elif self._apply(link, wanted):
                self._forget(ifindex)
            else:
                self._fights.mended(ifindex, self._clock.now())

    def remove(self) -> None:
        """Remove rules, tables and addresses of ours; links stay up."""
        dump = self._kernel.dump
        rest = remains(dump(FibRoute, Where(proto=PROTO)), dump(Rule, Where(proto=PROTO)), dump(LinkAddress))
        for ifindex in list(self._ready):
            self._forget(ifindex)
        self._kernel.apply(Plan((Step(HOST, tuple(Change(Verb.REMOVE, item) for item in rest)),), atomic=False))

    def find(self, wanted: Wanted) -> Link | None:
        return self._find(self._kernel.dump(Link), wanted)

    def _find(self, links: Collection[Link], wanted: Wanted) -> Link | None:
        """By its MAC; one that was ready and has got another MAC is still the same link."""
        found = find_link(links, wanted.mac)
        if found is not None:
            return found
        known = {ifindex for ifindex, each in list(self._ready.items()) if each.eni == wanted.eni}
        return next((link for link in links if link.ifindex in known), None)

    def _is_whole(self, link: Link, wanted: Wanted) -> bool:
        present: set[Item] = {*self._kernel.dump(LinkAddress, Where(link=link.ifindex))}
        present.update(self._kernel.dump(FibRoute, Where(table=table_of(link.ifindex))))
        return _is_as_wanted(link, wanted, present)

    def _remember(self, link: Link, wanted: Wanted) -> None:
        self._ready[link.ifindex] = wanted
        self._settings.want((self, link.ifindex), settings(link, wanted.gateways))

    def _forget(self, ifindex: int) -> None:
        """Another link may get its name, and is none of our concern."""
        self._ready.pop(ifindex, None)
        self._settings.drop((self, ifindex))

    def _apply(self, link: Link, wanted: Wanted) -> str:
        """Why the link is not ready, empty if it is."""
        mac = None if link.mac == wanted.mac else wanted.mac
        failures = self._kernel.apply(eni_plan(link, wanted.gateways, wanted.node, wanted.mtu, mac))
        return "; ".join(f"{each.change.item}: {each.message}" for each in failures if not is_harmless(each))


def _is_as_wanted(link: Link, wanted: Wanted, present: Set[Item]) -> bool:
    lasting = lasting_items(link.ifindex, wanted.gateways, wanted.node)
    return link.up and (link.mac, link.mtu) == (wanted.mac, wanted.mtu) and present >= set(lasting)


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
