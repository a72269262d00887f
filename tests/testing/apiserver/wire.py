"""Plain HTTP to an API server: nothing but http.client, so that no client library hides what the server says."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import yaml

MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
TIMEOUT = 10.0


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return self.json.get("message", "")

    @property
    def reason(self) -> str:
        return self.json.get("reason", "")

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Reason and field of each."""
        return [(each["reason"], each["field"]) for each in self.json["details"]["causes"]]


class Stream:
    """A watch. Reading blocks until the next line, at most `TIMEOUT`."""

    def __init__(self, response: http.client.HTTPResponse, connection: http.client.HTTPConnection) -> None:
        self.response, self._connection, self.status = response, connection, response.status

    def line(self) -> bytes:
        """Empty at the end of the stream."""
        return self.response.readline()

    def next(self) -> tuple[str, Any]:
        event = json.loads(self.line())
        return event["type"], event["object"]

    def named(self) -> tuple[str, str]:
        """Type and name of the next event."""
        kind, value = self.next()
        return kind, value["metadata"].get("name", "")

    def patience(self, seconds: float) -> None:
        self._connection.sock.settimeout(seconds)


class Wire:
    def __init__(self, url: str, *, token: str = "", context: ssl.SSLContext | None = None) -> None:
        self._url, self._token, self._context = urlsplit(url), token, context

    def ask(self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **query: Any) -> Answer:
        """`headers` among the query are headers."""
        headers = self._headers(query.pop("headers", {}), body, kind)
        connection = self._connection()
        try:
            connection.request(method, self._path(path, query), _encoded(body), headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Answer:
        return self.ask("GET", path, **query)

    def post(self, path: str, body: Any, **query: Any) -> Answer:
        return self.ask("POST", path, body, **query)

    def put(self, path: str, body: Any, **query: Any) -> Answer:
        return self.ask("PUT", path, body, **query)

    def patch(self, path: str, body: Any, kind: str = MERGE, **query: Any) -> Answer:
        return self.ask("PATCH", path, body, kind=kind, **query)

    def apply(self, path: str, body: Any, manager: str, **query: Any) -> Answer:
        return self.patch(path, yaml.safe_dump(body).encode(), APPLY, fieldManager=manager, **query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return self.ask("DELETE", path, body, **query)

    @contextmanager
    def watch(self, path: str, **query: Any):
        headers = self._headers(query.pop("headers", {}), None, "")
        connection = self._connection()
        response = None
        try:
            connection.request("GET", self._path(path, {"watch": "true", **query}), None, headers)
            response = connection.getresponse()
            yield Stream(response, connection)
        finally:
            if response:
                response.close()
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(self._url.netloc, timeout=TIMEOUT, context=self._context)
        return http.client.HTTPConnection(self._url.netloc, timeout=TIMEOUT)

    def _headers(self, more: dict[str, str], body: Any, kind: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "wire/1"}
        if body is not None:
            headers["Content-Type"] = kind
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers | more

    def _path(self, path: str, query: dict[str, Any]) -> str:
        return f"{path}?{urlencode(query)}" if query else path


def _encoded(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
