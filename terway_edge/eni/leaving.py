"""What the pool gives up: ENIs (detach, delete) and items of ENIs (unassign). Each is repeated until confirmed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from terway_edge.eni.actions import Action, Delete, Detach, Item, Unassign
from terway_edge.eni.moment import Moment
from terway_edge.eni.records import Held, Leaving
from terway_edge.eni.state import State

DETACHING = 5.0  # seconds that a detach takes at least


def leave(state: State, moment: Moment) -> Iterator[Action]:
    for leaving in state.leaving.values():
        if leaving.is_bound:
            if state.may_call("detach", leaving.eni, moment):
                yield state.begin(Detach(leaving.eni))
        elif moment.is_due(leaving.detached_at + DETACHING) and state.may_call("delete", leaving.eni, moment):
            yield state.begin(Delete(leaving.eni))
    for eni in state.partings.enis():
        if eni in state.enis and state.may_call("unassign", eni, moment):
            yield state.begin(Unassign(eni, state.partings.open(eni)[: state.site.features.batch]))


def give_up_eni(state: State, held: Held) -> None:
    """No pod has an address of it; whoever carries this out proves it once more."""
    addresses = tuple(sorted(address for each in held.offer(state.shape).values() for address in each))
    state.leaving[held.eni.id] = Leaving(held.eni.id, addresses, held=held)
    del state.enis[held.eni.id]


def give_up_items(state: State, held: Held, items: tuple[Item, ...], now: float) -> None:
    state.partings.begin(held.eni.id, items, now)
    held.drop(items)


def detached(state: State, eni: str, now: float) -> None:
    leaving = state.leaving.get(eni)
    if leaving is not None:
        leaving.is_bound, leaving.detached_at = False, now


def deleted(state: State, eni: str, now: float) -> None:
    if state.leaving.pop(eni, None) is not None:
        state.gone[eni] = now
        state.partings.forget(eni)
        state.tell("EniDeleted", eni, "nothing needs it any more")


def keep_eni(state: State, eni: str) -> None:
    """A pod has an address of it after all."""
    leaving = state.leaving.pop(eni)
    if leaving.held is not None:
        state.enis[eni] = leaving.held
    else:  # an earlier process had it: the next list tells
        state.newcomers[eni] = -math.inf
        state.look_soon(-math.inf)


def keep_items(state: State, eni: str, items: tuple[Item, ...]) -> None:
    """Pods have them after all."""
    state.partings.take_back(eni, items)
    held = state.enis.get(eni)
    if held is not None:
        held.add(items, 0.0)
