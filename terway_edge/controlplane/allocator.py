"""Which node gets which pod CIDR. Pure: times are seconds of a clock that never steps.

What was never given comes first; then what has been free for long enough, for routers far away may still send a
deleted node's packets somewhere. A leader knows of a free CIDR no longer than it leads, so it counts from then on.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from terway_edge.controlplane.ledger import Claim, Ledger
from terway_edge.controlplane.ranges import Span, first_free, merged
from terway_edge.core.addresses import BITS, Prefix
from terway_edge.core.planner.capacity import EdgeRange

BATCH = 50  # claims at a time: they must fit into a note


class Holder(NamedTuple):
    """A Node; `wants`: it is one of those that get a pod CIDR of us."""

    name: str
    uid: str
    cidrs: tuple[Prefix, ...]
    wants: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """`ranges` in order of preference; `reserved` is never given; a CIDR that comes free rests for `rest` seconds."""

    ranges: tuple[EdgeRange, ...]
    reserved: tuple[Prefix, ...]
    rest: float

    @property
    def families(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(each.prefix.family for each in self.ranges))


class Plan(NamedTuple):
    """`ledger` is to be written before anything is given; `starving` are nodes that cannot have any, by name, and why.
    `again` in seconds: when there may be more."""

    ledger: Ledger
    starving: Mapping[str, str]
    again: float | None


class Allocator:
    """One reign's memory of what was in use."""

    def __init__(self, rules: Rules, began: float) -> None:
        self._rules, self._began = rules, began
        self._in_use: set[Prefix] = set()
        self._freed: dict[Prefix, float] = {}

    def plan(self, holders: Iterable[Holder], ledger: Ledger, now: float) -> Plan:
        """:param holders: all Nodes there are, as of a moment when the ledger was this one or an earlier one."""
        by_name = {each.name: each for each in holders}
        claims = {name: claim for name, claim in ledger.claims.items() if _is_open(claim, by_name.get(name))}
        in_use = {cidr for each in by_name.values() for cidr in each.cidrs}
        self._note_freed(in_use | {cidr for claim in claims.values() for cidr in claim.cidrs}, now)
        marks = {each.prefix: self._mark(each, ledger) for each in self._rules.ranges}
        taken = {family: merged((*self._in_use, *self._freed, *self._rules.reserved), family) for family in BITS}
        starving: dict[str, str] = {}
        for holder in sorted(each for each in by_name.values() if each.wants and not each.cidrs):
            if holder.name in claims:
                continue
            if len(claims) >= BATCH:
                break
            found = self._one_per_family(marks, taken, now)
            if found is None:
                starving[holder.name] = self._why()
                continue
            claims[holder.name] = Claim(holder.uid, found)
            for cidr in found:
                self._in_use.add(cidr)
                insort(taken[cidr.family], (cidr.first, cidr.last))
            for each in self._rules.ranges:
                marks[each.prefix] = max(marks[each.prefix], *(_used(each, cidr) for cidr in found))
        again = min(self._rests(now), default=None) if starving else None
        return Plan(Ledger(claims, marks), starving, again)

    def _note_freed(self, in_use: set[Prefix], now: float) -> None:
        for cidr in self._in_use - in_use:
            self._freed[cidr] = now
        rest = self._rules.rest
        self._freed = {cidr: at for cidr, at in self._freed.items() if cidr not in in_use and now < at + rest}
        self._in_use = in_use

    def _mark(self, within: EdgeRange, ledger: Ledger) -> int:
        used = (_used(within, cidr) for cidr in (*self._in_use, *self._freed))
        return max(ledger.marks.get(within.prefix, 0), *used, 0)

    def _one_per_family(
        self, marks: Mapping[Prefix, int], taken: Mapping[int, Sequence[Span]], now: float
    ) -> tuple[Prefix, ...] | None:
        found = [self._free(family, marks, taken[family], now) for family in self._rules.families]
        return tuple(cidr for cidr in found if cidr) if None not in found else None

    def _free(self, family: int, marks: Mapping[Prefix, int], taken: Sequence[Span], now: float) -> Prefix | None:
        ranges = [each for each in self._rules.ranges if each.prefix.family == family]
        never_given = (first_free(each, taken, each.prefix.first + marks[each.prefix]) for each in ranges)
        has_rested = now >= self._began + self._rules.rest
        rested = (first_free(each, taken, each.prefix.first) for each in ranges if has_rested)
        return next((cidr for cidr in chain(never_given, rested) if cidr is not None), None)

    def _rests(self, now: float) -> Iterator[float]:
        """Seconds until something has rested."""
        for at in (self._began, *self._freed.values()):
            if (left := at + self._rules.rest - now) > 0:
                yield left

    def _why(self) -> str:
        ranges = ", ".join(f"{each.prefix} (/{each.node_length} a node)" for each in self._rules.ranges)
        return (
            f"no pod CIDR is left in {ranges}: add a range to controlplane.pod_cidr_ranges, or delete Nodes, whose pod "
            f"CIDRs are given again after {self._rules.rest:.0f} s"
        )


def _is_open(claim: Claim, holder: Holder | None) -> bool:
    """Whether it may still come true: a Node's pod CIDRs are set once, and another Node has another uid."""
    return holder is not None and holder.uid == claim.uid and not holder.cidrs


def _used(within: EdgeRange, cidr: Prefix) -> int:
    """Addresses of a range up to the end of a CIDR in it."""
    if within.prefix.covers(cidr):
        return cidr.last + 1 - within.prefix.first
    return within.prefix.size if cidr.covers(within.prefix) else 0
