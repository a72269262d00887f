"""What the servers for tests share: a thread per connection, connections that can be cut in several ways."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BACKLOG = 512
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: closing sends RST


def listen(address: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening socket; in the network namespace that the calling thread is in. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=BACKLOG)


class _Secured(ssl.SSLSocket):
    """`wrap_socket` reads from a connection that is gone, and leaves it open if it was reset."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except ConnectionError:
            self.close()
            raise


class HttpServer(ThreadingHTTPServer):
    """Threads are daemons, so that a server that nobody closes keeps no process alive; `cut` waits for them.

    :param listening: from `listen`; `server_close` closes it
    :param tls: serve HTTPS with this
    """

    def __init__(
        self, listening: socket.socket, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(listening.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.stopping = threading.Event()
        self._tls = tls
        if tls is not None:
            tls.sslsocket_class = _Secured
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

    def shutdown_request(self, request: Any) -> None:
        """A connection that was cut ends with RST, not with the FIN that a good end has."""
        if request.fileno() >= 0 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET)) == RESET:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            secured = self._secured(request)
        except (ConnectionError, ssl.SSLError):
            pass  # the client was faster
        else:
            self.process_request_thread(secured, client_address)
        finally:
            with self._guard:
                del self._serving[threading.current_thread()]

    def _secured(self, connection: socket.socket) -> socket.socket:
        """The handshake comes with the first read."""
        if self._tls is None:
            return connection
        secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._serving[threading.current_thread()] = secured
        return secured


class HttpHandler(BaseHTTPRequestHandler):
    """Clients that leave early are no error, and what is asked is not printed: it may hold secrets."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for head and body

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            self.close_connection = True  # the client was faster

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the servers have logs of their own."""

    def read_body(self, longest: int) -> bytes | None:
        """None if it is longer than that many bytes or its length is unknown."""
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > longest:
            return None
        return self.rfile.read(int(length))

    def cut(self) -> None:
        """The connection ends with RST after this request."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close_connection = True


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed
