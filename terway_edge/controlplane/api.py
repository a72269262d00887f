"""The API as controllers see it, and the same for a leader: what it writes is written while it leads, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from terway_edge.cluster.api.failures import UnreachableError
from terway_edge.cluster.api.transport import Query
from terway_edge.core.ports import Json


class NotLeadingError(Exception):
    """Nothing was written: another one may lead by now."""


class Api(Protocol):
    """As `cluster.api.transport.Transport`; both methods raise ApiError, GoneError or UnreachableError."""

    async def get(self, path: str, query: Query = ()) -> bytes: ...

    async def send(
        self, method: str, path: str, body: Mapping[str, Json], content_type: str, query: Query = ()
    ) -> bytes: ...


class HurriedApi:
    """An `Api` that gives up after some seconds, asked for anew before each request."""

    def __init__(self, api: Api, seconds: Callable[[], float]) -> None:
        self._api, self._seconds = api, seconds

    async def get(self, path: str, query: Query = ()) -> bytes:
        try:
            async with asyncio.timeout(self._seconds()):
                return await self._api.get(path, query)
        except TimeoutError:
            raise UnreachableError("it did not answer in time") from None

    async def send(
        self, method: str, path: str, body: Mapping[str, Json], content_type: str, query: Query = ()
    ) -> bytes:
        try:
            async with asyncio.timeout(self._seconds()):
                return await self._api.send(method, path, body, content_type, query)
        except TimeoutError:
            raise UnreachableError("it did not answer in time") from None


class LeadersApi:
    """An `Api` whose `send` raises NotLeadingError once the time is up in which a write is safe."""

    def __init__(self, api: Api, seconds_left: Callable[[], float]) -> None:
        self._api, self._left = api, seconds_left

    async def get(self, path: str, query: Query = ()) -> bytes:
        return await self._api.get(path, query)

    async def send(
        self, method: str, path: str, body: Mapping[str, Json], content_type: str, query: Query = ()
    ) -> bytes:
        if self._left() <= 0:
            raise NotLeadingError
        return await self._api.send(method, path, body, content_type, query)
