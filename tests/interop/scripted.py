"""A peer that says what a test wants said, to the octet, at the switch's address."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace

from terway_edge.backends.bgp import codec
from terway_edge.backends.bgp.messages import (
    Capabilities,
    Family,
    GracefulRestart,
    Keepalive,
    Message,
    Open,
    RouteRefresh,
    Update,
)
from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.backends.bgp.transport import TcpChannel
from terway_edge.backends.bgp.wish import Routes
from terway_edge.core.addresses import Address
from terway_edge.kernel.netns import inside, open_netns
from terway_edge.lab.layout import netns_path
from tests.interop import places

TIMEOUT = 10.0  # seconds for whatever the speaker has to say
BOTH = (Family.IPV4, Family.IPV6)
RESTARTS = Capabilities(BOTH, 65001, route_refresh=True, graceful_restart=GracefulRestart(120, BOTH))
PLAIN = Capabilities(BOTH, 65001, route_refresh=True)


def open_of(capabilities: Capabilities = RESTARTS, router_id: str = places.SWITCH[0], hold_time: int = 90) -> Open:
    return Open(65001, hold_time, Address.parse(router_id).value, capabilities)


class Connection:
    """One connection with a speaker, which has at most TIMEOUT for each answer."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = codec.Buffer(codec.MAX_EXTENDED)

    def send(self, *messages: Message | bytes) -> None:
        whole = b"".join(each if isinstance(each, bytes) else codec.encode(each) for each in messages)
        self.socket.sendall(whole)

    def receive(self) -> Message | None:
        """The next message; None if the speaker has ended the connection."""
        while (message := self._buffer.next_message()) is None:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._buffer.receive(data)
        return codec.decode(message)

    def receive_until(self, is_it: Callable[[Message], bool]) -> list[Message]:
        """Messages up to and with the first of this kind."""
        received: list[Message] = []
        while (message := self.receive()) is not None:
            received.append(message)
            if is_it(message):
                return received
        raise AssertionError(f"the speaker ended the connection: {received[-2:]}")

    def rest(self) -> list[Message]:
        """All that comes until the speaker ends the connection."""
        received: list[Message] = []
        while (message := self.receive()) is not None:
            received.append(message)
        return received

    def establish(self, ours: Open | None = None) -> Open:
        """Exchange OPENs and KEEPALIVEs; the speaker's OPEN."""
        self.send(ours or open_of(), Keepalive())
        theirs, first = self.receive(), self.receive()
        assert isinstance(theirs, Open)
        assert isinstance(first, Keepalive)
        return theirs

    def full_set(self) -> list[Update]:
        """All UPDATEs up to the End-of-RIB of the last family, which only a peer that restarts gracefully is told."""
        messages = self.receive_until(lambda message: message == Update(end_of_rib=Family.IPV6))
        return [message for message in messages if isinstance(message, Update)]

    def set_password(self, spec: PeerSpec) -> None:
        """Sign with the password of `spec`, which is the speaker's, from now on."""
        TcpChannel(self.socket).set_password(replace(spec, address=spec.local_address))

    def close(self) -> None:
        self.socket.close()


class ScriptedPeer:
    """Listens at the switch's address, or another one, in the namespace of that name."""

    def __init__(self, netns: str, address: str = places.SWITCH[0], receive_buffer: int = 0) -> None:
        """`connections` are all so far, the newest last.

        :param receive_buffer: octets that wait in the kernel to be read, about; 0: as usual.
        """
        self._netns = netns
        self._address = address
        self._listener = self._socket(address, 179)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.settimeout(TIMEOUT)
        self._listener.listen()
        self.connections: list[Connection] = []

    def accept(self) -> Connection:
        """The next connection of a speaker."""
        sock, _ = self._listener.accept()
        return self._kept(sock)

    def session(self) -> Connection:
        """The next connection, established, and all read that the speaker has to say."""
        connection = self.accept()
        connection.establish()
        connection.full_set()
        return connection

    def dial(self, to: str, timeout: float = TIMEOUT) -> Connection:
        """Raises TimeoutError."""
        sock = self._socket(self._address, 0)
        connection = self._kept(sock)
        sock.settimeout(timeout)
        sock.connect((to, 179))
        return connection

    def set_password(self, spec: PeerSpec) -> None:
        """Take signed segments of the speaker only."""
        TcpChannel(self._listener).set_password(replace(spec, address=spec.local_address))

    def close(self) -> None:
        for each in (self._listener, *self.connections):
            each.close()

    def _kept(self, sock: socket.socket) -> Connection:
        self.connections.append(Connection(sock))
        return self.connections[-1]

    def _socket(self, address: str, port: int) -> socket.socket:
        descriptor = open_netns(str(netns_path(self._netns)))
        try:
            sock = inside(descriptor, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        finally:
            os.close(descriptor)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        return sock


def lives(connection: Connection, routes: Routes) -> bool:
    """True if the speaker, after all that it was sent before, still tells its IPv4 routes when asked; what it said
    before was read."""
    connection.send(RouteRefresh(Family.IPV4))
    wanted = set(routes[Family.IPV4])
    while wanted:
        message = connection.receive()
        if not isinstance(message, Update):
            return False
        wanted -= set(message.announced)
    return True
