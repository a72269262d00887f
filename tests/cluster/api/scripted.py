"""A small API server of which every byte on the wire is the test's: objects, watches, faults, and what was asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

DEADLINE = 10.0  # seconds; generous, for loaded machines

NODES = "/api/v1/nodes"
PEERS = "/apis/network.openyurt.io/v1alpha1/bgppeers"
CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
SECRETS = "/api/v1/namespaces/kube-system/secrets"
EVENTS = "/api/v1/namespaces/default/events"
LISTS = (NODES, PEERS, CONFIG_MAPS, SECRETS)

Body = dict[str, Any]


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    at: float
    """When it came (time.monotonic)."""

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and self.path in LISTS and not self.is_watch


@dataclass
class Fault:
    """Instead of an answer, `times` times: `act` gets the handler and may write whatever it likes."""

    matches: Callable[[Request], bool]
    act: Callable[[Handler], None]
    times: int = 1


@dataclass
class Stored:
    value: Body
    version: int


@dataclass
class Happening:
    version: int
    path: str
    what: str
    value: Body


@dataclass
class ScriptedApi:
    """Objects by list path and name. Its methods may be called from any thread."""

    page: int = 500
    objects: dict[str, dict[str, Stored]] = field(default_factory=lambda: {path: {} for path in LISTS})
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    written: deque[Request] = field(default_factory=deque)
    bookmark_every: float = 0.05
    oldest: int = 0
    """Watches from an older version get 410."""

    def __post_init__(self) -> None:
        self.news = threading.Condition(threading.RLock())
        self.version = 100
        self.happenings: list[Happening] = []
        self.connections: set[socket.socket] = set()
        self._uid = 0
        self.port = 0
        self.start()

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Again on the same port, should it have been stopped."""
        handler = type("BoundHandler", (Handler,), {"api": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As a process that dies: nobody listens, connections end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.drop_connections()

    def drop_connections(self) -> None:
        with self.news:
            for connection in self.connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.news.notify_all()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- objects --------------------------------------------------------------------------------------------------

    def put(self, path: str, value: Body) -> Body:
        """Create or replace; uid and resourceVersion are the server's."""
        with self.news:
            name = value["metadata"]["name"]
            before = self.objects[path].get(name)
            self.version += 1
            uid = before.value["metadata"]["uid"] if before else self._new_uid()
            metadata = {**value["metadata"], "uid": uid, "resourceVersion": str(self.version)}
            stored = {**value, "metadata": metadata}
            self.objects[path][name] = Stored(stored, self.version)
            self._happen(path, "MODIFIED" if before else "ADDED", stored)
            return stored

    def delete(self, path: str, name: str) -> None:
        with self.news:
            stored = self.objects[path].pop(name)
            self.version += 1
            metadata = {**stored.value["metadata"], "resourceVersion": str(self.version)}
            self._happen(path, "DELETED", {**stored.value, "metadata": metadata})

    def expire(self) -> None:
        """What watches go on from is forgotten: 410."""
        with self.news:
            self.oldest = self.version + 1
            self.version += 1

    def _new_uid(self) -> str:
        self._uid += 1
        return f"00000000-0000-4000-8000-{self._uid:012x}"

    def _happen(self, path: str, what: str, value: Body) -> None:
        self.happenings.append(Happening(self.version, path, what, value))
        self.news.notify_all()

    # --- faults and what was asked --------------------------------------------------------------------------------

    def fail(self, matches: Callable[[Request], bool], act: Callable[[Handler], None], times: int = 1) -> Fault:
        with self.news:
            self.faults.append(fault := Fault(matches, act, times))
        return fault

    def take_fault(self, request: Request) -> Fault | None:
        with self.news:
            self.requests.append(request)
            if request.method != "GET":
                self.written.append(request)
            self.news.notify_all()
            for fault in self.faults:
                if fault.times > 0 and fault.matches(request):
                    fault.times -= 1
                    return fault
        return None

    def count(self, matches: Callable[[Request], bool]) -> int:
        with self.news:
            return sum(map(matches, self.requests))

    def wait_for(self, condition: Callable[[], object], what: str = "") -> None:
        """Until something about requests or objects is true."""
        with self.news:
            if not self.news.wait_for(condition, DEADLINE):
                asked = [(r.method, r.path, r.query) for r in self.requests[-8:]]
                raise AssertionError(f"not seen within {DEADLINE} s: {what or condition}; last requests {asked}")

    def wait_for_requests(self, number: int, matches: Callable[[Request], bool], what: str = "") -> list[Request]:
        self.wait_for(lambda: self.count(matches) >= number, what)
        with self.news:
            return [request for request in self.requests if matches(request)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # connections end in the middle, that is what this server is for


class Handler(BaseHTTPRequestHandler):
    api: ScriptedApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    request_: Request

    def setup(self) -> None:
        super().setup()
        with self.api.news:
            self.api.connections.add(self.connection)

    def finish(self) -> None:
        with self.api.news:
            self.api.connections.discard(self.connection)
        super().finish()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = self.request_ = Request(
            self.command, unquote(parts.path), query, dict(self.headers), body, time.monotonic()
        )
        if fault := self.api.take_fault(request):
            fault.act(self)
        elif request.method != "GET":
            self.answer(201 if request.method == "POST" else 200, request.body or {})
        elif request.is_watch:
            self.watch()
        elif request.path in LISTS:
            self.list()
        else:
            self.one()

    do_GET = do_POST = do_PATCH = _serve

    # --- answers --------------------------------------------------------------------------------------------------

    def answer(self, status: int, body: Body, **headers: str) -> None:
        data = json.dumps(body, separators=(",", ":")).encode()
        self.raw(status, data, **headers)

    def raw(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def list(self) -> None:
        with self.api.news:
            items = [stored.value for _, stored in sorted(self.api.objects[self.request_.path].items())]
            version = str(self.api.version)
        items = [item for item in items if self._is_selected(item)]
        limit = min(int(self.request_.query.get("limit", self.api.page)), self.api.page)
        start = int(self.request_.query.get("continue", 0))
        metadata = {"resourceVersion": version}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        self.answer(200, {"kind": "List", "metadata": metadata, "items": items[start : start + limit]})

    def one(self) -> None:
        path, _, name = self.request_.path.rpartition("/")
        with self.api.news:
            stored = self.api.objects.get(path, {}).get(name)
        if stored is None:
            self.error(404, "NotFound", f"{name!r} not found")
        else:
            self.answer(200, stored.value)

    def error(self, code: int, reason: str, message: str, **headers: str) -> None:
        self.answer(code, status(code, reason, message), **headers)

    def watch(self) -> None:
        since = int(self.request_.query["resourceVersion"])
        if since < self.api.oldest:
            self.stream([{"type": "ERROR", "object": status(410, "Expired", "too old resource version")}])
            return
        self.begin_stream()
        self.watch_on(since)

    def watch_on(self, since: int) -> None:
        """The stream has begun."""
        ends_at = time.monotonic() + float(self.request_.query["timeoutSeconds"])
        bookmark_at = time.monotonic() + self.api.bookmark_every
        sent = since
        while time.monotonic() < ends_at:
            with self.api.news:
                found = [
                    each for each in self.api.happenings if each.version > sent and each.path == self.request_.path
                ]
                version = self.api.version  # of all that was found, not of what happens during the wait
                if not found:
                    self.api.news.wait(max(bookmark_at - time.monotonic(), 0))
                if self.connection.fileno() < 0:
                    return
            for each in found:
                if self._is_selected(each.value):
                    self.line({"type": each.what, "object": each.value})
                sent = each.version
            if not found and time.monotonic() >= bookmark_at:
                bookmark_at = time.monotonic() + self.api.bookmark_every
                self.line(bookmark(version))
                sent = max(sent, version)
        self.end_stream()

    def stream(self, events: list[Body]) -> None:
        self.begin_stream()
        for event in events:
            self.line(event)
        self.end_stream()

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()

    def line(self, event: Body) -> None:
        self.chunk(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _is_selected(self, item: Body) -> bool:
        selector = self.request_.query.get("fieldSelector")
        return selector is None or selector == f"metadata.name={item['metadata']['name']}"

    def log_message(self, format: str, *args: object) -> None:
        pass


def status(code: int, reason: str, message: str) -> Body:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def bookmark(version: int) -> Body:
    return {"type": "BOOKMARK", "object": {"kind": "Node", "metadata": {"resourceVersion": str(version)}}}


def node(name: str, number: int = 1, **labels: str) -> Body:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": f"10.64.{number}.0/24", "podCIDRs": [f"10.64.{number}.0/24"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": f"192.0.2.{number}"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def peer(name: str, *speakers: str, secret: str = "", **spec: Any) -> Body:
    wanted = {
        "localSpeakers": list(speakers) or ["n1"],
        "localAsNumber": 65010,
        "peerIP": "192.0.2.254",
        "peerAsNumber": 65020,
        "nodeSelector": "all()",
        **spec,
    }
    if secret:
        wanted["authPassword"] = {"secretKeyRef": {"name": secret, "key": "password"}}
    metadata = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"apiVersion": "network.openyurt.io/v1alpha1", "kind": "BGPPeer", "metadata": metadata, "spec": wanted}


def names(values: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(value.name for value in values)
