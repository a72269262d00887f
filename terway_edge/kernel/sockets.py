"""Netlink sockets of the host's namespace, lent to one thread at a time."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from terway_edge.kernel.filter import PORT_MASK
from terway_edge.kernel.netlink import NetlinkSocket
from terway_edge.kernel.netns import inside


class HostSockets:
    """As many sockets as there ever were threads at once; all live until close().

    `netns` is the host's namespace. The port ids of all sockets there ever are lie in one range of 4096 that starts
    at `port_base`: a notification that carries one of them tells of a change of ours. The kernel itself gives out
    process numbers (up to 2^22) and negative ones, so the range is far from both.
    """

    def __init__(self, netns: int) -> None:
        self.netns = netns
        self.port_base = secrets.randbelow(1 << 18) + (1 << 18) << 12
        self._ports = count(self.port_base)
        self._idle: list[NetlinkSocket] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[NetlinkSocket]:
        """A socket for the length of a with-block. Raises KernelError if one cannot be opened."""
        with self._lock:
            endpoint = self._idle.pop() if self._idle else None
        if endpoint is None:
            endpoint = inside(self.netns, self._open)
        try:
            yield endpoint
        except BaseException:
            endpoint.close()  # an answer may be left in it
            raise
        self._take_back(endpoint)

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

    def _take_back(self, endpoint: NetlinkSocket) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(endpoint)
                return
        endpoint.close()
