"""Non-blocking TCP for BGP: source address, MD5 signatures (RFC 2385), TTL security (RFC 5082)."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from terway_edge.backends.bgp.peer_spec import PeerSpec
from terway_edge.core.addresses import Address
from terway_edge.core.secret import Secret

# linux/tcp.h and linux/in.h, in6.h: constants that Python's socket module does not have.
TCP_MD5SIG = 14
IP_MINTTL = 21
IPV6_MINHOPCOUNT = 73
MAX_PASSWORD = 80  # octets, TCP_MD5SIG_MAXKEYLEN

NETSTAT = Path("/proc/thread-self/net/netstat")
_MD5_COUNTERS = ("TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure")

MAX_TTL = 255
INTERNET_CONTROL = 0xC0  # DSCP CS6: what routers give routing protocols
READ_SIZE = 1 << 16
BACKLOG = 16


class Channel(Protocol):
    """One TCP connection, being made or made. Every method raises OSError with the kernel's errno."""

    def fileno(self) -> int: ...

    def finish_connect(self) -> None:
        """Ask how connecting ended, once it did (the channel is writable then)."""

    def read(self) -> bytes:
        """What has come; empty once the peer ended its side. Raises BlockingIOError if there is nothing."""

    def write(self, data: bytes) -> int:
        """How much of `data` was taken. Raises BlockingIOError if nothing was."""

    def set_password(self, spec: PeerSpec) -> None:
        """Sign with the password of `spec` from now on."""

    def set_options(self, spec: PeerSpec) -> None:
        """Of a connection that the peer made: what a dialled one has from the start."""

    def close(self) -> None: ...


class Network(Protocol):
    """Where channels come from."""

    def dial(self, spec: PeerSpec) -> Channel:
        """Begin to connect; raises OSError if that fails at once."""

    def listen(self, address: Address, port: int) -> Listener:
        """Raises OSError."""


class Listener(Protocol):
    """Takes connections of peers at one local address."""

    def fileno(self) -> int: ...

    def set_password(self, peer: Address, password: Secret | None) -> None:
        """Take segments of this peer only if signed with the password; None: only if not signed. Raises OSError."""

    def accept(self) -> tuple[Channel, Address]:
        """A connection and who made it. Raises BlockingIOError if there is none, and other OSErrors."""

    def close(self) -> None: ...


class TcpChannel:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        return self._sock.fileno()

    def finish_connect(self) -> None:
        if error := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, errno.errorcode.get(error, "connect"))

    def read(self) -> bytes:
        return self._sock.recv(READ_SIZE)

    def write(self, data: bytes) -> int:
        return self._sock.send(data)

    def set_password(self, spec: PeerSpec) -> None:
        _sign(self._sock, spec.address, spec.password)

    def set_options(self, spec: PeerSpec) -> None:
        _limit_hops(self._sock, spec)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._sock.close()


class TcpListener:
    def __init__(self, address: Address, port: int) -> None:
        self._sock = _socket(address)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _set_ttl(self._sock, address, MAX_TTL)  # a peer with TTL security looks at the first answer already
            self._sock.bind((str(address), port))
            self._sock.listen(BACKLOG)
        except OSError:
            self._sock.close()
            raise
        self._signed: set[Address] = set()

    def fileno(self) -> int:
        return self._sock.fileno()

    def set_password(self, peer: Address, password: Secret | None) -> None:
        if password is not None or peer in self._signed:
            _sign(self._sock, peer, password)
        (self._signed.discard if password is None else self._signed.add)(peer)

    def accept(self) -> tuple[TcpChannel, Address]:
        sock, peer = self._sock.accept()
        sock.setblocking(False)
        return TcpChannel(sock), Address.parse(peer[0].partition("%")[0])

    def close(self) -> None:
        self._sock.close()


class TcpNetwork:
    """The real `Network`, in the network namespace of this process."""

    def dial(self, spec: PeerSpec) -> TcpChannel:
        channel = TcpChannel(sock := _socket(spec.address))
        try:
            channel.set_options(spec)
            if spec.password is not None:
                channel.set_password(spec)  # before the first segment
            sock.bind((str(spec.local_address), 0))
            with suppress(BlockingIOError):
                sock.connect((str(spec.address), spec.port))
        except OSError:
            channel.close()
            raise
        return channel

    def listen(self, address: Address, port: int) -> TcpListener:
        return TcpListener(address, port)


def _socket(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET if address.family == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    sock.setblocking(False)
    if address.family == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, INTERNET_CONTROL)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, INTERNET_CONTROL)
    return sock


def _limit_hops(sock: socket.socket, spec: PeerSpec) -> None:
    """Single-hop external sessions cannot be reached from afar: by what arrives (TTL security), else by what leaves."""
    if spec.ttl_security:
        _set_ttl(sock, spec.address, MAX_TTL)
        least = MAX_TTL + 1 - spec.ttl_security
        if spec.address.family == 4:
            sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, least)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, least)
    elif not spec.is_internal:
        _set_ttl(sock, spec.address, spec.multihop or 1)


def _set_ttl(sock: socket.socket, address: Address, ttl: int) -> None:
    if address.family == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def _sign(sock: socket.socket, peer: Address, password: Secret | None) -> None:
    """struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, ifindex, key. No key removes it."""
    key = password.value if password is not None else b""
    if peer.family == 4:
        where = struct.pack("=HH4s", socket.AF_INET, 0, peer.packed)
    else:
        where = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, peer.packed, 0)
    option = struct.pack(f"=128sBBHi{MAX_PASSWORD}s", where, 0, 0, len(key), 0, key)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, option)


def unsigned_segments() -> int:
    """How many segments this network namespace dropped because their signature was missing, unexpected or wrong."""
    try:
        lines = NETSTAT.read_text().splitlines()
    except OSError:
        return 0
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        if names.startswith("TcpExt:"):
            found = dict(zip(names.split(), values.split(), strict=False))
            return sum(int(found.get(name, 0)) for name in _MD5_COUNTERS)
    return 0
