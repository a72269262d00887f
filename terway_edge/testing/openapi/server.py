"""The emulator over HTTP, on a thread per connection.

One listener serves the API at / and instance metadata at /latest/: which instance's, its own address says, or the
listener is of one instance.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from terway_edge.testing.http import HttpHandler, HttpServer
from terway_edge.testing.openapi.emulator import Emulator
from terway_edge.testing.openapi.gate import Request
from terway_edge.testing.openapi.metadata import MetadataRequest
from terway_edge.testing.openapi.reply import Reply

LONGEST_BODY = 1 << 20
TICK = 0.05
"""Seconds after which a change that is due is noticed without a call."""


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
        self._http = _Http(emulator, listening, instance)
        self._threads = [
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": TICK}, daemon=True),
            threading.Thread(target=self._tick, daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._http.stopping.set()
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
        while not self._http.stopping.wait(TICK):
            self._emulator.settle()


class _Http(HttpServer):
    def __init__(self, emulator: Emulator, listening: socket.socket, instance: str) -> None:
        super().__init__(listening, _Handler)
        self.emulator, self.instance = emulator, instance


class _Handler(HttpHandler):
    server: _Http

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_GET

    def _answer(self) -> None:
        body = self.read_body(LONGEST_BODY)
        if body is None:
            self._send(Reply(400, b"bad Content-Length", "text/plain"))
            self.close_connection = True
            return
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
            self.cut()
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
