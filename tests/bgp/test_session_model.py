"""Two sessions, a wire that is cut, delayed, damaged or silent, and a clock: what must hold whatever happens."""

from __future__ import annotations

import errno
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.events import ConnectWanted, Down, Event, Opened, Received, RefreshWanted, Up
from terway_edge.backends.bgp.failures import of_os_error
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Family, Keepalive, Notification, RouteRefresh, Update
from terway_edge.core.addresses import Prefix
from terway_edge.testing.bgp_pair import WITH_CONNECTION, BgpPair
from tests.bgp.sessions import NOW, SPEAKER, session, switch_of

RESET = OSError(errno.ECONNRESET, "reset")
WITHDRAWAL = codec.encode(Update(withdrawn=(Prefix.parse("10.1.0.0/24"),)))
EXTRAS = [codec.encode(Keepalive()), WITHDRAWAL, codec.encode(RouteRefresh(Family.IPV6)), b"\xff" * 19]
LEFT, RIGHT = 0, 1
sides = st.sampled_from([LEFT, RIGHT])


class Heard:
    """What one driver was told since the last stop or Down, checked as it comes."""

    def __init__(self) -> None:
        self.is_open = self.is_up = False

    def take(self, event: Event) -> None:
        match event:
            case ConnectWanted():
                assert not self.is_open
            case Opened():
                assert not self.is_open
                self.is_open = True
            case Up():
                assert self.is_open
                assert not self.is_up
                self.is_up = True
            case Received() | RefreshWanted():
                assert self.is_up
            case Down(_, was_established):
                assert was_established is self.is_up
                self.is_open = self.is_up = False


class Sessions(RuleBasedStateMachine):
    """The left session dials, the right one accepts. `wires[side]` holds what travels towards a side."""

    @initialize(hold=st.sampled_from([0, 3, 90]), jitter=st.sampled_from([0.75, 1.0]))
    def begin(self, hold: int, jitter: float) -> None:
        spec = replace(SPEAKER, hold_time=hold)
        self.hold = hold
        self.now = NOW
        self.sessions = (session(spec, jitter=jitter), session(switch_of(spec), jitter=jitter))
        self.heard = (Heard(), Heard())
        self.wires = (bytearray(), bytearray())
        self.last_octets = [NOW, NOW]

    # --- the drivers ------------------------------------------------------------------------------------------

    @rule(side=sides)
    def listen(self, side: int) -> None:
        while (event := self.sessions[side].next_event(self.now)) is not None:
            self.heard[side].take(event)

    @rule(at_once=st.booleans())
    def connect(self, at_once: bool) -> None:
        """The left side dials, and is accepted."""
        left, right = self.sessions
        if left.state in WITH_CONNECTION:
            return
        for wire in self.wires:
            wire.clear()
        self.start(LEFT)
        self.listen(LEFT)
        self.listen(RIGHT)
        self.lose(RIGHT)
        self.stop(RIGHT, None)
        left.connected(self.now)
        right.accepted(self.now)
        self.last_octets = [self.now, self.now]
        if at_once:
            self.converse(LEFT)

    @rule(side=sides)
    def start(self, side: int) -> None:
        if self.sessions[side].state in (State.IDLE, State.ACTIVE):
            self.sessions[side].start(self.now)

    @rule(side=sides, notification=st.sampled_from([None, Notification(Code.CEASE, Cease.RESET)]))
    def stop(self, side: int, notification: Notification | None) -> None:
        self.sessions[side].stop(self.now, notification)
        self.heard[side].is_open = self.heard[side].is_up = False

    @rule(side=sides)
    def lose(self, side: int) -> None:
        """One side sees the connection break, or its attempt fail."""
        made = self.sessions[side]
        if made.state in (*WITH_CONNECTION, State.CONNECT):
            made.connection_lost(self.now, of_os_error(RESET, made.spec))

    @rule(side=sides, seconds=st.sampled_from([0.0, 0.4, 1.0, 2.9, 29.0, 90.0, 500.0]))
    def pass_time(self, side: int, seconds: float) -> None:
        """The clock moves; only one driver looks at it at once."""
        self.now += seconds
        made = self.sessions[side]
        made.tick(self.now)
        assert made.deadline is None or made.deadline > self.now
        if made.state is State.ESTABLISHED and self.hold:
            assert self.now - self.last_octets[side] < self.hold, "a silent peer was not noticed"

    @rule(side=sides, is_blocked=st.booleans())
    def report_output(self, side: int, is_blocked: bool) -> None:
        made = self.sessions[side]
        (made.blocked if is_blocked else made.progressed)(self.now)

    @rule(side=sides)
    def announce(self, side: int) -> None:
        if self.sessions[side].state is State.ESTABLISHED:
            self.sessions[side].send(WITHDRAWAL, self.now)

    # --- the wire ---------------------------------------------------------------------------------------------

    @rule(side=sides)
    def write(self, side: int) -> None:
        self.wires[1 - side].extend(self.sessions[side].data_to_send())

    @rule(side=sides, octets=st.sampled_from([1, 19, 64, 4000]))
    def deliver(self, side: int, octets: int) -> None:
        wire = self.wires[side]
        if wire:
            self.listen(side)
            self.sessions[side].receive_data(bytes(wire[:octets]), self.now)
            self.last_octets[side] = self.now
            del wire[:octets]

    @rule(side=sides)
    def converse(self, side: int) -> None:
        """All that there is to say is said at once, so that sessions get far."""
        for _ in range(3):
            for each in (side, 1 - side):
                self.listen(each)
                self.write(each)
                self.deliver(1 - each, 4000)
        self.listen(side)

    @rule(side=sides, place=st.integers(0, 80), value=st.integers(0, 255))
    def damage(self, side: int, place: int, value: int) -> None:
        if place < len(self.wires[side]):
            self.wires[side][place] = value

    @rule(side=sides, extra=st.sampled_from(EXTRAS))
    def inject(self, side: int, extra: bytes) -> None:
        self.wires[side].extend(extra)

    # --- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def what_was_negotiated_is_known_only_while_it_holds(self) -> None:
        for made in self.sessions:
            assert (made.negotiated is not None) == (made.state in (State.OPEN_CONFIRM, State.ESTABLISHED))

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        for made in self.sessions:
            if made.state not in (State.IDLE, State.ESTABLISHED):
                assert made.deadline is not None
            if made.state is State.ESTABLISHED and made.negotiated.hold_time:
                assert made.deadline <= self.now + made.negotiated.keepalive

    def teardown(self) -> None:
        """A clean connection brings both up again, whatever there was before."""
        left, right = self.sessions
        for made in self.sessions:
            made.stop(self.now, None)
        both = BgpPair(left, right, self.now)
        both.connect()
        assert (left.state, right.state) == (State.ESTABLISHED, State.ESTABLISHED)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
