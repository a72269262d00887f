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
from itertools import count
from pathlib import Path

from terway_edge.agent.directories import private_directory
from terway_edge.cni.wire import Reply, Request, WireError, encode_reply, receive_request
from terway_edge.core.errors import Refused
from terway_edge.core.failpoints import reach

log = logging.getLogger(__name__)

BACKLOG = 512
MOST_WAITING = 256  # requests whose threads are replaced while they wait
SEND_TIMEOUT = 5.0  # seconds for a caller to take its answer
LONGEST_PATH = 107  # bytes of sockaddr_un.sun_path


class Connection:
    """One caller, as the handler sees it. `is_replaced`: another thread serves in place of this one's."""

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self._sock = sock
        self._server = server
        self.is_replaced = False

    def gone(self) -> bool:
        """True if the caller closed its end, as a killed shim's does: nobody waits for the answer."""
        self._sock.setblocking(False)
        try:
            return self._sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def keeps_waiting(self) -> bool:
        """Asked while the request waits for something slow: from the first time on another thread takes requests in
        place of this one. False if the wait should end: the caller is gone, or the server is being drained."""
        if not self.is_replaced:
            self.is_replaced = self._server.replace_worker()
        return not self._server.is_draining and not self.gone()

    def send(self, reply: Reply) -> bool:
        """Send the answer; False if the caller did not take it."""
        data = encode_reply(*reply)
        try:
            reach("reply.before")
            self._sock.setblocking(False)
            sent = self._sock.send(data)  # all of it, unless it is a long listing
            if sent < len(data):
                self._sock.settimeout(SEND_TIMEOUT)
                self._sock.sendall(data[sent:])
        except OSError:
            return False
        reach("reply.after")
        return True


Handler = Callable[[Request, Connection], None]
"""Answers one request through the connection; must not raise."""


class Server:
    """Listens when built; `serve` starts the threads, `drain` stops them after the requests in flight.

    So many threads take requests, whatever others wait for: a DEL must not queue behind ADDs that wait for a cloud.
    """

    def __init__(self, path: Path, workers: int, handler: Handler) -> None:
        self._handler = handler
        self._allowed = {0, os.geteuid()}
        self._path = path
        self._listener, self._place = _listen(path)
        self._workers = workers
        self._guard = threading.Lock()
        self._names = count()
        self._threads: set[threading.Thread] = set()
        self.is_draining = False

    def serve(self) -> None:
        with self._guard:
            for _ in range(self._workers):
                self._start_worker()

    def replace_worker(self) -> bool:
        """Start a thread in place of the calling one, which ends after its request. False if too many wait already, or
        the node has no room for another."""
        with self._guard:
            if self.is_draining or len(self._threads) >= self._workers + MOST_WAITING:
                return False
            try:
                self._start_worker()
            except RuntimeError:  # asked again with the next look
                return False
            return True

    def _start_worker(self) -> None:
        """Raises RuntimeError if no thread can be made."""
        thread = threading.Thread(target=self._accept, name=f"cni-{next(self._names)}", daemon=True)
        thread.start()
        self._threads.add(thread)

    def is_reachable(self) -> bool:
        """False if the path leads to nothing, or to something else."""
        try:
            return _place(self._path) == self._place
        except OSError:
            return False

    def listen_anew(self) -> None:
        """At the same path; requests in flight go on. Raises Refused or OSError."""
        with self._guard:
            if self.is_draining:
                return
            old = self._listener
            self._listener, self._place = _listen(self._path)
        with suppress(OSError):
            old.shutdown(socket.SHUT_RDWR)  # sends every accept() to the new one
        old.close()

    def drain(self, timeout: float) -> bool:
        """Take no more connections and wait for those in flight; False if some are still running after `timeout`."""
        with self._guard:
            self.is_draining = True
            threads = list(self._threads)
        with suppress(OSError):  # gone, or something of others' is there
            self._path.unlink()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes every accept()
        deadline = time.monotonic() + timeout
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        self._listener.close()
        return not any(thread.is_alive() for thread in threads)

    def _accept(self) -> None:
        while True:
            listener = self._listener
            try:
                sock, _ = listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if listener is not self._listener:
                    continue
                if listener.fileno() < 0 or error.errno in _CLOSED:
                    return
                log.error("accept: %s", error)
                threading.Event().wait(0.1)  # out of descriptors or memory: give others time to end
                continue
            connection = Connection(sock, self)
            try:
                with sock:
                    self._serve_one(sock, connection)
            except Exception:
                log.exception("a request was dropped")  # a worker that ended would never be replaced
            if connection.is_replaced:
                with self._guard:
                    self._threads.discard(threading.current_thread())
                return

    def _serve_one(self, sock: socket.socket, connection: Connection) -> None:
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
            reach("request.read.after")
            self._handler(request, connection)
        finally:
            request.close()


_CLOSED = {22, 9}  # EINVAL after shutdown(), EBADF after close()


def _listen(path: Path) -> tuple[socket.socket, tuple[int, int]]:
    """A listening socket that was never open to others, and its file's identity.

    Raises Refused or OSError.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Refused(f"{path} is longer than the {LONGEST_PATH} bytes a socket path may have: choose another run_dir")
    private_directory(path.parent)
    with suppress(FileNotFoundError):
        path.unlink()  # a stale one: the instance lock says nobody serves it
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.fchmod(listener.fileno(), 0o600)  # bind(2) takes the file's mode from the socket's
    listener.bind(str(path))
    listener.listen(BACKLOG)
    reach("socket.listen.after")
    return listener, _place(path)


def _place(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
