"""A switch that believes what it hears: one passive session, and a table with the stale routes of graceful restart."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.errors import Cease, Code, ProtocolError
from terway_edge.backends.bgp.events import Down, Opened, Received
from terway_edge.backends.bgp.failures import of_os_error
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Family, GracefulRestart, Message, Notification, Open, Path, Update
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.session import Session
from terway_edge.backends.bgp.transport import Channel, Network
from terway_edge.core.addresses import Address, Prefix

CLOSED = OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))


class FakeSwitch:
    """The helper of RFC 4724 and RFC 8538. `spec` is the session as the switch sees it: `address` is the speaker's.

    `paths` is its table, `stale` what it keeps though its session is gone; `lost` lists what ever left the table,
    `heard` every message of the speaker, both oldest first.
    """

    def __init__(self, spec: PeerSpec, network: Network, now: Callable[[], float]) -> None:
        self.spec = spec
        self.paths: dict[Prefix, Path] = {}
        self.stale: set[Prefix] = set()
        self.lost: list[Prefix] = []
        self.heard: list[Message] = []
        self.downs: list[Down] = []
        self.refuses: Notification | None = None
        """What it answers every OPEN with."""
        self._network = network
        self._now = now
        self._forgets_at: float | None = None
        self._connection: _Connection | None = None
        self._listener = network.listen(spec.local_address, spec.port)
        self._listener.set_password(spec.address, spec.password)

    # --- what a test looks at -------------------------------------------------------------------------------------

    @property
    def is_established(self) -> bool:
        return self._connection is not None and self._connection.session.state is State.ESTABLISHED

    @property
    def next_hops(self) -> dict[Prefix, Address | None]:
        return {prefix: path.next_hop or path.mp_next_hop for prefix, path in self.paths.items()}

    @property
    def opens(self) -> list[Open]:
        return [message for message in self.heard if isinstance(message, Open)]

    @property
    def notifications(self) -> list[Notification]:
        return [message for message in self.heard if isinstance(message, Notification)]

    @property
    def ends(self) -> list[Family]:
        """Every End-of-RIB."""
        return [message.end_of_rib for message in self.heard if isinstance(message, Update) and message.end_of_rib]

    # --- what a test does to it -----------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Say what the session would not: an UPDATE of its own, a ROUTE-REFRESH."""
        assert self._connection is not None
        self._connection.say(codec.encode(message))

    def stop(self, notification: Notification | None) -> None:
        """End the session and forget the routes, as an operator's reset does or a crash; listens on."""
        if self._connection is not None:
            self._connection.stop(self._now(), notification)
            self._connection = None
            self._forget(self.paths)

    def drop(self) -> None:
        """The connection breaks, as when the speaker dies: what graceful restart keeps is kept."""
        assert self._connection is not None
        self._end(self._connection.last_restart, kept=True, now=self._now())
        self._connection.stop(self._now(), None)
        self._connection = None

    def set_password(self, spec: PeerSpec) -> None:
        """Of connections to come and, if the network bears it, of the one that is."""
        self.spec = spec
        self._listener.set_password(spec.address, spec.password)
        if self._connection is not None:
            self._connection.session.spec = spec
            self._connection.channel.set_password(spec)

    def close(self) -> None:
        self.stop(None)
        self._listener.close()

    # --- its loop -------------------------------------------------------------------------------------------------

    @property
    def descriptors(self) -> list[int]:
        """What to wait for."""
        return [self._listener.fileno(), *([self._connection.channel.fileno()] if self._connection else [])]

    @property
    def deadline(self) -> float | None:
        times = [self._forgets_at, self._connection.session.deadline if self._connection else None]
        return min((time for time in times if time is not None), default=None)

    def turn(self) -> bool:
        """Do what is to be done now; False if there was nothing."""
        now = self._now()
        if self._forgets_at is not None and now >= self._forgets_at:
            self._forgets_at = None
            self._forget(self.stale)
        return self._serve(now) or self._accept(now)  # what came over the old connection comes first

    def _accept(self, now: float) -> bool:
        try:
            channel, peer = self._listener.accept()
        except BlockingIOError:
            return False
        if peer != self.spec.address:
            channel.close()
            return True
        if self._connection is not None:  # the speaker restarted (RFC 4724, section 4.2)
            self._end(self._connection.negotiated_restart, kept=True, now=now)
            self._connection.stop(now, None)
        self._connection = _Connection(self.spec, channel, now)
        return True

    def _serve(self, now: float) -> bool:
        connection = self._connection
        if connection is None:
            return False
        connection.session.tick(now)
        did_read = connection.read(now)
        for event in connection.events(now):
            match event:
                case Opened() if self.refuses is not None:
                    connection.stop(now, self.refuses)
                    self._connection = None
                    break
                case Opened():
                    self._judge(connection.negotiated_restart)
                case Received(update):
                    self._learn(update)
                case Down():
                    self._lose(connection, event, now)
        self.heard += connection.take_heard()
        return (self._connection is connection and connection.write()) or did_read

    # --- its table ------------------------------------------------------------------------------------------------

    def _judge(self, restart: GracefulRestart | None) -> None:
        """What may stay stale, by the OPEN of the speaker that came back."""
        self._forgets_at = None
        kept = {family.version for family in restart.forwarding} if restart else set()
        self._forget(prefix for prefix in self.stale if prefix.family not in kept)

    def _learn(self, update: Update) -> None:
        self._forget(update.withdrawn)
        for prefix in update.announced:
            assert update.path is not None
            self.paths[prefix] = update.path
            self.stale.discard(prefix)
        if update.end_of_rib is not None:
            self._forget(prefix for prefix in self.stale if prefix.family == update.end_of_rib.version)

    def _lose(self, connection: _Connection, down: Down, now: float) -> None:
        self.downs.append(down)
        self._connection = None
        connection.write()
        connection.channel.close()
        if down.was_established:
            kept = not connection.was_hard_reset and (not down.failure.code or connection.agreed_notification)
            self._end(connection.last_restart, kept=kept, now=now)

    def _end(self, restart: GracefulRestart | None, *, kept: bool, now: float) -> None:
        """RFC 4724, section 4.2: of two losses in a row the second costs what was stale since the first."""
        self._forget(self.stale)
        if restart is None or not kept:
            self._forget(self.paths)
            return
        self.stale = set(self.paths)
        self._forgets_at = now + restart.time

    def _forget(self, prefixes: Iterable[Prefix]) -> None:
        for prefix in list(prefixes):
            if self.paths.pop(prefix, None) is not None:
                self.lost.append(prefix)
            self.stale.discard(prefix)


class _Connection:
    """A session, the channel that carries it, and all that came over it."""

    def __init__(self, spec: PeerSpec, channel: Channel, now: float) -> None:
        self.channel = channel
        self.session = Session(spec, Rebirth(), jitter=lambda pause: pause)
        self.session.accepted(now)
        self.last_restart: GracefulRestart | None = None
        self.agreed_notification = False
        self.was_hard_reset = False
        self._stream = codec.Buffer(codec.MAX_EXTENDED)
        self._heard: list[Message] = []
        self._out = bytearray()
        self._found: list[Opened | Received | Down] = []

    @property
    def negotiated_restart(self) -> GracefulRestart | None:
        negotiated = self.session.negotiated
        return negotiated.graceful_restart if negotiated else None

    def read(self, now: float) -> bool:
        try:
            data = self.channel.read()
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._hear(data)
            self.session.receive_data(data, now)
            self._drain(now)
        elif self.session.state is not State.IDLE:
            self.session.connection_lost(now, of_os_error(CLOSED, self.session.spec))
        return True

    def events(self, now: float) -> list[Opened | Received | Down]:
        self._drain(now)
        found, self._found = self._found, []
        return found

    def take_heard(self) -> list[Message]:
        heard, self._heard = self._heard, []
        return heard

    def say(self, data: bytes) -> None:
        self._out += data

    def write(self) -> bool:
        self._out += self.session.data_to_send()
        if not self._out:
            return False
        try:
            del self._out[: self.channel.write(bytes(self._out))]
        except OSError:
            return False
        return True

    def stop(self, now: float, notification: Notification | None) -> None:
        self.session.data_to_send()
        self.session.stop(now, notification)
        self.write()
        self.channel.close()

    def _drain(self, now: float) -> None:
        while (event := self.session.next_event(now)) is not None:
            if isinstance(event, Opened):
                self.last_restart = event.negotiated.graceful_restart
                self.agreed_notification = event.negotiated.notification
            if isinstance(event, Opened | Received | Down):
                self._found.append(event)

    def _hear(self, data: bytes) -> None:
        self._stream.receive(data)
        try:
            while (message := self._stream.next_message()) is not None:
                self._heard.append(codec.decode(message))
        except ProtocolError:
            return  # the session tells
        if Notification(Code.CEASE, Cease.HARD_RESET) in [
            Notification(m.code, m.subcode) for m in self._heard if isinstance(m, Notification)
        ]:
            self.was_hard_reset = True
