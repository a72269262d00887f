"""Two BGP sessions and the wire between them, in memory: every octet passes through both codecs."""

from __future__ import annotations

import errno

from terway_edge.backends.bgp.events import Down, Event
from terway_edge.backends.bgp.failures import of_os_error
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.session import Session

WITH_CONNECTION = (State.OPEN_SENT, State.OPEN_CONFIRM, State.ESTABLISHED)
CLOSED = OSError(errno.ENOTCONN, "closed")


class End:
    """One session and all that it told, oldest first."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.events: list[Event] = []

    def listen(self, now: float) -> None:
        while (event := self.session.next_event(now)) is not None:
            self.events.append(event)

    @property
    def is_connected(self) -> bool:
        return self.session.state in WITH_CONNECTION

    @property
    def downs(self) -> list[Down]:
        return [event for event in self.events if isinstance(event, Down)]


class BgpPair:
    """`left` dials and `right` accepts, whenever `connect` says. `now` moves by `advance` only, `chunk` is how many
    octets arrive at a time."""

    def __init__(self, left: Session, right: Session, now: float = 1000.0, chunk: int = 1 << 16) -> None:
        self.left, self.right = End(left), End(right)
        self.now = now
        self.chunk = chunk

    def connect(self) -> None:
        """A connection; both sides say what they have to say."""
        left, right = self.left.session, self.right.session
        if left.state is not State.CONNECT:
            left.start(self.now)
        right.stop(self.now, None)
        left.connected(self.now)
        right.accepted(self.now)
        self.pump()

    def pump(self) -> None:
        """Carry octets until nobody has any; who is left alone on the connection then learns that it is closed."""
        while self._carry(self.left, self.right) | self._carry(self.right, self.left):
            pass
        for end, other in ((self.left, self.right), (self.right, self.left)):
            if end.is_connected and not other.is_connected:
                end.session.connection_lost(self.now, of_os_error(CLOSED, end.session.spec))
                end.listen(self.now)

    def advance(self, seconds: float) -> None:
        """Let time pass, with every timer at its moment."""
        until = self.now + seconds
        while (due := self._next_deadline()) is not None and due <= until:
            self.now = max(due, self.now)
            self.left.session.tick(self.now)
            self.right.session.tick(self.now)
            self.pump()
        self.now = until

    def cut(self) -> None:
        """The connection is closed without a word on it."""
        for end in (self.left, self.right):
            end.session.data_to_send()
            if end.is_connected:
                end.session.connection_lost(self.now, of_os_error(CLOSED, end.session.spec))
            end.listen(self.now)

    def _carry(self, sender: End, receiver: End) -> bool:
        sender.listen(self.now)
        data = sender.session.data_to_send()
        for start in range(0, len(data), self.chunk):
            receiver.session.receive_data(data[start : start + self.chunk], self.now)
            receiver.listen(self.now)
        return bool(data)

    def _next_deadline(self) -> float | None:
        deadlines = (self.left.session.deadline, self.right.session.deadline)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)
