"""The emulator over HTTP, on a thread per connection.

One listener serves the API at / and instance metadata at /latest/: which instance's, its own address says, or the
listener is of one instance.
"""

from __future__ import annotations

import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from terway_edge.testing.openapi.emulator import Emulator
from terway_edge.testing.openapi.gate import Request
from terway_edge.testing.openapi.metadata import MetadataRequest
from terway_edge.testing.openapi.reply import Reply

BACKLOG = 128
LONGEST_BODY = 1 << 20
TICK = 0.05
"""Seconds after which a change that is due is noticed without a call."""
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: closing sends RST


def listen(address: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket; in the network namespace that the calling thread is in. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=BACKLOG)


class Server:
    """Serves from `start` (or `with`) until `close`, which also cuts the connections that are open.

    :param listening: from `listen`, maybe in another network namespace; the server closes it
    :param instance: whose metadata this listener shows; empty: of the instance that has the client's address
    """

    def __init__(self, emulator: Emulator, listening: socket.socket, *, instance: str = "") -> None:
        host, port = listening.getsockname()[:2]
        self.endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        """host:port, as the vendor's clients take it."""
        self._emulator = emulator
        self._stopping = threading.Event()
        self._http = _Http(emulator, listening, instance, self._stopping)
        self._threads = [
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": TICK}, daemon=True),
            threading.Thread(target=self._tick, daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._threads[0].is_alive():
            self._http.shutdown()
        self._http.cut()
        self._http.server_close()
        for thread in filter(threading.Thread.is_alive, self._threads):
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _tick(self) -> None:
        while not self._stopping.wait(TICK):
            self._emulator.settle()


class _Http(ThreadingHTTPServer):
    """Threads are daemons, so that a server that nobody closes keeps no process alive; `cut` waits for them."""

    def __init__(self, emulator: Emulator, listening: socket.socket, instance: str, stopping: threading.Event) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.emulator, self.instance, self.stopping = emulator, instance, stopping
        self._serving: dict[threading.Thread, socket.socket] = {}
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._guard:
            self._serving[thread] = request
        thread.start()

    def cut(self) -> None:
        """End the connections, those too whose thread waits for the client's next request."""
        with self._guard:
            serving = dict(self._serving)
        for connection in serving.values():
            _shut(connection)
        for thread in serving:
            thread.join()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._guard:
                del self._serving[threading.current_thread()]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for head and body
    server: _Http

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True  # the client was faster

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the emulator has a log of its own, without signatures."""

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > LONGEST_BODY:
            self._send(Reply(400, b"bad Content-Length", "text/plain"))
            self.close_connection = True
            return
        body = self.rfile.read(int(length))
        url = urlsplit(self.path)
        if url.path.startswith("/latest/"):
            reply = self.server.emulator.read_metadata(self._metadata_request(url.path))
        elif url.path == "/" and self.command in ("GET", "POST"):
            reply = self.server.emulator.handle(self._request(url.query, body))
        else:
            reply = Reply(404, b"the API is at /, metadata is below /latest/", "text/plain")
        if reply.delay:
            self.server.stopping.wait(reply.delay)
        if reply.is_dropped:
            self._cut()
        else:
            self._send(reply)

    def _request(self, query: str, body: bytes) -> Request:
        pairs = parse_qsl(query, keep_blank_values=True)
        if self.headers.get_content_type() == "application/x-www-form-urlencoded":
            pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return Request(self.command, tuple(pairs), self.headers.get("Host", ""))

    def _metadata_request(self, path: str) -> MetadataRequest:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return MetadataRequest(self.command, path, headers, self.client_address[0], self.server.instance)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _cut(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close_connection = True


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed
