"""The agent's socket: one request and one reply per connection, served by a few threads.

Threads that block in accept() are the fastest front end there is in Python and let hooks be synchronous. Only root may
talk to us: the directory and the socket say so by mode, and SO_PEERCRED is checked as well.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from terway_edge.agent.directories import private_directory
from terway_edge.cni.wire import Reply, Request, WireError, encode_reply, receive_request
from terway_edge.core.errors import Refused

log = logging.getLogger(__name__)

BACKLOG = 512
SEND_TIMEOUT = 5.0  # seconds for a caller to take its answer
LONGEST_PATH = 107  # bytes of sockaddr_un.sun_path


class Connection:
    """One caller, as the handler sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def gone(self) -> bool:
        """True if the caller closed its end, as a killed shim's does: nobody waits for the answer."""
        self._sock.setblocking(False)
        try:
            return self._sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def send(self, reply: Reply) -> bool:
        """Send the answer; False if the caller did not take it."""
        data = encode_reply(*reply)
        try:
            self._sock.setblocking(False)
            sent = self._sock.send(data)  # all of it, unless it is a long listing
            if sent < len(data):
                self._sock.settimeout(SEND_TIMEOUT)
                self._sock.sendall(data[sent:])
        except OSError:
            return False
        return True


Handler = Callable[[Request, Connection], None]
"""Answers one request through the connection; must not raise."""


class Server:
    """Listens when built; `serve` starts the threads, `drain` stops them after the requests in flight."""

    def __init__(self, path: Path, workers: int, handler: Handler) -> None:
        self._handler = handler
        self._allowed = {0, os.geteuid()}
        self._path = path
        self._listener = _listen(path)
        self._threads = [
            threading.Thread(target=self._accept, name=f"cni-{number}", daemon=True) for number in range(workers)
        ]

    def serve(self) -> None:
        for thread in self._threads:
            thread.start()

    def drain(self, timeout: float) -> bool:
        """Take no more connections and wait for those in flight; False if some are still running after `timeout`."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes every accept()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(deadline - time.monotonic(), 0))
        self._listener.close()
        return not any(thread.is_alive() for thread in self._threads)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if self._listener.fileno() < 0 or error.errno in _CLOSED:
                    return
                log.error("accept: %s", error)
                threading.Event().wait(0.1)  # out of descriptors or memory: give others time to end
                continue
            try:
                with sock:
                    self._serve_one(sock)
            except Exception:
                log.exception("a request was dropped")  # a worker that ended would never be replaced

    def _serve_one(self, sock: socket.socket) -> None:
        uid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if uid not in self._allowed:
            log.warning("refused a request of uid %d: only root may call", uid)
            return
        try:
            request = receive_request(sock)
        except WireError as error:
            log.warning("dropped a request: %s", error)
            return
        try:
            self._handler(request, Connection(sock))
        finally:
            request.close()


_CLOSED = {22, 9}  # EINVAL after shutdown(), EBADF after close()


def _listen(path: Path) -> socket.socket:
    """A listening socket that was never open to others: the mask is set before bind(2). Raises Refused or OSError."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Refused(f"{path} is longer than the {LONGEST_PATH} bytes a socket path may have: choose another run_dir")
    private_directory(path.parent)
    with suppress(FileNotFoundError):
        path.unlink()  # a stale one: the instance lock says nobody serves it
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    listener.listen(BACKLOG)
    return listener
