"""What a list of the instance's ENIs changes in what the pool knows.

Lists may be old. So an answer of the cloud's to a call of ours counts more for a while, and what a list says of
somebody else's change is acted upon in two steps: at the first list that says so no pod gets the address any more,
which hurts nobody if it is wrong; at the next one, a while later, it leaves the pool. A pod that has it keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from terway_edge.core.cloud import Eni, EniStatus
from terway_edge.core.ports import Severity
from terway_edge.eni.actions import Item
from terway_edge.eni.policy import is_usable
from terway_edge.eni.records import Held, Making, addresses_of, items_of
from terway_edge.eni.state import State

K = TypeVar("K")

SETTLED = 60.0  # seconds after an answer of the cloud's in which a list that contradicts it is taken for an old one
SECOND_LOOK = 10.0  # seconds between two lists that must agree
PERIOD = 60.0  # seconds between lists when nothing is under way


def looked(state: State, enis: Iterable[Eni], asked_at: float, now: float) -> None:
    """Take in a list that was asked for at `asked_at`."""
    is_first = state.looked_at < 0
    state.looked_at = asked_at
    state.next_look = now + PERIOD
    listed = {eni.id: eni for eni in enis if eni.id not in state.gone}
    state.strangers = {}
    for eni in listed.values():
        _take(state, eni, asked_at, is_first, now)
    state.newcomers = {eni: at for eni, at in state.newcomers.items() if eni in state.strangers}
    for held in [held for id, held in state.enis.items() if id not in listed]:
        _absent(state, held, asked_at, now)
    _end_unfinished(state, now)
    if any(held.missing or held.noticed or not held.is_present for held in state.enis.values()) or state.newcomers:
        state.look_soon(asked_at + SECOND_LOOK)


def _take(state: State, eni: Eni, asked_at: float, is_first: bool, now: float) -> None:
    making = state.making_of(eni)
    if making is not None:
        _on_its_way(state, making, eni, asked_at, now)
    elif eni.id in state.leaving:
        _on_its_way_out(state, eni, asked_at)
    elif eni.id in state.enis:
        _compare(state, state.enis[eni.id], eni, asked_at, now, is_first)
    elif not is_usable(eni, state.policy) or eni.status is not EniStatus.IN_USE:
        state.strangers[eni.id] = eni
    elif is_first or _is_confirmed(state.newcomers, eni.id, asked_at):
        state.tell("EniAdopted", eni.id, f"the attached ENI has {len(eni.addresses)} addresses; pods may have them now")
        _hold(state, eni, now)
    else:
        state.strangers[eni.id] = eni


def _on_its_way(state: State, making: Making, eni: Eni, asked_at: float, now: float) -> None:
    making.eni = eni.id
    if eni.status is EniStatus.IN_USE:
        state.vswitches.settle(making.wish.intent, len(eni.addresses))
        del state.making[making.wish.intent]
        state.holds.succeed(f"attach {eni.id}")
        state.changed_at = now
        state.tell("EniAttached", eni.id, f"the ENI of vSwitch {eni.vswitch} is ready for pods")
        _hold(state, eni, now)
    elif eni.status is EniStatus.ATTACHING:
        making.listed_at = asked_at
        if making.attach_at is None and eni.id not in state.busy:
            making.attach_at = making.first_attach_at = now


def _on_its_way_out(state: State, eni: Eni, asked_at: float) -> None:
    """One that is still in use long after it was asked to leave is asked again."""
    leaving = state.leaving[eni.id]
    if not leaving.is_bound and eni.status is EniStatus.IN_USE and asked_at > leaving.detached_at + SETTLED:
        leaving.is_bound = not leaving.is_orphan


def _hold(state: State, eni: Eni, now: float) -> None:
    items = {item: now for item in items_of(eni) if not state.partings.has(eni.id, item)}
    state.enis[eni.id] = Held(eni, now, items)
    _found_again(state, eni.id, items)


def _compare(state: State, held: Held, eni: Eni, asked_at: float, now: float, is_first: bool) -> None:
    """:param is_first: the ENI is known from an earlier process, which may not have come to what it has by now"""
    held.eni = eni
    if not is_usable(eni, state.policy):
        state.tell("EniExcluded", eni.id, "its tags say that it is not for pods any more; it is left as it is")
        _lose(state, held)
        state.strangers[eni.id] = eni
        return
    if eni.status is not EniStatus.IN_USE:
        held.absent_at = asked_at if held.absent_at is None else held.absent_at
        return
    held.absent_at = None
    listed = set(items_of(eni))
    held.noticed = {item: at for item, at in held.noticed.items() if item in listed}
    fresh = [item for item in listed if item not in held.items and not state.partings.has(eni.id, item)]
    held.add([item for item in fresh if is_first or _is_confirmed(held.noticed, item, asked_at)], now)
    _found_again(state, eni.id, held.items)
    held.missing = {
        item: held.missing.get(item, asked_at)
        for item, learnt_at in held.items.items()
        if item not in listed and asked_at >= learnt_at + SETTLED
    }
    gone = [item for item, since in held.missing.items() if asked_at >= since + SECOND_LOOK]
    if gone:
        _drop(state, held, gone, now)


def _is_confirmed(seen: dict[K, float], key: K, asked_at: float) -> bool:
    """Whether an earlier list had it too; if not, that is noted."""
    first = seen.setdefault(key, asked_at)
    return asked_at >= first + SECOND_LOOK


def _absent(state: State, held: Held, asked_at: float, now: float) -> None:
    if asked_at <= held.since + SETTLED:
        return
    if held.absent_at is None:
        held.absent_at = asked_at
    elif asked_at >= held.absent_at + SECOND_LOOK:
        _drop(state, held, list(held.items), now)
        _lose(state, held)


def _lose(state: State, held: Held) -> None:
    """The pool has it no more."""
    del state.enis[held.eni.id]


def _end_unfinished(state: State, now: float) -> None:
    """What was under way on ENIs that the pool has not, or not any more: they are not ours to change."""
    for eni in [eni for eni in state.assigning if eni not in state.enis]:
        state.vswitches.settle(state.assigning.pop(eni).intent, 0)
    for eni in state.partings.enis():
        if eni not in state.enis:  # an old list may show it once more
            state.partings.close(eni, state.partings.open(eni), now)


def _drop(state: State, held: Held, items: list[Item], now: float) -> None:
    state.changed_at = now
    for item in items:
        for address in addresses_of(item, state.shape):
            if address in state.used:
                state.lost[address] = held.eni.id
    told = ", ".join(map(str, items[:5])) + (f" and {len(items) - 5} more" if len(items) > 5 else "")
    state.tell(
        "AddressesLost", held.eni.id, f"somebody took {told} from the ENI; no pod gets them any more", Severity.WARNING
    )
    held.drop(items)


def _found_again(state: State, eni: str, items: Iterable[Item]) -> None:
    """On the same ENI: on another one it is of no use to its pod."""
    if state.lost:
        found = {address for item in items for address in addresses_of(item, state.shape)}
        state.lost = {address: of for address, of in state.lost.items() if of != eni or address not in found}
