"""From pods that must be served to calls that bring addresses: few calls, each as full as it may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from terway_edge.core.addresses import Prefix
from terway_edge.core.cloud import AddressWish, EniWish
from terway_edge.eni.actions import Action, Assign, Create, Item
from terway_edge.eni.demand import Tally, shortage, slack
from terway_edge.eni.holds import PASSING
from terway_edge.eni.moment import Moment
from terway_edge.eni.policy import INTENT_TAG, EniSelection, own_tags
from terway_edge.eni.records import Held, Making, pods_of
from terway_edge.eni.state import MOST_CALLS, State

GATHER = 0.2  # seconds that a pod waits for others, so that one call serves them all


@dataclass(slots=True)
class _Rest:
    """Pods still to be served, and how many more may be along with them; `later`: those that are left to a further call
    for ENIs on their way, unless an earlier one brings more than it needs."""

    need: int
    extra: int
    later: int = 0

    def take(self, pods: int) -> None:
        beyond = max(pods - max(self.need, 0), 0)
        earlier = min(beyond, self.later)
        self.later -= earlier
        self.extra -= beyond - earlier
        self.need -= pods

    def leave(self, pods: int) -> None:
        self.later += min(pods, max(self.need, 0))
        self.need -= pods


def repeat(state: State, moment: Moment) -> Iterator[Action]:
    """Wishes whose outcome is not known yet, in the same words; but what was taken away long ago and is listed now was
    given again."""
    for eni, wish in list(state.assigning.items()):
        if eni in state.enis and state.enis[eni].is_present and state.may_call("assign", eni, moment):
            wish = state.assigning[eni] = wish._replace(parted=state.partings.closed(eni))
            yield state.begin(Assign(wish))


def assigning(state: State) -> int:
    """Pods that will be served by the wishes under way."""
    return sum(pods_of(wish, state.shape) for wish in state.assigning.values())


def grow(state: State, tally: Tally, moment: Moment) -> Iterator[Action]:
    need = shortage(state, tally)
    if not need:
        return
    if tally.waiting and need < state.shape.call:
        oldest = min(state.waiting.values())
        if not moment.is_due(oldest + GATHER):
            return
    rest = _Rest(need, slack(state, tally))
    if state.policy.eni_selection is EniSelection.LEAST_IPS:
        yield from _create(state, rest, moment)
        yield from _fill(state, rest, moment)
    else:
        yield from _fill(state, rest, moment)
        rest.leave(sum(state.shape.per_eni - making.pods(state.shape) for making in state.making.values()))
        yield from _create(state, rest, moment)


def assigned(state: State, wish: AddressWish, items: Sequence[Item], now: float) -> None:
    """The cloud's answer. An item that was taken away before is there again: the cloud may choose what it likes."""
    if state.assigning.get(wish.eni) == wish:
        del state.assigning[wish.eni]
    state.vswitches.settle(wish.intent, len(items) * state.shape.unit)
    held = state.enis.get(wish.eni)
    if held is None:
        return
    state.partings.reopen(wish.eni, items)
    held.add(items, now)
    state.changed_at = now
    if pods_of(wish, state.shape) and not items:
        # An answer that gives nothing, and no reason: not at once again.
        state.holds.fail(f"assign {wish.eni}", PASSING, now)


def ordered(state: State) -> list[Held]:
    """ENIs in use, those first that pods and addresses go to first."""
    is_spread = state.policy.eni_selection is EniSelection.LEAST_IPS
    present = [held for held in state.enis.values() if held.is_present]
    return sorted(present, key=lambda held: held.pods(state.shape), reverse=not is_spread)


def room(state: State, held: Held) -> int:
    """Pods that one more call may serve on an ENI."""
    shape, batch = state.shape, state.shape.call // state.shape.unit
    space = _space(state, held)
    if shape.unit > 1:
        return min(batch, space[4]) * shape.unit
    offer = held.offer(shape)
    return min(len(offer[family]) + min(batch, space[family]) for family in shape.families) - held.pods(shape)


def growable(state: State, moment: Moment) -> int:
    """Pods that could still be served by growing, as far as is known."""
    shape = state.shape
    found = 0
    for held in state.enis.values():
        if held.is_present and state.knows_way(held):
            allowed = state.vswitches.most(held.eni.vswitch, shape.unit, moment)
            found += max(min(_untaken(state, held), allowed), 0) * shape.unit
    found += sum(shape.per_eni - making.pods(shape) for making in state.making.values())
    spare = _spare(state)
    if state.slots() and any(state.vswitches.most(each, shape.unit, moment) > spare for each in candidates(state)):
        found += state.slots() * shape.per_eni
    return found


def has_space(state: State) -> bool:
    """Whether ENIs, those at hand or new ones, would take more addresses if only there were any."""
    return state.slots() > 0 or any(held.is_present and _untaken(state, held) > 0 for held in state.enis.values())


def candidates(state: State) -> tuple[str, ...]:
    """vSwitches that new ENIs may be made in: of the instance's zone."""
    instance, primary = state.site.instance, state.primary
    wanted = state.policy.vswitches or ((primary.vswitch if primary else instance.vswitch),)
    return tuple(each for each in wanted if each and state.vswitches.is_in(each, instance.zone))


def security_groups(state: State) -> tuple[str, ...]:
    return state.policy.security_groups or (state.primary.security_groups if state.primary else ())


def _space(state: State, held: Held) -> dict[int, int]:
    """Addresses or prefixes that the ENI still takes, by family."""
    limits, parting = state.site.limits, state.partings.open(held.eni.id)
    most = {4: limits.ipv4_per_eni, 6: limits.ipv6_per_eni}
    others = [item.family for item in (*held.noticed, *parting)]
    return {family: max(most[family] - held.size(family) - others.count(family), 0) for family in most}


def _untaken(state: State, held: Held) -> int:
    """Addresses, of all families, or prefixes that the ENI takes beyond those asked for."""
    shape, space = state.shape, _space(state, held)
    most = space[4] if shape.unit > 1 else min(space[family] for family in shape.families)
    wish = state.assigning.get(held.eni.id)
    return most - (pods_of(wish, shape) // shape.unit if wish else 0)


def _fill(state: State, rest: _Rest, moment: Moment) -> Iterator[Action]:
    for held in ordered(state):
        eni = held.eni
        if rest.need <= 0:
            return
        if eni.id in state.assigning or not state.knows_way(held) or not state.may_call("assign", eni.id, moment):
            continue
        allowed = state.vswitches.most(eni.vswitch, state.shape.unit, moment) * state.shape.unit
        pods = min(room(state, held), rest.need + rest.extra, allowed)
        if not allowed:
            state.survey_soon()
        if pods > 0:
            wish = _address_wish(state, held, pods)
            state.assigning[eni.id] = wish
            state.vswitches.promise(wish.intent, eni.vswitch, _addresses(state, wish))
            rest.take(pods_of(wish, state.shape))
            yield state.begin(Assign(wish))


def _create(state: State, rest: _Rest, moment: Moment) -> Iterator[Action]:
    shape = state.shape
    is_spread = state.policy.eni_selection is EniSelection.LEAST_IPS
    while rest.need > 0 and state.slots() > 0 and len(state.making) < MOST_CALLS["create"]:
        intent = new_intent(state)
        if not _knows_enough(state) or not state.may_call("create", intent, moment):
            return
        pods = min(shape.call, rest.need + rest.later + rest.extra)
        wanted = -(-pods // shape.unit) if 4 in shape.families else 1
        spare = _spare(state)
        vswitch, most = state.vswitches.choose(
            _known(state),
            wanted + spare,
            shape.unit,
            state.policy.vswitch_selection,
            state.rng,
            moment,
        )
        if most <= spare:
            state.survey_soon()
            return
        wish = _eni_wish(state, intent, vswitch, most, pods)
        making = state.making[intent] = Making(wish)
        state.vswitches.promise(intent, vswitch, wish.ipv4 + wish.ipv4_prefixes * shape.unit)
        rest.take(making.pods(shape))
        if not is_spread:
            rest.leave(shape.per_eni - making.pods(shape))
        yield state.begin(Create(wish))


def _spare(state: State) -> int:
    """Addresses that an ENI takes from its vSwitch and that no pod gets."""
    shape = state.shape
    return int(shape.unit == 1 and 4 in shape.families and not shape.uses_primary)


def _knows_enough(state: State) -> bool:
    """An ENI needs security groups, and a vSwitch of which zone, counts and gateway were read."""
    return bool(_known(state)) and bool(security_groups(state))


def _known(state: State) -> tuple[str, ...]:
    return tuple(each for each in candidates(state) if each in state.vswitches.seen)


def new_intent(state: State) -> str:
    return f"{state.rng.getrandbits(128):032x}"


def _address_wish(state: State, held: Held, pods: int) -> AddressWish:
    shape, intent = state.shape, new_intent(state)
    before = (*held.items, *held.noticed, *state.partings.open(held.eni.id))
    wish = AddressWish(intent, held.eni.id, before, parted=state.partings.closed(held.eni.id))
    if shape.unit > 1:
        has_six = any(isinstance(item, Prefix) and item.family == 6 for item in held.items)
        six = int(6 in shape.families and not has_six)
        return wish._replace(ipv4_prefixes=-(-pods // shape.unit), ipv6_prefixes=six)
    level = held.pods(shape) + pods
    lack = {family: max(level - len(addresses), 0) for family, addresses in held.offer(shape).items()}
    return wish._replace(ipv4=lack.get(4, 0), ipv6=lack.get(6, 0))


def _eni_wish(state: State, intent: str, vswitch: str, most: int, pods: int) -> EniWish:
    """:param most: IPv4 addresses or prefixes that the vSwitch has."""
    shape, policy = state.shape, state.policy
    is_dual = 6 in shape.families
    tags = {**own_tags(policy, state.site.instance.id), INTENT_TAG: intent}
    wish = EniWish(
        intent,
        vswitch,
        security_groups(state),
        tags=tags,
        resource_group=policy.resource_group,
        checks_source=policy.checks_source,
    )
    if shape.unit > 1:
        return wish._replace(ipv4_prefixes=most, ipv6_prefixes=int(is_dual))
    if 4 not in shape.families:
        return wish._replace(ipv6=pods)
    return wish._replace(ipv4=most, ipv6=min(pods, most) if is_dual else 0)


def _addresses(state: State, wish: AddressWish) -> int:
    """IPv4 addresses of the vSwitch's that it takes."""
    return wish.ipv4 + wish.ipv4_prefixes * state.shape.unit
