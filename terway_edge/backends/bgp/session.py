"""One BGP adjacency over at most one connection at a time, without I/O: bytes and times in, bytes and events out.

    session = Session(spec, Rebirth(), jitter=lambda pause: pause * random.uniform(0.75, 1.0))
    session.start(now)
    while True:
        while (event := session.next_event(now)) is not None:
            ...                                   # ConnectWanted: dial, then connected() or connection_lost()
        ...                                       # write data_to_send()
        ...                                       # wait for the connection or session.deadline
        session.receive_data(data, now)           # what came first, timers afterwards: it may be the keepalive
        session.tick(now)

Every change of state goes through the table of `fsm`. Nothing that a peer sends raises; our own mistakes raise
LocalError. `now` is any clock in seconds that never steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from terway_edge.backends.bgp import codec, failures
from terway_edge.backends.bgp.errors import Code, ProtocolError
from terway_edge.backends.bgp.events import ConnectWanted, Down, Event, Opened, Received, RefreshWanted, Up
from terway_edge.backends.bgp.failures import Failure
from terway_edge.backends.bgp.fsm import EXPIRY, KEPT, UNEXPECTED_IN, Action, Input, State, Timer, Transition, step
from terway_edge.backends.bgp.messages import Keepalive, Message, Notification, Open, RouteRefresh, Update
from terway_edge.backends.bgp.negotiation import Negotiated, Offer, negotiate, our_open
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.timers import Timers, hold_time, send_hold_time

__all__ = [
    "ConnectWanted",
    "Down",
    "Event",
    "Negotiated",
    "Opened",
    "Received",
    "RefreshWanted",
    "Session",
    "Up",
]

_INPUT_OF_ERROR: dict[int, Input] = {
    Code.HEADER: Input.HEADER_ERROR,
    Code.OPEN: Input.OPEN_ERROR,
    Code.UPDATE: Input.UPDATE_ERROR,
    Code.ROUTE_REFRESH: Input.REFRESH_ERROR,
}
_REFUSED_CAPABILITIES = {(Code.OPEN, 4), (Code.OPEN, 7)}
_KEEPALIVE = codec.encode(Keepalive())


class Session:
    """`spec` may be replaced by one that differs in name, password or connect_retry; `rebirth` by any, for the next
    connection. `offer` is how many capabilities the peer bears; a session that takes this one's place should know."""

    def __init__(self, spec: PeerSpec, rebirth: Rebirth, *, jitter: Callable[[float], float]) -> None:
        """:param jitter: maps a pause to a shorter one (RFC 4271, section 10: 0.75 to 1 of it)."""
        self.spec = spec
        self.rebirth = rebirth
        self.offer = Offer.ALL
        self._timers = Timers(jitter)
        self._state = State.IDLE
        self._negotiated: Negotiated | None = None
        self._ours = our_open(spec, rebirth, self.offer)
        self._events: deque[Event] = deque()
        self._in = codec.Buffer()
        self._out: list[bytes] = []

    @property
    def state(self) -> State:
        return self._state

    @property
    def negotiated(self) -> Negotiated | None:
        """Not None in OpenConfirm and Established."""
        return self._negotiated

    @property
    def deadline(self) -> float | None:
        """When `tick` is due; None: never."""
        return self._timers.deadline

    # --- what the driver wants ------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Ask for a connection, at once: in Idle, or in Active while waiting to try again."""
        self._step(Input.START, now)

    def stop(self, now: float, notification: Notification | None) -> None:
        """End it until `start`. No event tells of it, and those not yet taken are void.

        :param notification: what the peer is told; None: nothing, so that it keeps our routes (RFC 4724).
        """
        self._step(Input.STOP_SILENTLY if notification is None else Input.STOP, now, notification=notification)
        self._events.clear()

    def send(self, data: bytes, now: float) -> None:
        """Queue packed UPDATEs. Raises LocalError if the session is not established."""
        self._step(Input.SEND, now)
        self._out.append(data)

    # --- what the connection tells --------------------------------------------------------------------------------

    def accepted(self, now: float) -> None:
        """The peer made a connection: in Idle."""
        self._step(Input.ACCEPTED, now)

    def connected(self, now: float) -> None:
        """The connection that was asked for is made."""
        self._step(Input.CONNECTED, now)

    def connection_lost(self, now: float, failure: Failure) -> None:
        """The connection could not be made, or has ended; not to be told after `Down`."""
        if self._state is State.OPEN_SENT:
            failure = failures.before_open(failure, self.spec)
        elif self._state is State.ESTABLISHED:
            failure = failures.when_up(failure, self.spec)
        self._end(Input.CONNECTION_LOST, now, failure)

    def receive_data(self, data: bytes, now: float) -> None:
        """Keep what came; `next_event` reads it. What comes after the end is nobody's."""
        if self._state in UNEXPECTED_IN:
            self._in.receive(data)

    def data_to_send(self) -> bytes:
        """What the connection should carry, taken out."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def blocked(self, now: float) -> None:
        """The connection does not take all we have for it. Again and again is harmless."""
        if self._state is State.ESTABLISHED and Timer.SEND_HOLD not in self._timers:
            self._start(Timer.SEND_HOLD, now)

    def progressed(self, now: float) -> None:
        """The connection took something; if it did not take all, `blocked` follows."""
        self._timers.stop(Timer.SEND_HOLD)

    # --- what comes of it -----------------------------------------------------------------------------------------

    def next_event(self, now: float) -> Event | None:
        """The next thing to act on, before the next is asked for; None: more data is needed."""
        while not self._events and self._read(now):
            pass
        return self._events.popleft() if self._events else None

    def tick(self, now: float) -> None:
        """Let every timer act that is due."""
        while (timer := self._timers.take_due(now)) is not None:
            self._expire(timer, now)

    # --- messages -------------------------------------------------------------------------------------------------

    def _read(self, now: float) -> bool:
        """Act on one message; False if there is none."""
        if self._state not in UNEXPECTED_IN:
            return False
        try:
            data = self._in.next_message()
            if data is None:
                return False
            four_octet = self._negotiated is None or self._negotiated.four_octet
            self._take(codec.decode(data, four_octet=four_octet), now)
        except ProtocolError as error:
            self._refuse(error, now)
        return True

    def _take(self, message: Message, now: float) -> None:
        match message:
            case Update():
                self._step(Input.UPDATE, now, Received(message))
            case Keepalive():
                self._step(Input.KEEPALIVE, now, Up(self._negotiated) if self._negotiated else None)
            case RouteRefresh(family):
                known = self._negotiated.families if self._negotiated else ()
                self._step(Input.ROUTE_REFRESH, now, RefreshWanted(family) if family in known else None)
            case Open():
                self._open(message, now)
            case Notification():
                self._told(message, now)

    def _open(self, message: Open, now: float) -> None:
        transition = step(self._state, Input.OPEN)
        self._negotiated = negotiate(self.spec, self._ours, message)
        if self._ours.capabilities.extended_message:
            self._in.limit = codec.MAX_EXTENDED  # RFC 8654, section 4: who offers it must bear it
        self._follow(transition, now, Opened(message, self._negotiated))

    def _told(self, message: Notification, now: float) -> None:
        was_opening = self._state is not State.ESTABLISHED
        self._end(Input.NOTIFICATION, now, failures.of_notification(message, self.spec, received=True))
        if was_opening and (message.code, message.subcode) in _REFUSED_CAPABILITIES:
            self.offer = self.offer.fewer

    def _refuse(self, error: ProtocolError, now: float) -> None:
        """The peer did what it must not."""
        given = _INPUT_OF_ERROR.get(error.code, Input.UNEXPECTED)
        notification = Notification(error.code, error.subcode, error.data)
        try:
            self._end(given, now, failures.of_error(error, self.spec), notification)
        except ProtocolError as unexpected:  # malformed, and must not even come in this state
            self._refuse(unexpected, now)

    # --- timers ---------------------------------------------------------------------------------------------------

    def _expire(self, timer: Timer, now: float) -> None:
        given = EXPIRY[timer]
        match timer:
            case Timer.CONNECT:
                self._end(given, now, failures.connect_timeout(self.spec))
            case Timer.HOLD:
                failure = failures.hold_expired(self.spec, hold_time(self._state, self._negotiated))
                self._end(given, now, failure, Notification(Code.HOLD_TIMER))
            case Timer.SEND_HOLD:
                self._end(given, now, failures.send_hold_expired(self.spec, send_hold_time(self._negotiated)))
            case _:
                self._step(given, now)

    def _start(self, timer: Timer, now: float) -> None:
        self._timers.start(timer, now, self.spec, self._state, self._negotiated)

    # --- the machine ----------------------------------------------------------------------------------------------

    def _end(self, given: Input, now: float, failure: Failure, notification: Notification | None = None) -> None:
        self._step(given, now, Down(failure, self._state is State.ESTABLISHED), notification)

    def _step(
        self, given: Input, now: float, event: Event | None = None, notification: Notification | None = None
    ) -> None:
        self._follow(step(self._state, given), now, event, notification)

    def _follow(
        self, transition: Transition, now: float, event: Event | None = None, notification: Notification | None = None
    ) -> None:
        self._state = transition.state
        self._timers.stop_all_but(KEPT[transition.state])
        for action in transition.actions:
            self._act(action, event, notification)
        for timer in transition.timers:
            self._start(timer, now)

    def _act(self, action: Action, event: Event | None, notification: Notification | None) -> None:
        match action:
            case Action.CONNECT:
                self._events.append(ConnectWanted())
            case Action.SEND_OPEN:
                self._greet()
            case Action.SEND_KEEPALIVE:
                self._out.append(_KEEPALIVE)
            case Action.SEND_NOTIFICATION if notification is not None:
                self._out.append(codec.encode(notification))
            case Action.DROP:
                self._negotiated = None
                self._events = deque(each for each in self._events if not isinstance(each, ConnectWanted))
            case Action.REPORT if event is not None:
                self._events.append(event)
            case Action.FORGET_FAILURES:
                self._timers.forget_failures()

    def _greet(self) -> None:
        """Nothing of an earlier connection gets into this one."""
        self._in = codec.Buffer()
        self._ours = our_open(self.spec, self.rebirth, self.offer)
        self._out = [codec.encode(self._ours)]
