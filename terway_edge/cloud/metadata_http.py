"""Reading the metadata service over HTTP, with a session token as its hardened mode wants it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from terway_edge.cloud.retrying import Pauses, Retrying
from terway_edge.cloud.settings import METADATA_URL
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.core.ports import Clock

TOKEN_PATH = "api/token"  # noqa: S105 - a path
TOKEN_HEADER = "X-aliyun-ecs-metadata-token"  # noqa: S105 - a header's name
LIFE_HEADER = "X-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN_SECONDS = 21600  # the longest there is; half of it is used
TIMEOUT = 2.0  # seconds for one answer; the service is on the same host
PAUSES = Pauses(first=0.5, factor=1.2, longest=2.0, attempts=5)
ACTION = "metadata"


class _Reply(NamedTuple):
    status: int
    body: bytes


class MetadataHttp:
    """Any thread may read; no proxy is ever asked."""

    def __init__(
        self, clock: Clock, sleep: Callable[[float], None], random: Callable[[], float], url: str = METADATA_URL
    ) -> None:
        self._clock = clock
        self._retrying = Retrying(clock, sleep, random, PAUSES)
        self._url = urlsplit(url)
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def text(self, path: str, deadline: float) -> str:
        """What is at a path under /latest/. Raises CloudError, cause MISSING for what is not there."""
        attempts = self._retrying.begin(deadline)
        while True:
            try:
                return self._once(path, deadline)
            except CloudError as error:
                attempts.pause_after(error)

    def _once(self, path: str, deadline: float) -> str:
        reply = self._get(path, deadline)
        if reply.status == http.client.UNAUTHORIZED:  # the token is older than we think
            self._until = 0.0
            reply = self._get(path, deadline)
        if reply.status == http.client.OK:
            return reply.body.decode(errors="replace")
        raise _refused(path, reply.status)

    def _get(self, path: str, deadline: float) -> _Reply:
        token = self._fresh_token(deadline)
        return self._send("GET", path, {TOKEN_HEADER: token} if token else {}, deadline)

    def _fresh_token(self, deadline: float) -> str:
        """Empty where the service gives none: then it wants none."""
        with self._lock:
            if self._clock.now() >= self._until:
                reply = self._send("PUT", TOKEN_PATH, {LIFE_HEADER: str(TOKEN_SECONDS)}, deadline)
                if reply.status == http.client.TOO_MANY_REQUESTS or reply.status >= 500:
                    raise _refused(TOKEN_PATH, reply.status)
                self._token = _token(reply.body) if reply.status == http.client.OK else ""
                self._until = self._clock.now() + TOKEN_SECONDS / 2
            return self._token

    def _send(self, method: str, path: str, headers: Mapping[str, str], deadline: float) -> _Reply:
        seconds = min(TIMEOUT, deadline - self._clock.now())
        if seconds <= 0:
            raise _failed(f"{path} was not read: its deadline is over")
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port or 80, timeout=seconds)
        try:
            connection.request(method, f"/latest/{path}", headers=dict(headers))
            response = connection.getresponse()
            return _Reply(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            failure = _failed(f"{self._url.netloc} gave no answer ({type(error).__name__}); only ECS instances have it")
        finally:
            connection.close()
        raise failure


def _token(body: bytes) -> str:
    """Raises CloudError for what cannot be sent as a header."""
    text = body.decode(errors="replace").strip()
    if not text.isascii() or not text.isprintable():
        raise _failed(f"{TOKEN_PATH} gave no token")
    return text


def _refused(path: str, status: int) -> CloudError:
    if status == http.client.NOT_FOUND:
        return _failed(f"{path} is not there", Cause.MISSING, status)
    cause = Cause.THROTTLED if status == http.client.TOO_MANY_REQUESTS else Cause.UNAVAILABLE
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        cause = Cause.DENIED
    return _failed(f"{path} was answered with status {status}", cause, status)


def _failed(what: str, cause: Cause = Cause.UNAVAILABLE, status: int = 0) -> CloudError:
    return CloudError(f"instance metadata: {what}", action=ACTION, cause=cause, http_status=status)
