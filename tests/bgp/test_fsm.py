"""The table says, for every state and every input, what was decided here by hand; nothing is left to chance."""

from __future__ import annotations

import pytest

from terway_edge.backends.bgp.errors import Code, LocalError, ProtocolError
from terway_edge.backends.bgp.fsm import (
    EXPIRY,
    KEPT,
    MESSAGES,
    TABLE,
    UNEXPECTED_IN,
    Action,
    Input,
    State,
    Timer,
    step,
)

# A state: where it leads. 5/n: the peer's error. A dash: our own.
GRID = """
input                        Idle      Connect   Active    OpenSent     OpenConfirm  Established
start                        Connect   -         Connect   -            -            -
connection accepted          OpenSent  -         -         -            -            -
stop                         Idle      Idle      Idle      Idle         Idle         Idle
stop silently                Idle      Idle      Idle      Idle         Idle         Idle
idle hold timer expired      Connect   -         -         -            -            -
connect retry timer expired  -         -         Connect   -            -            -
connected                    -         OpenSent  -         -            -            -
connect timer expired        -         Active    -         -            -            -
connection lost              -         Active    -         Idle         Idle         Idle
hold timer expired           -         -         -         Idle         Idle         Idle
send hold timer expired      -         -         -         -            -            Idle
keepalive timer expired      -         -         -         -            OpenConfirm  Established
UPDATE to send               -         -         -         -            -            Established
unexpected message           -         -         -         Idle         Idle         Idle
OPEN                         -         -         -         OpenConfirm  5/2          5/3
KEEPALIVE                    -         -         -         5/1          Established  Established
UPDATE                       -         -         -         5/1          5/2          Established
ROUTE-REFRESH                -         -         -         5/1          5/2          Established
NOTIFICATION                 -         -         -         Idle         Idle         Idle
malformed header             -         -         -         Idle         Idle         Idle
unacceptable OPEN            -         -         -         Idle         Idle         5/3
malformed UPDATE             -         -         -         5/1          5/2          Idle
malformed ROUTE-REFRESH      -         -         -         5/1          5/2          Idle
"""


def _cells() -> dict[tuple[State, Input], str]:
    header, *rows = GRID.strip().splitlines()
    states = [State(name) for name in header.split()[1:]]
    cells = {}
    for row in rows:
        words = row.split()
        given = Input(" ".join(words[: -len(states)]))
        cells |= {(state, given): cell for state, cell in zip(states, words[-len(states) :], strict=True)}
    return cells


CELLS = _cells()


def outcome(state: State, given: Input) -> str:
    try:
        return step(state, given).state
    except ProtocolError as error:
        return f"{error.code}/{error.subcode}"
    except LocalError:
        return "-"


def test_the_grid_has_every_pair() -> None:
    assert len(CELLS) == len(State) * len(Input) == 6 * 23


@pytest.mark.parametrize(("pair", "cell"), CELLS.items(), ids=lambda value: "/".join(value) if value in CELLS else None)
def test_every_state_and_input_does_what_the_grid_says(pair: tuple[State, Input], cell: str) -> None:
    assert outcome(*pair) == cell


def test_an_error_says_what_came_and_when() -> None:
    with pytest.raises(ProtocolError, match="UPDATE in state OpenConfirm") as caught:
        step(State.OPEN_CONFIRM, Input.UPDATE)
    assert (caught.value.code, caught.value.subcode) == (Code.STATE_MACHINE, 2)
    with pytest.raises(LocalError, match="connected in state Idle"):
        step(State.IDLE, Input.CONNECTED)


def test_every_state_can_be_reached_from_idle_and_left_for_it() -> None:
    forward = {state: {TABLE[pair].state for pair in TABLE if pair[0] is state} for state in State}
    for start in State:
        seen = {start}
        while more := {after for state in seen for after in forward[state]} - seen:
            seen |= more
        assert seen == set(State), start


def test_one_established_needs_one_open_and_one_keepalive() -> None:
    into = [(state, given) for (state, given), transition in TABLE.items() if transition.state is State.ESTABLISHED]
    assert [pair for pair in into if pair[0] is not State.ESTABLISHED] == [(State.OPEN_CONFIRM, Input.KEEPALIVE)]
    confirm = [(state, given) for (state, given), transition in TABLE.items() if transition.state is State.OPEN_CONFIRM]
    assert [pair for pair in confirm if pair[0] is not State.OPEN_CONFIRM] == [(State.OPEN_SENT, Input.OPEN)]


def test_no_timer_runs_in_idle_but_the_idle_hold() -> None:
    assert not KEPT[State.IDLE]
    started = {timer for transition in TABLE.values() if transition.state is State.IDLE for timer in transition.timers}
    assert started == {Timer.IDLE_HOLD}


def test_a_stop_leaves_no_timer_at_all() -> None:
    for state in State:
        for given in (Input.STOP, Input.STOP_SILENTLY):
            assert not step(state, given).timers


def running(state: State) -> set[Timer]:
    """What can run in a state: the send hold timer is started by the connection, not by the table."""
    started = {timer for transition in TABLE.values() if transition.state is state for timer in transition.timers}
    return started | KEPT[state]


@pytest.mark.parametrize("state", State)
def test_whatever_timer_can_run_in_a_state_may_expire_in_it(state: State) -> None:
    for timer in running(state):
        assert isinstance(step(state, EXPIRY[timer]).state, State), timer


@pytest.mark.parametrize("state", State)
def test_no_state_waits_for_ever(state: State) -> None:
    """Every way into a state starts, or keeps, a timer that leads out of it; Idle after a stop waits for a start."""
    for (before, given), transition in TABLE.items():
        if transition.state is not state or given in (Input.STOP, Input.STOP_SILENTLY):
            continue
        alive = set(transition.timers) | (KEPT[state] & running(before))
        assert any(step(state, EXPIRY[timer]).state is not state for timer in alive), (before, given)


def test_what_ends_a_connection_drops_it_and_says_so_unless_we_wanted_it() -> None:
    without = {State.IDLE, State.ACTIVE}
    for (before, given), transition in TABLE.items():
        ends = before not in without and transition.state in without
        assert ends == (Action.DROP in transition.actions), (before, given)
        if ends:
            wanted = given in (Input.STOP, Input.STOP_SILENTLY)
            assert (Action.REPORT in transition.actions) is not wanted, (before, given)


def test_a_notification_is_never_answered_by_one() -> None:
    """RFC 4271, section 6.4; nor is one sent where it cannot be read."""
    never = {Input.NOTIFICATION, Input.CONNECTION_LOST, Input.STOP_SILENTLY, Input.SEND_HOLD_EXPIRED}
    for (_, given), transition in TABLE.items():
        if Action.SEND_NOTIFICATION in transition.actions:
            assert given not in never
            assert transition.actions.index(Action.SEND_NOTIFICATION) < transition.actions.index(Action.DROP)


def test_messages_belong_to_states_with_a_connection() -> None:
    assert set(UNEXPECTED_IN) == {state for state, given in TABLE if given in MESSAGES}
