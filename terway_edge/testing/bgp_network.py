"""TCP connections of BGP in memory: who dials finds who listens, without root, addresses and ports.

Each connection is a pair of sockets, so that its ends have descriptors which a loop can wait for.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.core.addresses import Address
from terway_edge.core.secret import Secret

READ_SIZE = 1 << 16


class MemoryNetwork:
    """`transport.Network` of all hosts at once: who dials has the specification's local address.

    `silent` are addresses that answer nothing. `window`: octets that wait in a connection at most, about.
    """

    def __init__(self) -> None:
        self.silent: set[Address] = set()
        self.window: int | None = None
        self.dialled: list[PeerSpec] = []
        self._listeners: dict[tuple[Address, int], MemoryListener] = {}
        self._channels: list[MemoryChannel] = []

    @property
    def open(self) -> int:
        """How many ends of connections are in use."""
        return sum(not channel.is_closed for channel in self._channels)

    def dial(self, spec: PeerSpec) -> MemoryChannel:
        self.dialled.append(spec)
        listener = self._listeners.get((spec.address, spec.port))
        if spec.address in self.silent:
            return self._unanswered(spec)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        if listener.passwords.get(spec.local_address) != spec.password:
            return self._unanswered(spec)
        ours, theirs = self._pair(spec.local_address, spec.address)
        for channel in (ours, theirs):
            channel.password = spec.password
        listener.offer(theirs)
        return ours

    def listen(self, address: Address, port: int) -> MemoryListener:
        if (address, port) in self._listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        listener = self._listeners[address, port] = MemoryListener(self, (address, port))
        return listener

    def lose_power(self, address: Address) -> None:
        """Nothing of what this host has open is ever heard of again, not even its end."""
        for channel in self._channels:
            if address in (channel.owner, channel.far_end.owner):
                channel.is_dead = True

    def reset(self, address: Address) -> None:
        """Both ends of all that this host has open find it closed."""
        for channel in self._channels:
            if address == channel.owner and not channel.is_closed:
                channel.shut()

    def close(self) -> None:
        for channel in self._channels:
            channel.release()
        for listener in list(self._listeners.values()):
            listener.close()

    def forget(self, where: tuple[Address, int]) -> None:
        self._listeners.pop(where, None)

    def _pair(self, near: Address, far: Address) -> tuple[MemoryChannel, MemoryChannel]:
        sockets = socket.socketpair()
        for each in sockets:
            each.setblocking(False)
            if self.window is not None:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.window)
        ours, theirs = MemoryChannel(sockets[0], near), MemoryChannel(sockets[1], far)
        ours.far_end, theirs.far_end = theirs, ours
        self._channels += (ours, theirs)
        return ours, theirs

    def _unanswered(self, spec: PeerSpec) -> MemoryChannel:
        """Never ready: what it would write to is full."""
        ours, theirs = self._pair(spec.local_address, spec.address)
        ours.fill()
        theirs.is_closed = True  # it is nobody's
        return ours


class MemoryChannel:
    """One end. What is written while the two ends sign differently arrives once they agree."""

    far_end: MemoryChannel

    def __init__(self, sock: socket.socket, owner: Address) -> None:
        self.owner = owner
        self.password: Secret | None = None
        self.is_dead = False
        self.is_closed = False
        self._sock = sock
        self._held = bytearray()

    def fileno(self) -> int:
        return self._sock.fileno()

    def finish_connect(self) -> None:
        """A connection in memory is made at once."""

    def read(self) -> bytes:
        return self._sock.recv(READ_SIZE)

    def write(self, data: bytes) -> int:
        if self.is_dead or self._held or self.password != self.far_end.password:
            self._held += data
            return len(data)
        return self._sock.send(data)

    def set_password(self, spec: PeerSpec) -> None:
        self.password = spec.password
        if self.password == self.far_end.password:
            self._deliver()
            self.far_end._deliver()

    def set_options(self, spec: PeerSpec) -> None:
        """There are no hops in memory."""

    def close(self) -> None:
        self.is_closed = True
        if not self.is_dead and self.password == self.far_end.password:
            self.release()

    def release(self) -> None:
        self.is_closed = True
        self._sock.close()

    def shut(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)

    def fill(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._sock.send(bytes(READ_SIZE))

    def _deliver(self) -> None:
        held, self._held = bytes(self._held), bytearray()
        if held and not self.is_dead:
            self._sock.sendall(held)


class MemoryListener:
    """`passwords` are those that peers must sign with. A datagram for each connection makes it readable."""

    def __init__(self, network: MemoryNetwork, where: tuple[Address, int]) -> None:
        self.passwords: dict[Address, Secret | None] = {}
        self._network = network
        self._where = where
        self._waiting: list[MemoryChannel] = []
        self._bell, self._ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.setblocking(False)

    def fileno(self) -> int:
        return self._ear.fileno()

    def set_password(self, peer: Address, password: Secret | None) -> None:
        self.passwords[peer] = password

    def offer(self, channel: MemoryChannel) -> None:
        self._waiting.append(channel)
        self._bell.send(b"\0")

    def accept(self) -> tuple[MemoryChannel, Address]:
        self._ear.recv(1)
        channel = self._waiting.pop(0)
        return channel, channel.far_end.owner

    def close(self) -> None:
        self._network.forget(self._where)
        for channel in self._waiting:
            channel.close()
        self._bell.close()
        self._ear.close()
