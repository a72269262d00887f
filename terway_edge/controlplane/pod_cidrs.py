"""Pod CIDRs for edge nodes that have none, where the cluster's controller-manager gives none.

Claim, then give: the claim is in the Lease before the Node is touched, and stays until the Node shows its pod CIDR.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from msgspec.json import decode

from terway_edge.cluster.api.bodies import MERGE
from terway_edge.cluster.api.failures import CONFLICT, NOT_FOUND, ApiError
from terway_edge.cluster.api.resources import object_path
from terway_edge.controlplane.allocator import Allocator, Holder, Rules
from terway_edge.controlplane.api import Api
from terway_edge.controlplane.following import World
from terway_edge.controlplane.ledger import NOTE, Claim, DamagedError, Ledger, ledger_text, read_ledger
from terway_edge.controlplane.objects import NodeSeen
from terway_edge.controlplane.ranges import read_cidr
from terway_edge.controlplane.telling import Telling
from terway_edge.core.ports import Event, Events, Severity

PERIOD = 60.0  # seconds between turns without news

log = logging.getLogger(__name__)


class Notes(Protocol):
    """What leaders leave for one another, as `leadership.Leadership`."""

    @property
    def notes(self) -> Mapping[str, str]: ...

    async def note(self, key: str, text: str) -> None: ...


class PodCidrs:
    """For one reign."""

    name = "pod CIDRs"

    def __init__(
        self, rules: Rules, wants: Callable[[NodeSeen], bool], notes: Notes, api: Api, events: Events, began: float
    ) -> None:
        """:param wants: whether a Node is to get a pod CIDR of us if it has none."""
        self._wants, self._notes, self._api, self._events = wants, notes, api, events
        self._allocator = Allocator(rules, began)
        self._given: set[str] = set()  # by uid, until the Node is seen with it
        self._telling = Telling(events)
        self.starving = 0

    async def turn(self, world: World, now: float) -> float:
        """Seconds until the next, at the latest. Raises NotLeadingError, or as `Api`."""
        holders = self._holders(world.nodes.values())
        if holders is None:
            return PERIOD
        try:
            before = read_ledger(self._notes.notes)
        except DamagedError as error:
            log.error("annotation %s of the Lease is damaged: remove it, no pod CIDR is given before: %s", NOTE, error)
            return PERIOD
        plan = self._allocator.plan(holders, before, now)
        if plan.ledger != before:
            await self._notes.note(NOTE, ledger_text(plan.ledger))
        self._tell(plan.starving, now)
        wanting = {each.name for each in holders if each.wants}
        is_done = await self._give(plan.ledger, wanting)
        return min(PERIOD, plan.again or PERIOD) if is_done else 1.0

    def _holders(self, nodes: Iterable[NodeSeen]) -> list[Holder] | None:
        """None if one has a CIDR that cannot be read: it could be any."""
        holders = []
        for node in nodes:
            try:
                cidrs = tuple(read_cidr(text) for text in node.pod_cidrs)
            except ValueError as error:
                log.error("Node %s: no pod CIDR is given while one cannot be read: %s", node.name, error)
                return None
            holders.append(Holder(node.name, node.uid, cidrs, self._wants(node)))
        self._given &= {each.uid for each in holders if not each.cidrs}
        return holders

    def _tell(self, starving: Mapping[str, str], now: float) -> None:
        self.starving = len(starving)
        self._telling.say(
            [Event("PodCIDRExhausted", f"Node/{name}", why, Severity.WARNING) for name, why in starving.items()], now
        )

    async def _give(self, ledger: Ledger, wanting: set[str]) -> bool:
        """What is claimed; False if some of it has to be tried again."""
        is_done = True
        for name, claim in ledger.claims.items():
            if name in wanting and claim.uid not in self._given:
                try:
                    await self._give_one(name, claim)
                except ApiError as error:
                    if error.status not in (CONFLICT, NOT_FOUND):
                        raise
                    is_done = False
        return is_done

    async def _give_one(self, name: str, claim: Claim) -> None:
        """The Node is read first, and written only if nothing happened to it since."""
        path = object_path("Node", name)
        node = decode(await self._api.get(path))
        metadata, spec = node["metadata"], node.get("spec") or {}
        if metadata["uid"] == claim.uid and not spec.get("podCIDR"):
            texts = [str(cidr) for cidr in claim.cidrs]
            body = {
                "metadata": {"uid": claim.uid, "resourceVersion": metadata["resourceVersion"]},
                "spec": {"podCIDR": texts[0], "podCIDRs": texts},
            }
            await self._api.send("PATCH", path, body, MERGE)
            log.info("Node %s has pod CIDR %s", name, ", ".join(texts))
            self._events.emit(Event("PodCIDRAssigned", f"Node/{name}", f"pod CIDR {', '.join(texts)}"))
        self._given.add(claim.uid)
