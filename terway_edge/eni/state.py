"""Everything the pool knows. The modules beside this one each change a part of it; `pool.EniPool` says when."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import AddressWish, CloudError, Eni, EniKind
from terway_edge.core.names import Key
from terway_edge.core.ports import Event, Severity
from terway_edge.eni.actions import Action
from terway_edge.eni.holds import Holds
from terway_edge.eni.intents import Left, Made, Memory
from terway_edge.eni.moment import Moment
from terway_edge.eni.partings import REMEMBERED, Partings
from terway_edge.eni.policy import INTENT_TAG, Policy, Shape, Site, is_usable, shape_of
from terway_edge.eni.records import Held, Leaving, Making
from terway_edge.eni.remembered import KnownEni, Remembered
from terway_edge.eni.vswitches import VSwitches

MOST_CALLS = {"create": 5, "attach": 5, "assign": 8, "unassign": 4, "detach": 4, "delete": 4}
"""Calls of a kind that are under way at once; ECS attaches 5 ENIs of an instance at a time."""


SHORT_SURVEY = 60.0  # seconds between two readings of vSwitches that seem to be full


TROUBLE = 900.0  # seconds that a failure is told; what lasts is tried more often


class Trouble(NamedTuple):
    error: CloudError
    at: float


class Stock(NamedTuple):
    """What the IPAM has at the moment of a decision: addresses with a lease, and by ENI how many pods could be served
    at once (`free`) and by addresses that rest from their last pod (`cooling`)."""

    used: frozenset[Address] = frozenset()
    free: Mapping[str, int] = {}
    cooling: Mapping[str, int] = {}


@dataclass(slots=True)
class State:
    """`strangers` are attached, but not in use by the pool: the primary ENI, others', and some on their way.

    `looked_at`: when the newest list was asked for; -1 before the first. `unused_since`: of addresses that had a lease.
    `newcomers`: ENIs of others and since which list; `suspects`: likely orphans and since which sweep.
    `lost`: addresses in use that the cloud has taken away, and from which ENI.
    `troubles`: the last failure by verb. `asked_at`: when an operator was asked for ENIs.
    """

    policy: Policy
    site: Site
    rng: random.Random
    started_at: float
    enis: dict[str, Held] = field(default_factory=dict)
    making: dict[str, Making] = field(default_factory=dict)
    assigning: dict[str, AddressWish] = field(default_factory=dict)
    leaving: dict[str, Leaving] = field(default_factory=dict)
    partings: Partings = field(default_factory=Partings)
    gone: dict[str, float] = field(default_factory=dict)
    strangers: dict[str, Eni] = field(default_factory=dict)
    newcomers: dict[str, float] = field(default_factory=dict)
    suspects: dict[str, float] = field(default_factory=dict)
    vswitches: VSwitches = field(default_factory=VSwitches)
    waiting: dict[Key, float] = field(default_factory=dict)
    busy: dict[str, Action] = field(default_factory=dict)
    used: frozenset[Address] = frozenset()
    unused_since: dict[Address, float] = field(default_factory=dict)
    lost: dict[Address, str] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    looked_at: float = -1.0
    next_look: float = 0.0
    next_poll: float = math.inf
    next_sweep: float = 0.0
    next_survey: float = 0.0
    surveyed: frozenset[str] = frozenset()
    surveyed_at: float = -math.inf
    surplus_since: float | None = None
    next_reclaim: float = 0.0
    changed_at: float = 0.0
    asked_at: float = -math.inf
    is_warm: bool = False
    shape: Shape = field(init=False)
    holds: Holds = field(init=False)

    def __post_init__(self) -> None:
        self.shape = shape_of(self.policy, self.site)
        self.holds = Holds(self.rng)
        self.changed_at = self.started_at
        self.is_warm = self.is_warm or self.policy.warm_up_size == 0

    def recall(self, memory: Memory) -> None:
        """Go on with what a former process was about."""
        self.making = {made.wish.intent: Making(made.wish, made.eni) for made in memory.making}
        self.assigning = {wish.eni: wish for wish in memory.assigning}
        self.leaving = {left.eni: Leaving(*left) for left in memory.leaving}
        self.partings = Partings(memory.parted)
        self.gone = dict(memory.gone)
        self.is_warm = self.is_warm or memory.is_warm
        self.vswitches.recall(memory.remembered.ways)
        for known in memory.remembered.enis:
            eni = known.attached_to(self.site.instance.id)
            if is_usable(eni, self.policy):
                self.enis[eni.id] = Held(eni, -math.inf, dict.fromkeys(known.items, -math.inf))

    def memory(self) -> Memory:
        return Memory(
            tuple(Made(making.wish, making.eni) for making in self.making.values()),
            tuple(self.assigning.values()),
            tuple(Left(each.eni, each.addresses, each.is_bound, each.is_orphan) for each in self.leaving.values()),
            self.partings.parted(),
            tuple(self.gone.items()),
            self.is_warm,
            self._remembered(),
        )

    def _remembered(self) -> Remembered:
        """What pods could be given now."""
        present = [held for held in self.enis.values() if held.is_present]
        ways = {held.eni.vswitch: self.vswitches.way(held.eni.vswitch) for held in present}
        return Remembered(
            self.site,
            tuple(replace(way, free=0) for way in ways.values() if way is not None),
            tuple(_known(held) for held in present),
        )

    # --- ENIs -------------------------------------------------------------------------------------------------------

    @property
    def primary(self) -> Eni | None:
        return next((each for each in self.strangers.values() if each.kind is EniKind.PRIMARY), None)

    def making_of(self, eni: Eni) -> Making | None:
        """The ENI's, by its id, or by its tag if the answer with the id was lost."""
        for making in self.making.values():
            if making.eni == eni.id or (not making.eni and eni.tags.get(INTENT_TAG) == making.wish.intent):
                return making
        return None

    def most_enis(self) -> int:
        """How many ENIs the pool may make: by the policy, and by what the instance takes with those of others."""
        if not self.site.features.attaches_hot:
            return 0
        return min(self.shape.max_enis, self.site.limits.enis - max(len(self.strangers), 1))

    def slots(self) -> int:
        """How many more ENIs may be made."""
        mine = len(self.enis) + len(self.making) + len(self.leaving)
        return max(self.most_enis() - mine, 0)

    def knows_way(self, held: Held) -> bool:
        """Whether its vSwitch was read: without the gateway no pod can be plugged in."""
        return self.vswitches.way(held.eni.vswitch) is not None

    def awaits_way(self, held: Held) -> bool:
        """Whether the vSwitch is about to be read."""
        return not self.knows_way(held) and held.eni.vswitch not in self.surveyed

    def place_of(self, address: Address) -> Held | None:
        """The ENI that an address is of."""
        for held in self.enis.values():
            if any(address in addresses for addresses in held.offer(self.shape).values()):
                return held
        return None

    def is_in_use(self, eni: str) -> bool:
        """Whether any pod has an address of it."""
        return any(not self.used.isdisjoint(each) for each in self.enis[eni].offer(self.shape).values())

    # --- calls ------------------------------------------------------------------------------------------------------

    def may_call(self, verb: str, subject: str, moment: Moment) -> bool:
        """Whether a call may be made now: one per subject, a few per verb, one alone while the verb fails."""
        if subject in self.busy or not self.holds.is_free(verb, moment):
            return False
        if not self.holds.is_free(f"{verb} {subject}", moment):
            return False
        under_way = sum(1 for action in self.busy.values() if action.verb == verb)
        return under_way < (1 if self.holds.is_failing(verb) else MOST_CALLS.get(verb, 1))

    def begin(self, action: Action) -> Action:
        self.busy[action.subject] = action
        return action

    def tell(self, reason: str, subject: str, message: str, severity: Severity = Severity.NORMAL) -> None:
        self.events.append(Event(reason, subject, message, severity))

    def look_soon(self, at: float) -> None:
        self.next_look = min(self.next_look, at)

    def survey_soon(self) -> None:
        """The counts say that nothing is left: they may be old."""
        self.next_survey = min(self.next_survey, self.surveyed_at + SHORT_SURVEY)

    # --- time -------------------------------------------------------------------------------------------------------

    def follow(self, policy: Policy, now: float) -> None:
        """What was put off because the operator had to mend something may be tried again."""
        self.policy, self.shape = policy, shape_of(policy, self.site)
        self.holds.succeed("create")
        self.look_soon(now)

    def take_stock(self, used: frozenset[Address], now: float) -> None:
        """Notice which addresses came into use or out of it."""
        if used != self.used:
            self.changed_at = now
            for address in self.used - used:
                self.unused_since.setdefault(address, now)  # the release may have been told, with its time
                self.lost.pop(address, None)
            for address in used - self.used:
                self.unused_since.pop(address, None)
            self.used = used

    def expire(self, now: float) -> None:
        """Forget what is long past."""
        self.partings.expire(now)
        self.gone = {eni: at for eni, at in self.gone.items() if at + REMEMBERED > now}
        self.holds.keep(lambda key: " " not in key or self._is_about_something(key.partition(" ")[2]))
        self.troubles = {verb: each for verb, each in self.troubles.items() if each.at + TROUBLE > now}
        ready = now - self.policy.cooldown
        if any(at <= ready for at in self.unused_since.values()):
            self.unused_since = {address: at for address, at in self.unused_since.items() if at > ready}

    def _is_about_something(self, subject: str) -> bool:
        return subject in self.enis or subject in self.leaving or any(m.eni == subject for m in self.making.values())


def _known(held: Held) -> KnownEni:
    eni = held.eni
    return KnownEni(eni.id, eni.mac, eni.vswitch, eni.primary, held.certain(), eni.tags)
