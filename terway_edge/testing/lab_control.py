"""Where a helper of the lab answers the lab: on a Unix socket, a line of JSON for a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

TICK = 0.05  # seconds until it notices that it is to end


class Control(ThreadingUnixStreamServer):
    """Serves while it is entered."""

    daemon_threads = True

    def __init__(self, path: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.answer = answer
        super().__init__(path, _Question)

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(TICK,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Question(StreamRequestHandler):
    server: Control

    def handle(self) -> None:
        answer = self.server.answer(json.loads(self.rfile.readline()))
        self.wfile.write(json.dumps(answer).encode() + b"\n")
