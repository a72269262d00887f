"""The warm pool's decisions: an explicit state machine without threads, clock or I/O.

    state: ENIs in use · on their way · leaving | wishes and partings under way | vSwitches | who waits | holds
    decide(stock, now) -> actions    observed by: looked, swept, surveyed, created, ..., failed

Whoever carries the actions out writes `memory` down before any action that changes something, gives pods only what
`offers` has, and proves before an `Unassign`, `Detach` or `Delete` that no pod has an address of it (or says `keep`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import CloudError, Eni, VSwitch
from terway_edge.core.models import Condition
from terway_edge.core.names import Key
from terway_edge.core.ports import Event, Severity
from terway_edge.eni import failures, growth, leaving, listing, making, reporting, sweep
from terway_edge.eni.actions import (
    Action,
    Assign,
    Attach,
    Create,
    Delete,
    Detach,
    Item,
    Look,
    OpenSource,
    Survey,
    Sweep,
    Unassign,
)
from terway_edge.eni.demand import Tally, shortage, tally
from terway_edge.eni.intents import Memory
from terway_edge.eni.moment import Moment
from terway_edge.eni.policy import Policy, Site
from terway_edge.eni.records import addresses_of
from terway_edge.eni.shrink import shrink
from terway_edge.eni.state import State, Stock

ASK_AGAIN = 600.0  # seconds between two events that ask an operator for more ENIs
SURVEY_PERIOD = 600.0  # seconds between two readings of the vSwitches


class EniPool:
    """:param rng: jitter, choices and intents; two processes must not share a seed."""

    def __init__(self, policy: Policy, site: Site, memory: Memory, rng: random.Random, now: float) -> None:
        self._state = State(policy, site, rng, now)
        self._state.recall(memory)
        self._tally = Tally(0, 0, 0, 0, 0, 0, 0)
        self._growable = 0
        self._lack: str | None = None
        self._has_counted = False
        self.next_at = now
        """When the next decision is due at the latest."""

    # --- deciding -------------------------------------------------------------------------------------------------

    def follow(self, policy: Policy, now: float) -> None:
        """The operator wants something else from now on. Families and prefixes are what they were."""
        if policy != self._state.policy:
            self._state.follow(policy, now)

    def decide(self, stock: Stock, now: float) -> list[Action]:
        """What to call now; the same action is not given again before its outcome was told."""
        state, moment = self._state, Moment(now)
        state.take_stock(stock.used, now)
        state.expire(now)
        actions = list(self._read(moment))
        if state.looked_at >= 0:
            actions += self._change(stock, moment)
            self._ask_for_enis(now)
        self.next_at = moment.next_at
        return actions

    def _read(self, moment: Moment) -> Iterator[Action]:
        state = self._state
        if moment.is_due(min(state.next_look, state.next_poll)) and state.may_call("look", "look", moment):
            yield state.begin(Look(moment.now))
        if state.looked_at < 0:
            return  # which vSwitches count is not known yet
        ids = self._vswitch_ids()
        is_due = moment.is_due(state.next_survey) or not ids <= state.surveyed
        if ids and is_due and state.may_call("survey", "survey", moment):
            yield state.begin(Survey(tuple(sorted(ids))))
        if sweep.can_sweep(state) and moment.is_due(state.next_sweep) and state.may_call("sweep", "sweep", moment):
            yield state.begin(Sweep(moment.now))

    def _change(self, stock: Stock, moment: Moment) -> Iterator[Action]:
        state = self._state
        yield from making.make(state, moment)
        yield from growth.repeat(state, moment)
        self._tally, self._has_counted = tally(state, stock, growth.assigning(state)), True
        self._warm_up(moment)
        self._growable = growth.growable(state, moment)
        self._lack = reporting.lack(state, self._tally, self._growable)
        yield from growth.grow(state, self._tally, moment)
        shrink(state, self._tally, moment)
        yield from leaving.leave(state, moment)
        for held in state.enis.values():
            eni = held.eni
            if eni.checks_source and not state.policy.checks_source and state.may_call("open_source", eni.id, moment):
                yield state.begin(OpenSource(eni.id))

    def _warm_up(self, moment: Moment) -> None:
        """It is done once and for all when there are so many pods' addresses, or no more can be had."""
        state, tally = self._state, self._tally
        if not state.is_warm:
            is_full = not tally.coming and not growth.growable(state, moment)
            state.is_warm = is_full or tally.total >= state.policy.warm_up_size

    def _ask_for_enis(self, now: float) -> None:
        """An event, for people who do not look at conditions; pods that wait come and go."""
        state = self._state
        if self._is_short and not state.site.features.attaches_hot and now >= state.asked_at + ASK_AGAIN:
            state.asked_at = now
            state.tell("BindMoreEnis", state.site.instance.id, reporting.binding(state), Severity.WARNING)

    def _vswitch_ids(self) -> frozenset[str]:
        """Those to make ENIs in, and those of the ENIs in use: backends need their gateways."""
        state = self._state
        used = (held.eni.vswitch for held in state.enis.values())
        return frozenset({*state.policy.vswitches, *growth.candidates(state), *used})

    # --- what happened --------------------------------------------------------------------------------------------

    def looked(self, action: Look, enis: Sequence[Eni], now: float) -> None:
        self._end(action)
        listing.looked(self._state, enis, action.asked_at, now)
        making.polled(self._state, now)

    def swept(self, action: Sweep, enis: Sequence[Eni], now: float) -> None:
        self._end(action)
        sweep.swept(self._state, enis, action.asked_at, now)

    def surveyed(self, action: Survey, vswitches: Sequence[VSwitch], now: float) -> None:
        self._end(action)
        self._state.vswitches.saw(vswitches)
        for id in set(action.ids).difference(each.id for each in vswitches):
            self._state.vswitches.is_none(id, now)
        self._state.surveyed, self._state.surveyed_at = frozenset(action.ids), now
        self._state.next_survey = now + SURVEY_PERIOD

    def created(self, action: Create, eni: Eni) -> None:
        self._end(action)
        making.created(self._state, action.wish.intent, eni)

    def attached(self, action: Attach, now: float) -> None:
        self._end(action)
        making.attached(self._state, action.eni, now)

    def assigned(self, action: Assign, items: Sequence[Item], now: float) -> None:
        """Perhaps less than was wished for."""
        self._end(action)
        growth.assigned(self._state, action.wish, items, now)

    def unassigned(self, action: Unassign, now: float) -> None:
        self._end(action)
        self._state.partings.close(action.eni, action.items, now)

    def detached(self, action: Detach, now: float) -> None:
        self._end(action)
        leaving.detached(self._state, action.eni, now)

    def deleted(self, action: Delete, now: float) -> None:
        self._end(action)
        leaving.deleted(self._state, action.eni, now)

    def opened(self, action: OpenSource) -> None:
        self._end(action)
        held = self._state.enis.get(action.eni)
        if held is not None:
            held.eni = replace(held.eni, checks_source=False)

    def failed(self, action: Action, error: CloudError, now: float) -> None:
        self._state.busy.pop(action.subject, None)
        failures.failed(self._state, action, error, now)

    def keep(self, action: Unassign | Detach | Delete) -> None:
        """It was not carried out: a pod has an address of it. Decide again at once."""
        self._state.busy.pop(action.subject, None)
        self.next_at = -math.inf
        if isinstance(action, Unassign):
            leaving.keep_items(self._state, action.eni, action.items)
        else:
            leaving.keep_eni(self._state, action.eni)

    def released(self, addresses: Sequence[Address], now: float) -> None:
        """A pod gave them back: a lease may come and go between two decisions."""
        self._state.unused_since.update(dict.fromkeys(addresses, now))
        self._state.changed_at = now

    def wait(self, key: Key, now: float) -> bool:
        """A pod wants an address and there is none; False if that is known."""
        is_new = key not in self._state.waiting
        self._state.waiting.setdefault(key, now)
        return is_new

    @property
    def waiting(self) -> tuple[Key, ...]:
        return tuple(self._state.waiting)

    def stop_waiting(self, key: Key) -> None:
        self._state.waiting.pop(key, None)

    def _end(self, action: Action) -> None:
        state = self._state
        state.busy.pop(action.subject, None)
        state.troubles.pop(action.verb, None)
        state.holds.succeed(action.verb)
        state.holds.succeed(f"{action.verb} {action.subject}")

    # --- what is so -----------------------------------------------------------------------------------------------

    @property
    def memory(self) -> Memory:
        """To be written down before any action that changes something."""
        return self._state.memory()

    @property
    def offers(self) -> dict[str, dict[int, frozenset[Address]]]:
        """Addresses for pods by ENI and family; the ENI that pods go to first is first."""
        state = self._state
        absent = [held for held in state.enis.values() if not held.is_present]
        found = (held for held in (*growth.ordered(state), *absent) if state.knows_way(held))
        return {held.eni.id: held.offer(state.shape) for held in found}

    @property
    def barred(self) -> frozenset[Address]:
        """Of these, those that no pod may be given now."""
        state = self._state
        return frozenset().union(*(held.barred(state.shape) for held in state.enis.values()))

    def hopeless(self, now: float) -> dict[Key, str]:
        """Who waits for more than there can be, and why; the last to come is the first to be told."""
        state = self._state
        if not self._has_counted:
            return {}
        prospects = self._tally.free + self._tally.coming + self._growable
        keys = list(state.waiting)[prospects:]
        return dict.fromkeys(keys, reporting.why_short(state, now)) if keys else {}

    def conditions(self, now: float) -> list[Condition]:
        return list(reporting.conditions(self._state, self._is_short, now))

    @property
    def details(self) -> dict[str, str | int | float]:
        return reporting.details(self._state, self._tally, self.capacity)

    @property
    def capacity(self) -> int:
        """Pods that the node can have."""
        return reporting.capacity(self._state)

    @property
    def standing(self) -> reporting.Standing:
        """Lack is as of the last decision."""
        return reporting.Standing(self.capacity if self.is_ready else 0, self._lack)

    @property
    def is_ready(self) -> bool:
        """Whether the instance's ENIs were listed: before, nothing is known."""
        return self._state.looked_at >= 0

    def eni(self, eni: str) -> Eni | None:
        """One that pods may have addresses of."""
        held = self._state.enis.get(eni)
        return None if held is None else held.eni

    def eni_at(self, address: Address) -> Eni | None:
        held = self._state.place_of(address)
        return None if held is None else held.eni

    def vswitch(self, vswitch: str) -> VSwitch | None:
        """As last read, by an earlier process if need be; None if it was not read yet."""
        return self._state.vswitches.way(vswitch)

    @property
    def _is_short(self) -> bool:
        return self.is_ready and not self._growable and shortage(self._state, self._tally) > 0

    def protected(self, action: Unassign | Detach | Delete) -> tuple[Address, ...]:
        """Addresses that the action would take away."""
        state = self._state
        if isinstance(action, Unassign):
            return tuple(address for item in action.items for address in addresses_of(item, state.shape))
        return state.leaving[action.eni].addresses

    def events(self) -> list[Event]:
        """What was worth telling since the last time."""
        events, self._state.events = self._state.events, []
        return events
