"""Requests to the API server, below all models: bytes and JSON, timeouts that hold, errors as exceptions of ours."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import MsgspecError

from terway_edge.cluster.api.failures import (
    GONE,
    UNAUTHORIZED,
    ApiError,
    GoneError,
    MalformedError,
    UnansweredError,
    UnreachableError,
)
from terway_edge.cluster.api.pace import Pace
from terway_edge.cluster.api.projection import ErrorStatus, error_status
from terway_edge.cluster.api.timing import Timing
from terway_edge.core.errors import Refused
from terway_edge.core.ports import Json

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket

    from kubernetes.aio.client import ApiClient

Query = Sequence[tuple[str, str]]
T = TypeVar("T")
MAX_MESSAGE = 500  # characters of what a server says
LAST_ANSWERS = 1.0  # seconds, at the end, for what nobody waits for any more


@dataclass(slots=True)
class _Session:
    client: ApiClient
    users: int = 0
    is_retired: bool = False


class Transport:
    """One client for all; a new one is opened after the server refused its credentials or showed another certificate,
    for those may have changed on disk."""

    def __init__(self, open_client: Callable[[], Awaitable[ApiClient]], timing: Timing) -> None:
        self._open_client = open_client
        self._timing = timing
        self._session: _Session | None = None
        self._opening = asyncio.Lock()
        self._running: set[asyncio.Task[Any]] = set()
        self.heard = asyncio.Event()
        """Set whenever the server answers; who waits for it clears it first."""

    async def open(self) -> None:
        """Make sure that there are credentials. Raises Refused."""
        await self._opened()

    async def get(self, path: str, query: Query = (), limit: float | None = None) -> bytes:
        """Raises ApiError, GoneError or UnreachableError; UnansweredError after `limit` seconds, or `request`. Who is
        cancelled waits no more, while the answer is read all the same: a TLS connection that is given up in the middle
        lingers."""
        whole = self._whole("GET", path, query, None, "", limit or self._timing.request)
        return await self._to_the_end(whole, lambda _: None)

    async def send(
        self, method: str, path: str, body: Mapping[str, Json], content_type: str, query: Query = ()
    ) -> bytes:
        """POST or PATCH. Raises as `get`; UnansweredError after `write` seconds."""
        return await self._whole(method, path, query, body, content_type, self._timing.write)

    @asynccontextmanager
    async def lines(self, path: str, query: Query) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of a stream that may be silent for `idle` seconds. Entering it and iterating raise as `get`, and
        MalformedError; a stream that ends is ended."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timing.connect, sock_read=self._timing.idle)
        async with self._in_use() as session:
            request = self._request(session, "GET", path, query, None, "", timeout)
            response = await self._to_the_end(request, _abort)
            try:
                async with aclosing(_lines(response, self._timing.gather)) as found:
                    yield found
            finally:
                _abort(response)

    async def close(self) -> None:
        """Once nobody waits for anything any more."""
        if self._running:
            await asyncio.wait(self._running, timeout=LAST_ANSWERS)
        for late in tuple(self._running):
            late.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session is not None:
            await self._retire(self._session)

    async def _to_the_end(self, request: Coroutine[Any, Any, T], give_up: Callable[[T], None]) -> T:
        """Its result; if nobody waits for that any more, `give_up` gets it."""
        task = asyncio.create_task(request)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(partial(_lost, give_up))
            raise

    async def _whole(
        self, method: str, path: str, query: Query, body: Mapping[str, Json] | None, content_type: str, limit: float
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=limit, sock_connect=self._timing.connect)
        async with self._in_use() as session:
            response = await self._request(session, method, path, query, body, content_type, timeout)
            try:
                return await response.read()
            except _NETWORK as error:
                raise _absent(error) from None
            finally:
                _abort(response)

    async def _request(
        self,
        session: _Session,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Json] | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", **({"Content-Type": content_type} if content_type else {})}
        client = session.client
        try:
            serialized = await client.param_serialize(
                method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            # The library takes a whole ClientTimeout only here; what it calls a timeout is that of a whole request.
            answer = await client.call_api(*serialized, _request_timeout=timeout)
            response: aiohttp.ClientResponse = answer.response
            self.heard.set()
            if response.status < 300:
                return response
            async with asyncio.timeout(self._timing.request):  # a stream has no limit of its own
                failure = await _error(response)
        except aiohttp.ClientSSLError as error:
            await self._retire(session)
            raise UnreachableError(_told(error)) from None
        except _NETWORK as error:
            raise _absent(error) from None
        if failure.status == UNAUTHORIZED:
            await self._retire(session)
        raise GoneError(failure.message) if failure.status == GONE else failure

    # --- sessions -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[_Session]:
        try:
            session = await self._opened()
        except Refused as error:
            raise UnreachableError(str(error)) from None
        session.users += 1
        try:
            yield session
        finally:
            session.users -= 1
            if session.is_retired and not session.users:
                await session.client.close()

    async def _opened(self) -> _Session:
        async with self._opening:
            if self._session is None:
                self._session = _Session(await self._open_client())
            return self._session

    async def _retire(self, session: _Session) -> None:
        """Requests from now on take another one; those under way end before this one is closed."""
        session.is_retired = True
        if self._session is session:
            self._session = None
        if not session.users:
            await session.client.close()


_NETWORK = (aiohttp.ClientError, TimeoutError, asyncio.TimeoutError, OSError, ssl.SSLError)


def _lost(give_up: Callable[[T], None], task: asyncio.Task[T]) -> None:
    if not task.cancelled() and task.exception() is None:
        give_up(task.result())


async def _lines(response: aiohttp.ClientResponse, gather: float) -> AsyncGenerator[bytes, None]:
    pace = Pace(_socket_of(response), gather)
    while True:
        try:
            line = await response.content.readline()
        except _NETWORK as error:
            raise UnreachableError(_told(error)) from None
        except HttpProcessingError:
            raise MalformedError("a line is longer than any object can be") from None
        if not line:
            return
        pace.had_news()
        yield line


def _socket_of(response: aiohttp.ClientResponse) -> TransportSocket | None:
    """None once it was read to its end."""
    transport = response.connection.transport if response.connection else None
    return transport.get_extra_info("socket") if transport else None


def _abort(response: aiohttp.ClientResponse) -> None:
    """Unless it was read to its end, which gave its connection back: wait neither for the rest nor for a good-bye."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


async def _error(response: aiohttp.ClientResponse) -> ApiError:
    """Unlike the library's generated methods, the way below them raises for no status."""
    try:
        body = await response.read()
    finally:
        _abort(response)
    try:
        said = error_status(body)
    except MsgspecError:
        said = ErrorStatus(message=body[:MAX_MESSAGE].decode("utf-8", "replace").strip())
    message = (said.message or response.reason or "")[:MAX_MESSAGE]
    return ApiError(response.status, said.reason, message, _retry_after(response))


def _retry_after(response: aiohttp.ClientResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _absent(error: BaseException) -> UnreachableError:
    """A connection that cannot be made in time is no request that went unanswered."""
    is_connecting = isinstance(error, aiohttp.ConnectionTimeoutError)
    kind = UnansweredError if isinstance(error, TimeoutError) and not is_connecting else UnreachableError
    return kind(_told(error))


def _told(error: BaseException) -> str:
    """One line; timeouts have no text of their own."""
    if isinstance(error, aiohttp.SocketTimeoutError):
        return "it was silent for too long"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        cause = error.os_error
        known = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or str(cause)
        return f"{error.host}:{error.port}: {known}"
    return " ".join(str(error).split()) or type(error).__name__
