"""A thread that reads notifications, and goes on whatever happens: one that ended would say nothing any more, and
nobody would know.

Besides an overrun (ENOBUFS) the kernel puts the error of any notification that it could not make on every socket that
listens (netlink_set_err). What is not understood, the socket's error or a message, is told in the log; the socket is
given up for another one, and as what happened meanwhile is not known, that counts as an overrun. It is never done in
haste, so an error that stays costs nothing.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable
from socket import socket

PAUSE = 5.0  # seconds before another socket is opened

_log = logging.getLogger(__name__)


class Watch:
    """Reads with `drain`, which is given the socket whenever there is something to read, until closed."""

    def __init__(
        self, name: str, subscribe: Callable[[], socket], drain: Callable[[socket], None], lost: Callable[[], None]
    ) -> None:
        """Raises what `subscribe` does. Nothing is read before start().

        :param name: the thread's
        :param subscribe: opens a socket that hears everything from then on; called in the starting thread's namespace
        :param lost: called when notifications may have been lost with a socket
        """
        self._subscribe, self._drain, self._lost = subscribe, drain, lost
        self._lock = threading.Lock()
        self._socket = subscribe()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self.closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def abandon(self) -> None:
        """Instead of start()."""
        self._socket.close()
        os.close(self._wake)

    def close(self) -> None:
        """Taken twice is harmless. After this `drain` is not called any more, unless it is `drain` that closes."""
        with self._lock:
            if not self.closed:
                self.closed = True
                os.eventfd_write(self._wake, 1)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self.closed:
                try:
                    self._read()
                except Exception:  # noqa: BLE001 - a watch that ends says nothing any more
                    _log.exception("news of others' changes cannot be read, they are listened to anew")
                    self._renew()
        finally:
            with self._lock:
                self.closed = True
                self.abandon()

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while not self.closed:
            poll.poll()
            self._drain(self._socket)

    def _renew(self) -> None:
        """Open another socket, however often it takes."""
        self._socket.close()
        while not self._is_closed_within(PAUSE):
            try:
                self._socket = self._subscribe()
                self._lost()
                return
            except Exception as error:  # noqa: BLE001 - it is tried again
                _log.warning("others' changes are not noticed before the next audit: %s", error)
                self._socket.close()

    def _is_closed_within(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.poll(seconds * 1000)
        return self.closed
