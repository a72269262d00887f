"""When to connect and what to tell: the rules that make graceful restart lose nothing. Pure; time is an argument.

    1. A peer is connected to only once everything it should know is known: after the cluster's first whole listing, or
       with what an earlier process announced, which no incomplete listing may take back.
    2. A set that shrank much, or to nothing, between two lives of the agent is held back for a while: a cluster that is
       still coming up must not take routes away.
    3. A peer that should not be ours any more but knew an earlier process is taken leave of, once the listing is whole.

Why: docs/explanation/graceful-restart.md.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from terway_edge.backends.bgp.announcements import Announced, Announcement, routes_of
from terway_edge.backends.bgp.memory import Remembered, Remembrance
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.wish import Attributes, Wish
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Condition

FEW = 2
"""So many nodes may vanish at once in any cluster."""
LIVE, CACHED = 0, 100
"""MED of routes from a whole listing, and of those that are only remembered, or among such: peers prefer the lower."""


class Target(NamedTuple):
    """One peer as the cluster wants it now."""

    spec: PeerSpec
    announced: Announced
    attributes: Attributes = Attributes()


class Plan(NamedTuple):
    """`wishes` for the speaker, `conditions` for the operator, `memory` for the next process, and when to plan again
    even if nothing changes (None: never)."""

    wishes: tuple[Wish, ...]
    conditions: tuple[Condition, ...]
    memory: Mapping[Address, Remembered]
    again_at: float | None = None


class Planner:
    """Remembers what was last announced and how this process began."""

    def __init__(self, before: Remembrance, boot_id: str, *, shrink_percent: int, hold_back: float) -> None:
        """:param before: what an earlier process left.
        :param shrink_percent: share of a peer's nodes that may be missing at the first whole listing.
        :param hold_back: seconds for which more missing nodes are held to be an error.
        """
        self._memory = dict(before.peers)
        self._earlier = dict(before.peers)
        self._unmet = set(before.peers)  # no session to them was asked for in this life
        self._is_same_boot = before.boot_id == boot_id
        self._shrink_percent = shrink_percent
        self._hold_back = hold_back
        self._held_until: dict[Address, float] = {}

    @property
    def memory(self) -> Mapping[Address, Remembered]:
        """What the next process should know, as of now."""
        return dict(self._memory)

    def plan(
        self,
        targets: Iterable[Target],
        now: float,
        *,
        in_sync: bool,
        is_live: bool = True,
        unclear: Container[Address] = frozenset(),
    ) -> Plan:
        """:param targets: at most one for a peer's address.
        :param in_sync: False until the cluster's first whole listing: then what is missing is merely not known yet.
        :param is_live: False while that listing is what an earlier process saw: it counts, and the first of this life
            is still to come.
        :param unclear: peers that are wanted while their specification cannot be had: they stay as they are.
        """
        wishes: list[Wish] = []
        conditions: list[Condition] = []
        wanted: set[Address] = set()
        for target in targets:
            wanted.add(target.spec.address)
            conditions += target.announced.conditions
            wish = self._wish(target, now, conditions, in_sync=in_sync, is_live=is_live)
            if wish is not None:
                wishes.append(wish)
        for address, remembered in self._memory.items():
            if address in wanted:
                continue
            if not in_sync or address in unclear:
                conditions += [] if in_sync else [_from_memory(remembered.spec)]
                wishes.append(self._remembered_wish(remembered))
            elif address in self._unmet:
                wishes.append(farewell(remembered))
        again_at = min((until for until in self._held_until.values() if until > now), default=None)
        return Plan(tuple(wishes), tuple(conditions), self.memory, again_at)

    def left(self, address: Address) -> None:
        """The peer was told that all is over."""
        self._memory.pop(address, None)
        self._earlier.pop(address, None)

    def _wish(
        self, target: Target, now: float, conditions: list[Condition], *, in_sync: bool, is_live: bool
    ) -> Wish | None:
        spec, remembered = target.spec, self._memory.get(target.spec.address)
        announcements, attributes = target.announced.announcements, target.attributes
        if not in_sync:
            if remembered is None:
                conditions.append(_not_in_sync(spec))
                return None
            conditions.append(_from_memory(spec))
            announcements = _overlaid(remembered.announcements, announcements)
            attributes = replace(attributes, med=CACHED)
        elif not is_live:
            attributes = replace(attributes, med=CACHED)
        elif held := self._held_back(target, now):
            conditions.append(held)
            announcements = _overlaid(self._earlier[spec.address].announcements, announcements)
            attributes = replace(attributes, med=CACHED)
        self._memory[spec.address] = Remembered(spec, announcements, target.attributes)
        return self._asked(spec, announcements, attributes)

    def _remembered_wish(self, remembered: Remembered) -> Wish:
        """For a peer of which the cluster tells too little: as before."""
        spec, announcements, attributes = remembered
        return self._asked(spec, announcements, replace(attributes, med=CACHED))

    def _asked(self, spec: PeerSpec, announcements: tuple[Announcement, ...], attributes: Attributes) -> Wish:
        self._unmet.discard(spec.address)
        is_known = spec.address in self._earlier
        rebirth = Rebirth(restarting=is_known, forwarding=self._is_same_boot or not is_known)
        return Wish(spec, routes_of(announcements, spec.families), attributes, rebirth)

    def _held_back(self, target: Target, now: float) -> Condition | None:
        """What to say while nodes of an earlier life are missing and may yet come back; None once that is over."""
        spec = target.spec
        earlier = self._earlier.get(spec.address)
        if earlier is None or self._held_until.get(spec.address, now + 1) <= now:
            return None
        before = {announcement.origin for announcement in earlier.announcements}
        missing = before - {announcement.origin for announcement in target.announced.announcements}
        limit = min(self._hold_back, spec.restart_time / 2)
        is_little = len(missing) <= FEW or len(missing) * 100 <= len(before) * self._shrink_percent
        is_empty = missing == before and self._shrink_percent < 100
        if not missing or (is_little and not is_empty) or not limit:
            self._held_until[spec.address] = now  # whole, or whole again: from now on the cluster is believed
            return None
        self._held_until.setdefault(spec.address, now + limit)
        return _held(spec, len(missing), len(before), limit)


def farewell(remembered: Remembered) -> Wish:
    """To end for good what an earlier process left at a peer."""
    return Wish(remembered.spec, rebirth=Rebirth(restarting=True, is_farewell=True))


def _overlaid(old: Iterable[Announcement], new: Iterable[Announcement]) -> tuple[Announcement, ...]:
    """All of both; where they speak of the same prefix the new one is right."""
    by_prefix: dict[Prefix, Announcement] = {announcement.prefix: announcement for announcement in old}
    by_prefix.update((announcement.prefix, announcement) for announcement in new)
    return tuple(by_prefix.values())


def _not_in_sync(spec: PeerSpec) -> Condition:
    return Condition(
        "RoutesHeld",
        f"BGPPeer/{spec.name}",
        f"not connecting to {spec.address}: the cluster's objects were not all read yet, and nothing is remembered of "
        f"an earlier run; make the source of cluster objects readable ('terway-edge status' says what is wrong)",
    )


def _from_memory(spec: PeerSpec) -> Condition:
    return Condition(
        "RoutesHeld",
        f"BGPPeer/{spec.name}",
        f"what was announced to {spec.address} before the restart stays announced: the cluster's objects were not all "
        f"read yet; make their source readable ('terway-edge status' says what is wrong)",
    )


def _held(spec: PeerSpec, missing: int, before: int, limit: float) -> Condition:
    return Condition(
        "RoutesHeld",
        f"BGPPeer/{spec.name}",
        f"{missing} of {before} nodes announced before the restart are missing from the cluster: their routes stay "
        f"announced for {limit:.0f} s after the start; if the nodes are really gone there is nothing to do",
    )
