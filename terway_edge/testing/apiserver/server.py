"""The API server over HTTP or HTTPS, on a thread per connection."""

from __future__ import annotations

import contextlib
import gzip
import select
import socket
import ssl
import threading
from types import TracebackType
from typing import Self

from terway_edge.testing.apiserver.call import Call
from terway_edge.testing.apiserver.double import ApiServer
from terway_edge.testing.apiserver.reply import Cut, Reply
from terway_edge.testing.http import BACKLOG, HttpHandler, HttpServer

LONGEST_BODY = 3 << 20  # bytes, as of a real server
GZIP_FROM = 128 << 10  # bytes
POLL = 0.05


class Server:
    """Serves from `start` (or `with`) until `close`, which also cuts the connections that are open.

    :param listening: from `listen`, maybe in another network namespace; the server closes it
    :param tls: serve HTTPS with this
    """

    def __init__(self, api: ApiServer, listening: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self.host, self.port = listening.getsockname()[:2]
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self.api = api
        self._http = _Http(api, listening, tls)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": POLL}, daemon=True)
        self._thread.start()

    def away(self) -> None:
        """The server is gone: its connections are cut, new ones are refused. Its objects stay."""
        self._pause()
        self._http.socket.shutdown(socket.SHUT_RDWR)  # Linux stops listening, and keeps the socket in its namespace

    def back(self) -> None:
        """On the same address and port as before."""
        with contextlib.suppress(OSError):  # the port may still be this socket's
            self._http.socket.bind((self.host, self.port))
        self._http.socket.listen(BACKLOG)
        self.api.resume()
        self._http.stopping.clear()
        self.start()

    def close(self) -> None:
        self._pause()
        self._http.server_close()

    def _pause(self) -> None:
        self._http.stopping.set()
        self.api.stop()
        if self._thread:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.cut()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Http(HttpServer):
    def __init__(self, api: ApiServer, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        super().__init__(listening, _Handler, tls)
        self.api = api


class _Handler(HttpHandler):
    server: _Http

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _answer(self) -> None:
        body = self._read_body()
        if body is None:
            self._send(Reply(400, b"bad Content-Length", "text/plain"))
            self.close_connection = True
            return
        reply = self.server.api.answer(Call.of(self.command, self.path, dict(self.headers.items()), body))
        if reply.delay:
            self.server.stopping.wait(reply.delay)
        if reply.is_held:
            self._hold()
        elif reply.is_dropped:
            self.cut()
        elif reply.stream is not None:
            self._stream(reply)
        else:
            self._send(reply)

    def _read_body(self) -> bytes | None:
        """None if it is too long or its length is unknown."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        return self.read_body(LONGEST_BODY)

    def _read_chunks(self) -> bytes | None:
        body = b""
        while len(body) <= LONGEST_BODY:
            try:
                length = int(self.rfile.readline().partition(b";")[0], 16)
            except ValueError:
                return None
            if not length:
                while self.rfile.readline().strip():
                    pass
                return body
            body += self.rfile.read(length)
            self.rfile.readline()
        return None

    def _send(self, reply: Reply) -> None:
        body, headers = reply.body, list(reply.headers)
        if len(body) >= GZIP_FROM and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 1)
            headers.append(("Content-Encoding", "gzip"))
        self._head(reply, [*headers, ("Content-Length", str(len(body)))])
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, reply: Reply, headers: list[tuple[str, str]]) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Audit-Id", f"{id(reply):x}")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, reply: Reply) -> None:
        """In chunks, each at once."""
        assert reply.stream is not None
        self._head(reply, [("Transfer-Encoding", "chunked")])
        self.wfile.flush()
        try:
            for piece in reply.stream:
                if not piece and self._is_alone():
                    raise Cut
                if piece:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except Cut:
            self.wfile.flush()
            self.cut()
        finally:
            reply.stream.close()  # type: ignore[attr-defined]

    def _hold(self) -> None:
        while not self.server.stopping.wait(POLL) and not self._is_alone():
            pass
        self.close_connection = True

    def _is_alone(self) -> bool:
        """Whether the client is gone: it has nothing to say but the end of its side."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN | select.POLLHUP | select.POLLERR)
        return self.server.stopping.is_set() or bool(poll.poll(0))
