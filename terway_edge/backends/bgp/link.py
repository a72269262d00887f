"""A session, the connection that carries it, and the routes that travel over it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress

from terway_edge.backends.bgp.failures import Failure, of_os_error
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Notification
from terway_edge.backends.bgp.rib import AdjRibOut
from terway_edge.backends.bgp.session import ConnectWanted, Down, Event, RefreshWanted, Session, Up
from terway_edge.backends.bgp.transport import Channel, Network
from terway_edge.backends.bgp.wish import Attributes, Routes

HIGH_WATER = 1 << 16
"""Octets that wait for the connection before no more updates are packed."""
READS = 16
"""Reads in one turn: a peer that sends without end must not keep others waiting."""

_WITHOUT_CONNECTION = (State.IDLE, State.ACTIVE)


class Link:
    """Moves bytes between a `Session` and its `Channel`; events of the session are the caller's to act on."""

    def __init__(self, session: Session, network: Network, channel: Channel | None = None) -> None:
        """:param channel: a connection that the peer made; `accept` follows."""
        self.session = session
        self.is_incoming = channel is not None
        self.connected_at = 0.0
        self.rib: AdjRibOut | None = None
        self._network = network
        self._channel = channel
        self._is_connecting = False
        self._is_packed = False
        self._waiting = bytearray()

    @property
    def channel(self) -> Channel | None:
        return self._channel

    @property
    def wants_to_write(self) -> bool:
        return self._is_connecting or bool(self._waiting) or (self.rib is not None and not self._is_packed)

    @property
    def is_settled(self) -> bool:
        """True if the peer was told everything, as far as our side of the connection knows."""
        return self.rib is not None and self._is_packed and not self._waiting

    # --- what the connection tells --------------------------------------------------------------------------------

    def on_ready(self, now: float, *, readable: bool, writable: bool) -> Iterator[Event]:
        """Events in their order; the caller acts on each before it asks for the next."""
        if self._is_connecting:
            if writable or readable:
                self._finish_connect(now)
            readable = False
        if readable:
            yield from self._read(now)
        yield from self.turn(now)

    def turn(self, now: float) -> Iterator[Event]:
        """Let timers act, hand out events, and write what there is to write."""
        self.session.tick(now)
        yield from self._events(now)
        if self.session.state is State.ESTABLISHED:
            self._pack(now)
        if (failure := self._write(now)) is not None:
            yield from self._read(now)  # the peer's reason may lie there
            if self._channel is not None:
                self._lose(now, failure)
                yield from self._events(now)
        if self.session.state in _WITHOUT_CONNECTION:
            self.close()

    # --- what the owner asks --------------------------------------------------------------------------------------

    def accept(self, now: float) -> None:
        """Greet the peer that made the connection."""
        self.connected_at = now
        self.session.accepted(now)

    def tell(self, routes: Routes, attributes: Attributes) -> None:
        """The peer should know exactly these; it hears of them in the next turns, if the session is established."""
        if self.rib is not None:
            self.rib.set(routes, attributes)
            self._is_packed = False

    def stop(self, now: float, notification: Notification | None) -> None:
        """End the session; a NOTIFICATION is written as far as the connection takes it at once."""
        if self.session.state is State.OPEN_CONFIRM:
            self.session.data_to_send()  # the KEEPALIVE would bring up at the peer what ends here
        self.session.stop(now, notification)
        self._write(now)
        self.close()

    def close(self) -> None:
        """End the connection without a word; the session is not told."""
        self.rib = None
        self._waiting.clear()
        self._is_connecting = False
        if self._channel is not None:
            with suppress(OSError):
                self._channel.close()
            self._channel = None

    def set_password(self) -> None:
        """Sign with the session's password from now on. Raises OSError."""
        if self._channel is not None:
            self._channel.set_password(self.session.spec)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _events(self, now: float) -> Iterator[Event]:
        while (event := self.session.next_event(now)) is not None:
            if isinstance(event, ConnectWanted):
                self._dial(now)
            elif isinstance(event, RefreshWanted) and self.rib is not None:
                self.rib.refresh(event.family)
                self._is_packed = False
            else:
                if isinstance(event, Up):
                    self._waiting += self.session.data_to_send()
                    self._open_rib(event)
                elif isinstance(event, Down):
                    self._write(now)  # the NOTIFICATION, if the connection takes it
                    self.close()
                yield event

    def _open_rib(self, up: Up) -> None:
        negotiated = up.negotiated
        self.rib = AdjRibOut(
            self.session.spec,
            negotiated.families,
            four_octet=negotiated.four_octet,
            end_of_rib=negotiated.graceful_restart is not None,
            limit=negotiated.limit,
        )

    def _dial(self, now: float) -> None:
        self.close()
        self.is_incoming = False
        try:
            self._channel = self._network.dial(self.session.spec)
            self._is_connecting = True
        except OSError as error:
            self.session.connection_lost(now, of_os_error(error, self.session.spec))

    def _finish_connect(self, now: float) -> None:
        assert self._channel is not None
        self._is_connecting = False
        try:
            self._channel.finish_connect()
        except OSError as error:
            self._lose(now, of_os_error(error, self.session.spec))
        else:
            self.connected_at = now
            self.session.connected(now)

    def _read(self, now: float) -> Iterator[Event]:
        for _ in range(READS):
            if self._channel is None:
                return
            try:
                data = self._channel.read()
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(now, of_os_error(error, self.session.spec))
                return
            if not data:
                closed = OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
                self._lose(now, of_os_error(closed, self.session.spec))
                return
            self.session.receive_data(data, now)
            yield from self._events(now)

    def _pack(self, now: float) -> None:
        while len(self._waiting) < HIGH_WATER and self.rib is not None:
            message = self.rib.next_message()
            if message is None:
                self._is_packed = True
                return
            self.session.send(message, now)
            self._waiting += self.session.data_to_send()

    def _write(self, now: float) -> Failure | None:
        """Write what the connection takes; tells why none can be written any more."""
        self._waiting += self.session.data_to_send()
        if self._channel is None or self._is_connecting or not self._waiting:
            return None
        try:
            sent = self._channel.write(bytes(self._waiting))
        except BlockingIOError:
            sent = 0
        except OSError as error:
            return of_os_error(error, self.session.spec)
        del self._waiting[:sent]
        if sent or not self._waiting:
            self.session.progressed(now)
        if self._waiting:
            self.session.blocked(now)
        return None

    def _lose(self, now: float, failure: Failure) -> None:
        self.close()
        self.session.connection_lost(now, failure)
