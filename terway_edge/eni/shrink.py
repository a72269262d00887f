"""What goes back to the cloud when too much is idle: whole ENIs where possible, then single addresses or prefixes.

Only what has rested from its last pod goes: the cloud may give it to another node's pod at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.core.addresses import Address, Prefix
from terway_edge.eni.actions import Item
from terway_edge.eni.demand import Tally, surplus
from terway_edge.eni.growth import ordered
from terway_edge.eni.leaving import give_up_eni, give_up_items
from terway_edge.eni.moment import Moment
from terway_edge.eni.policy import is_ours
from terway_edge.eni.records import Held, addresses_of
from terway_edge.eni.state import State


def shrink(state: State, tally: Tally, moment: Moment) -> None:
    """Trim what is above the ceiling for a while, then reclaim what nobody has wanted for long."""
    over = surplus(state, tally)
    if not over:
        state.surplus_since = None
    else:
        state.surplus_since = moment.now if state.surplus_since is None else state.surplus_since
        if moment.is_due(state.surplus_since + state.policy.trim_after):
            _release(state, over, moment)
    _reclaim(state, tally, over, moment)


def _reclaim(state: State, tally: Tally, over: int, moment: Moment) -> None:
    policy = state.policy
    if not policy.reclaim_after or tally.waiting or not state.is_warm:
        return
    spare = min(tally.idle - over - state.shape.floor, tally.total - state.shape.least)
    if spare <= 0 or not moment.is_due(max(state.changed_at + policy.reclaim_after, state.next_reclaim)):
        return
    _release(state, min(spare, policy.reclaim_batch), moment)
    spread = state.rng.uniform(1 - policy.reclaim_jitter, 1 + policy.reclaim_jitter)
    state.next_reclaim = moment.now + policy.reclaim_interval * spread


def _release(state: State, pods: int, moment: Moment) -> None:
    if not state.holds.is_free("unassign", moment):
        return
    for held in _least_wanted(state):
        if pods <= 0:
            return
        if held.eni.id in state.busy or state.partings.open(held.eni.id):
            continue
        if _is_removable(state, held, pods, moment):
            pods -= held.pods(state.shape)
            give_up_eni(state, held)
        elif items := _spare(state, held, pods, moment):
            pods -= len(items) * state.shape.unit // (len(state.shape.families) if state.shape.unit == 1 else 1)
            give_up_items(state, held, items, moment.now)


def _least_wanted(state: State) -> list[Held]:
    """Those that no pod uses first: they may go as a whole."""
    last_first = ordered(state)
    last_first.reverse()
    return sorted(last_first, key=lambda held: state.is_in_use(held.eni.id))


def _is_removable(state: State, held: Held, pods: int, moment: Moment) -> bool:
    eni = held.eni
    if held.pods(state.shape) > pods or eni.id in state.assigning or len(state.enis) <= state.policy.min_eni:
        return False
    if not state.site.features.attaches_hot or not is_ours(eni, state.site.instance.id):
        return False
    addresses = [address for each in held.offer(state.shape).values() for address in each]
    return _is_rested(state, addresses, max(held.items.values()), moment)


def _spare(state: State, held: Held, pods: int, moment: Moment) -> tuple[Item, ...]:
    """As many items of each family, up to one call's."""
    shape = state.shape
    wish = state.assigning.get(held.eni.id)
    kind, families = (Prefix, (4,)) if shape.unit > 1 else (Address, shape.families)
    found: dict[int, list[Item]] = {family: [] for family in families}
    for item, learnt_at in sorted(held.items.items(), reverse=True):
        if not isinstance(item, kind) or item.family not in found or item == held.eni.primary or item in held.missing:
            continue
        # What is not in `before` may be the wish's, whose answer could then not be trusted.
        if wish is not None and item not in wish.before:
            continue
        if _is_rested(state, addresses_of(item, shape), learnt_at, moment):
            found[item.family].append(item)
    most = min(pods // shape.unit, state.site.features.batch, *map(len, found.values()))
    return tuple(item for items in found.values() for item in items[:most])


def _is_rested(state: State, addresses: Iterable[Address], learnt_at: float, moment: Moment) -> bool:
    """Whether all have been unused for a cool-down. Before we learn of them it is unknown."""
    since = max(learnt_at, state.started_at)
    for address in addresses:
        if address in state.used:
            return False
        since = max(since, state.unused_since.get(address, 0.0))
    return moment.is_due(since + state.policy.cooldown)
