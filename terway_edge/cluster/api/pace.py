"""Lets what comes on a connection gather in the kernel for a moment, so that it is read in one go.

Most of what a small event costs is waking up for it. SO_RCVLOWAT (socket(7), tcp(7)) keeps a socket from being readable
until so many bytes are there; the end of the connection, an error and a full buffer are told at once all the same.
"""

from __future__ import annotations

import asyncio
from asyncio.trsock import TransportSocket
from contextlib import suppress
from socket import SO_RCVLOWAT, SOL_SOCKET

PLENTY = 1 << 20  # bytes; the kernel takes less if the buffer is smaller


class Pace:
    """The first news after a silence is read at once, what follows after `gather` seconds. Belongs to the loop's
    thread."""

    def __init__(self, endpoint: TransportSocket | None, gather: float) -> None:
        """:param endpoint: what is read; None: nothing is any more."""
        self._endpoint, self._gather = endpoint, gather
        self._timer: asyncio.TimerHandle | None = None

    def had_news(self) -> None:
        if self._timer is None and self._endpoint is not None:
            self._wake_at(self._endpoint, PLENTY)
            self._timer = asyncio.get_running_loop().call_later(self._gather, self._look, self._endpoint)

    def _look(self, endpoint: TransportSocket) -> None:
        self._timer = None
        self._wake_at(endpoint, 1)

    @staticmethod
    def _wake_at(endpoint: TransportSocket, size: int) -> None:
        with suppress(OSError):  # it was closed
            endpoint.setsockopt(SOL_SOCKET, SO_RCVLOWAT, size)
