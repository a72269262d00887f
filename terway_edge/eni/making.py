"""ENIs on their way to the pool: create, attach, wait until a list shows them in use; or give up and take them away."""

from __future__ import annotations

import math
from collections.abc import Iterator

from terway_edge.core.cloud import Eni
from terway_edge.core.ports import Severity
from terway_edge.eni.actions import Action, Attach, Create
from terway_edge.eni.moment import Moment
from terway_edge.eni.records import Leaving, Making
from terway_edge.eni.state import State

FIRST_POLL = 2.0  # seconds between an attach and the first list
LONGEST_POLL = 10.0
FELL_BACK = 20.0  # seconds out of the lists after which the attach is asked for again
PATIENCE = 120.0  # seconds until an attach that does not end is given up


def make(state: State, moment: Moment) -> Iterator[Action]:
    for making in list(state.making.values()):
        if not making.eni:
            if state.may_call("create", making.wish.intent, moment):
                yield state.begin(Create(making.wish))
        elif making.first_attach_at is not None and moment.is_due(making.first_attach_at + PATIENCE):
            give_up(state, making, f"it was not attached within {PATIENCE:.0f} s", moment.now)
        elif _wants_attach(state, making, moment) and state.may_call("attach", making.eni, moment):
            making.attach_at = None
            yield state.begin(Attach(making.eni))


def created(state: State, intent: str, eni: Eni) -> None:
    making = state.making.get(intent)
    if making is not None:
        making.eni = eni.id
        state.tell("EniCreated", eni.id, f"made in vSwitch {eni.vswitch} with {len(eni.addresses)} addresses")


def attached(state: State, eni: str, now: float) -> None:
    """The cloud has begun with it."""
    for making in state.making.values():
        if making.eni == eni:
            making.attach_at = making.listed_at = now
            making.first_attach_at = making.first_attach_at or now
            state.next_poll = now + FIRST_POLL


def polled(state: State, now: float) -> None:
    """After a list: those that are still on their way are looked for again, ever less often."""
    begun = [each.first_attach_at for each in state.making.values() if each.first_attach_at is not None]
    pause = min(max((now - max(begun)) / 2, FIRST_POLL), LONGEST_POLL) if begun else math.inf
    state.next_poll = now + pause


def give_up(state: State, making: Making, why: str, now: float) -> None:
    """No pod ever had an address of it."""
    del state.making[making.wish.intent]
    state.vswitches.settle(making.wish.intent, making.wish.ipv4)
    state.leaving[making.eni] = Leaving(making.eni)
    state.changed_at = now
    state.tell("EniGivenUp", making.eni, f"{why}; it is taken away again", Severity.WARNING)


def _wants_attach(state: State, making: Making, moment: Moment) -> bool:
    """An ENI that falls back to Available is in no list of the instance's any more."""
    if making.attach_at is None:
        return True
    if not moment.is_due(max(making.attach_at, making.listed_at) + FELL_BACK):
        return False
    return state.looked_at > max(making.attach_at, making.listed_at)
