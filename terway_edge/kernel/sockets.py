"""Netlink sockets of the host's namespace, lent to one thread at a time."""

from __future__ import annotations

import secrets
import threading
from itertools import count

from terway_edge.kernel.filter import PORT_MASK
from terway_edge.kernel.netlink import NetlinkSocket
from terway_edge.kernel.netns import identity, inside


class HostSockets:
    """As many sockets as there ever were threads at once; all live until close().

    `netns` is the host's namespace, `identity` tells it from others. The port ids of all sockets there ever are lie in
    one range of 4096 that starts at `port_base`: a notification that carries one of them tells of a change of ours. The
    kernel itself gives out process numbers (up to 2^22) and negative ones, so the range is far from both.
    """

    def __init__(self, netns: int) -> None:
        self.netns = netns
        self.identity = identity(netns)
        self.port_base = secrets.randbelow(1 << 18) + (1 << 18) << 12
        self._ports = count(self.port_base)
        self._idle: list[NetlinkSocket] = []
        self._lock = threading.Lock()
        self._closed = False

    def lend(self) -> Loan:
        """A socket for the length of a with-block. Raises KernelError, as the block begins, if one cannot be opened."""
        return Loan(self)

    def take(self) -> NetlinkSocket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return inside(self.netns, self._open)

    def take_back(self, endpoint: NetlinkSocket) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(endpoint)
                return
        endpoint.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for endpoint in idle:
            endpoint.close()

    def is_own(self, port: int) -> bool:
        return port & PORT_MASK == self.port_base

    def _open(self) -> NetlinkSocket:
        return NetlinkSocket(next(self._ports) & ~PORT_MASK | self.port_base, large=True)


class Loan:
    """One socket, closed if the block that it was lent for fails: an answer may be left in it. A class, because ADDs
    borrow a few each, and contextlib takes three times as long."""

    def __init__(self, lender: HostSockets) -> None:
        self._lender = lender

    def __enter__(self) -> NetlinkSocket:
        self._endpoint = self._lender.take()
        return self._endpoint

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._lender.take_back(self._endpoint)
        else:
            self._endpoint.close()
