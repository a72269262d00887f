"""The state machine of a session as one table (RFC 4271, section 8); `session` carries out what it says.

A pair of state and input that the table lacks is an error: of the peer if the input is a message (code 5 with the
subcodes of RFC 6608), else of our own code. How this machine differs from the RFC's:

- There is no DelayOpen, no passive start and no dampening; `Timer.IDLE_HOLD` does what the last two are for.
- A connection that could not be made leads to Active, where the retry timer runs. Nobody listens there: a connection
  that the peer makes gets a session of its own, which begins with `Input.ACCEPTED`.
- A session that ended once its connection was up goes to Idle, also from OpenSent, and waits there for its idle hold.
- A start in Active tries again at once.
- A collision (event 23) is a stop whose NOTIFICATION says so.
- Malformed headers are answered as such in Established too, where the RFC's text asks for an error of the machine.

A transition stops every timer but those in `KEPT` of the state it leads to, and then (re)starts its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from terway_edge.backends.bgp.errors import Code, LocalError, ProtocolError


class State(StrEnum):
    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


class Input(StrEnum):
    """What can happen to a session. The numbers are the RFC's events."""

    START = "start"  # 1, 3
    ACCEPTED = "connection accepted"  # 17 after 4
    STOP = "stop"  # 2, 8, 23
    STOP_SILENTLY = "stop silently"
    IDLE_HOLD_EXPIRED = "idle hold timer expired"  # 13
    RETRY_DUE = "connect retry timer expired"  # 9
    CONNECTED = "connected"  # 16
    CONNECT_TIMED_OUT = "connect timer expired"  # 9
    CONNECTION_LOST = "connection lost"  # 18
    HOLD_EXPIRED = "hold timer expired"  # 10
    SEND_HOLD_EXPIRED = "send hold timer expired"  # 29, RFC 9687
    KEEPALIVE_DUE = "keepalive timer expired"  # 11
    SEND = "UPDATE to send"
    UNEXPECTED = "unexpected message"

    OPEN = "OPEN"  # 19
    KEEPALIVE = "KEEPALIVE"  # 26
    UPDATE = "UPDATE"  # 27
    ROUTE_REFRESH = "ROUTE-REFRESH"
    NOTIFICATION = "NOTIFICATION"  # 24, 25
    HEADER_ERROR = "malformed header"  # 21
    OPEN_ERROR = "unacceptable OPEN"  # 22
    UPDATE_ERROR = "malformed UPDATE"  # 28
    REFRESH_ERROR = "malformed ROUTE-REFRESH"


class Action(StrEnum):
    CONNECT = "ask for a connection"
    SEND_OPEN = "send OPEN"
    SEND_KEEPALIVE = "send KEEPALIVE"
    SEND_NOTIFICATION = "send NOTIFICATION"
    DROP = "drop the connection"
    REPORT = "report"
    FORGET_FAILURES = "forget failures"


class Timer(StrEnum):
    IDLE_HOLD = "idle hold"
    RETRY = "connect retry"
    CONNECT = "connect"
    HOLD = "hold"
    KEEPALIVE = "keepalive"
    SEND_HOLD = "send hold"


class Transition(NamedTuple):
    """The state that follows, what to do in this order, and the timers to (re)start."""

    state: State
    actions: tuple[Action, ...] = ()
    timers: tuple[Timer, ...] = ()


EXPIRY: Mapping[Timer, Input] = {
    Timer.IDLE_HOLD: Input.IDLE_HOLD_EXPIRED,
    Timer.RETRY: Input.RETRY_DUE,
    Timer.CONNECT: Input.CONNECT_TIMED_OUT,
    Timer.HOLD: Input.HOLD_EXPIRED,
    Timer.KEEPALIVE: Input.KEEPALIVE_DUE,
    Timer.SEND_HOLD: Input.SEND_HOLD_EXPIRED,
}

KEPT: Mapping[State, frozenset[Timer]] = {
    State.IDLE: frozenset(),
    State.CONNECT: frozenset(),
    State.ACTIVE: frozenset(),
    State.OPEN_SENT: frozenset({Timer.HOLD}),
    State.OPEN_CONFIRM: frozenset({Timer.HOLD, Timer.KEEPALIVE}),
    State.ESTABLISHED: frozenset({Timer.HOLD, Timer.KEEPALIVE, Timer.SEND_HOLD}),
}

MESSAGES = frozenset(
    {
        Input.OPEN,
        Input.KEEPALIVE,
        Input.UPDATE,
        Input.ROUTE_REFRESH,
        Input.NOTIFICATION,
        Input.HEADER_ERROR,
        Input.OPEN_ERROR,
        Input.UPDATE_ERROR,
        Input.REFRESH_ERROR,
    }
)
"""The inputs that come from the peer."""

UNEXPECTED_IN: Mapping[State, int] = {State.OPEN_SENT: 1, State.OPEN_CONFIRM: 2, State.ESTABLISHED: 3}
"""The subcode of a message that the table has not (RFC 6608), for each state with a connection."""

_TRY = Transition(State.CONNECT, (Action.CONNECT,), (Timer.CONNECT,))
_GREET = Transition(State.OPEN_SENT, (Action.SEND_OPEN,), (Timer.HOLD,))
_NOT_CONNECTED = Transition(State.ACTIVE, (Action.DROP, Action.REPORT), (Timer.RETRY,))
_LOST = Transition(State.IDLE, (Action.DROP, Action.REPORT), (Timer.IDLE_HOLD,))
_REFUSED = Transition(State.IDLE, (Action.SEND_NOTIFICATION, Action.DROP, Action.REPORT), (Timer.IDLE_HOLD,))

_ALWAYS_UP = {
    Input.STOP: Transition(State.IDLE, (Action.SEND_NOTIFICATION, Action.DROP)),
    Input.STOP_SILENTLY: Transition(State.IDLE, (Action.DROP,)),
    Input.CONNECTION_LOST: _LOST,
    Input.NOTIFICATION: _LOST,
    Input.HOLD_EXPIRED: _REFUSED,
    Input.HEADER_ERROR: _REFUSED,
    Input.UNEXPECTED: _REFUSED,
}
"""What every state with a connection has in common."""

_ROWS: Mapping[State, Mapping[Input, Transition]] = {
    State.IDLE: {
        Input.START: _TRY,
        Input.IDLE_HOLD_EXPIRED: _TRY,
        Input.ACCEPTED: _GREET,
        Input.STOP: Transition(State.IDLE),
        Input.STOP_SILENTLY: Transition(State.IDLE),
    },
    State.CONNECT: {
        Input.CONNECTED: _GREET,
        Input.CONNECT_TIMED_OUT: _NOT_CONNECTED,
        Input.CONNECTION_LOST: _NOT_CONNECTED,
        Input.STOP: Transition(State.IDLE, (Action.DROP,)),
        Input.STOP_SILENTLY: Transition(State.IDLE, (Action.DROP,)),
    },
    State.ACTIVE: {
        Input.START: _TRY,
        Input.RETRY_DUE: _TRY,
        Input.STOP: Transition(State.IDLE),
        Input.STOP_SILENTLY: Transition(State.IDLE),
    },
    State.OPEN_SENT: {
        **_ALWAYS_UP,
        Input.OPEN: Transition(
            State.OPEN_CONFIRM, (Action.SEND_KEEPALIVE, Action.REPORT), (Timer.HOLD, Timer.KEEPALIVE)
        ),
        Input.OPEN_ERROR: _REFUSED,
    },
    State.OPEN_CONFIRM: {
        **_ALWAYS_UP,
        Input.KEEPALIVE: Transition(State.ESTABLISHED, (Action.FORGET_FAILURES, Action.REPORT), (Timer.HOLD,)),
        Input.KEEPALIVE_DUE: Transition(State.OPEN_CONFIRM, (Action.SEND_KEEPALIVE,), (Timer.KEEPALIVE,)),
        Input.OPEN_ERROR: _REFUSED,
    },
    State.ESTABLISHED: {
        **_ALWAYS_UP,
        Input.KEEPALIVE: Transition(State.ESTABLISHED, (), (Timer.HOLD,)),
        Input.UPDATE: Transition(State.ESTABLISHED, (Action.REPORT,), (Timer.HOLD,)),
        Input.ROUTE_REFRESH: Transition(State.ESTABLISHED, (Action.REPORT,)),
        Input.KEEPALIVE_DUE: Transition(State.ESTABLISHED, (Action.SEND_KEEPALIVE,), (Timer.KEEPALIVE,)),
        Input.SEND: Transition(State.ESTABLISHED, (), (Timer.KEEPALIVE,)),
        Input.SEND_HOLD_EXPIRED: _LOST,
        Input.UPDATE_ERROR: _REFUSED,
        Input.REFRESH_ERROR: _REFUSED,
    },
}

TABLE: Mapping[tuple[State, Input], Transition] = {
    (state, given): transition for state, row in _ROWS.items() for given, transition in row.items()
}


def step(state: State, given: Input) -> Transition:
    """What `given` does to a session in `state`.

    Raises ProtocolError 5/1, 5/2 or 5/3 for a message that must not come then, LocalError for all else that cannot.
    """
    transition = TABLE.get((state, given))
    if transition is not None:
        return transition
    if given in MESSAGES and state in UNEXPECTED_IN:
        raise ProtocolError(Code.STATE_MACHINE, UNEXPECTED_IN[state], f"{given} in state {state}")
    raise LocalError(f"{given} in state {state}")
