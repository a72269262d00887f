"""What a failed call changes. No failure of one kind of call holds up another kind."""

from __future__ import annotations

from terway_edge.core.cloud import Cause, CloudError
from terway_edge.eni import sweep
from terway_edge.eni.actions import READS, Action, Assign, Attach, Create, Delete, Detach, Unassign
from terway_edge.eni.holds import LASTING, PASSING
from terway_edge.eni.leaving import detached
from terway_edge.eni.making import give_up
from terway_edge.eni.state import State, Trouble

API_TROUBLE = (Cause.THROTTLED, Cause.UNAVAILABLE)
"""It concerns all calls of the kind, and not what this one was about."""


def failed(state: State, action: Action, error: CloudError, now: float) -> None:
    state.troubles[action.verb] = Trouble(error, now)
    if error.cause in API_TROUBLE or isinstance(action, READS):
        state.holds.fail(action.verb, PASSING, now)
        return
    if error.cause is Cause.DENIED:
        state.holds.fail(action.verb, LASTING, now)
    match action:
        case Create():
            _create(state, action, error, now)
        case Attach():
            _attach(state, action, error, now)
        case Assign():
            _assign(state, action, error, now)
        case Detach():
            detached(state, action.eni, now)  # in a state that does not allow it: perhaps it was before
        case Delete():
            _delete(state, action, now)
        case Unassign():
            state.holds.fail("unassign", PASSING if error.cause is Cause.CONFLICT else LASTING, now)
        case _:
            state.holds.fail(f"{action.verb} {action.subject}", LASTING, now)


def _create(state: State, action: Create, error: CloudError, now: float) -> None:
    wish = action.wish
    if error.cause is Cause.CONFLICT:
        state.holds.fail("create", PASSING, now)
        return
    del state.making[wish.intent]
    state.vswitches.settle(wish.intent, 0)
    match error.cause:
        case Cause.SPENT:
            # What the intent served before, if anything, is swept.
            state.holds.fail("create", PASSING, now)
            state.next_sweep = min(state.next_sweep, now)
        case Cause.EXHAUSTED:
            state.vswitches.ran_out(wish.vswitch, wish.ipv4_prefixes or wish.ipv4, now)
        case Cause.QUOTA:
            state.holds.fail("create", LASTING, now)
            state.look_soon(now)
        case Cause.MISSING | Cause.INVALID:
            state.vswitches.pass_over(wish.vswitch, now)
            state.holds.fail("create", PASSING, now)


def _attach(state: State, action: Attach, error: CloudError, now: float) -> None:
    making = next((each for each in state.making.values() if each.eni == action.eni), None)
    if making is None:
        return
    if error.cause is Cause.CONFLICT:
        making.first_attach_at = making.first_attach_at or now
        state.holds.fail(f"attach {action.eni}", PASSING, now)
        return
    if error.cause is not Cause.MISSING:
        state.holds.fail("create", LASTING, now)
    give_up(state, making, f"it cannot be attached: {error}", now)


def _assign(state: State, action: Assign, error: CloudError, now: float) -> None:
    wish, key = action.wish, f"assign {action.wish.eni}"
    if error.cause is Cause.CONFLICT:
        state.holds.fail(key, PASSING, now)
        return
    state.assigning.pop(wish.eni, None)
    state.vswitches.settle(wish.intent, 0)
    held = state.enis.get(wish.eni)
    match error.cause:
        case Cause.EXHAUSTED:
            if held is not None:
                state.vswitches.ran_out(held.eni.vswitch, wish.ipv4_prefixes or wish.ipv4, now)
        case Cause.SPENT:
            state.holds.fail(key, PASSING, now)
            state.look_soon(now)
        case _:
            state.holds.fail(key, LASTING, now)
            state.look_soon(now)


def _delete(state: State, action: Delete, now: float) -> None:
    leaving = state.leaving.get(action.eni)
    if leaving is None:
        return  # it has moved meanwhile
    if leaving.is_orphan:
        # It is in use after all, or being changed by somebody: begin with two looks again.
        del state.leaving[action.eni]
        state.suspects.pop(action.eni, None)
        return
    state.holds.fail(f"delete {action.eni}", PASSING, now)
    leaving.is_bound = True
    state.next_sweep = min(state.next_sweep, now + sweep.AGE)  # whose is it?
