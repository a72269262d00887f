"""List, then watch, for ever: one resource of the API into a mirror.

A listing comes in pages; a watch goes on where it ended, whoever ended it. What cannot be gone on with (410, as an
answer or as an event) is listed again. Bookmarks keep a quiet watch alive: one that is silent for longer is dead.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from msgspec import MsgspecError

from terway_edge.cluster.api.failures import (
    GONE,
    NOT_FOUND,
    ApiError,
    GoneError,
    MalformedError,
    Trouble,
    UnreachableError,
    missing_crd,
    trouble,
)
from terway_edge.cluster.api.projection import Change, Item, Projector
from terway_edge.cluster.api.resources import Resource
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport

PAGE = 500  # objects; decoding more at a time would hold up the loop

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where a reflector puts what it reads."""

    @property
    def is_empty(self) -> bool: ...

    def listed(self, items: list[Item]) -> None: ...

    def put(self, item: Item) -> None: ...

    def drop(self, name: str) -> None: ...


class Reflector:
    """`run` never returns; `trouble` says why there is nothing new, None while all is well."""

    def __init__(
        self,
        transport: Transport,
        resource: Resource,
        sink: Sink,
        stands: Callable[[], None],
        timing: Timing,
        projector: Projector | None = None,
    ) -> None:
        """:param stands: called when `trouble` or `was_tried` changed.
        :param projector: None: what agents use of the resource."""
        self._transport, self._resource, self._sink, self._stands, self._timing = (
            transport,
            resource,
            sink,
            stands,
            timing,
        )
        self._projector = projector or Projector(resource.kind)
        selectors = {"fieldSelector": resource.field_selector, "labelSelector": resource.label_selector}
        self._query = [(key, text) for key, text in selectors.items() if text]
        self._version = ""
        self._list_again_at = self._listed_at = float("-inf")
        self._pause = timing.first_pause
        self._spread = timing.spread
        self._missing_since: float | None = None
        self.trouble: Trouble | None = None
        self.was_tried = False
        """Whether the first attempt is over, with whatever result."""

    async def run(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            try:
                if not self._version or now() >= self._list_again_at:
                    await self._list()
                await self._watch()
                continue
            except GoneError as error:
                log.info("%s: list again: %s", self._resource.right, error)
                self._version = ""
                pause = self._scatter()
            except (ApiError, UnreachableError, MalformedError) as error:
                pause = self._fail(error)
            except MsgspecError as error:
                pause = self._fail(MalformedError(str(error)))
            await asyncio.sleep(pause)

    # --- list -----------------------------------------------------------------------------------------------------

    async def _list(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._listed_at + self._timing.list_gap - loop.time())
        self._listed_at = loop.time()
        items: list[Item] = []
        query = [*self._query, ("limit", str(PAGE))]
        rest = ""
        while True:
            page = self._projector.page(
                await self._transport.get(self._resource.path, [*query, ("continue", rest)] if rest else query)
            )
            items += page.items
            rest = page.rest
            if not rest:
                break
        self._sink.listed(items)
        self._version = page.version
        self._missing_since = None
        self._list_again_at = loop.time() + self._timing.jitter(self._timing.relist)
        self._is_well()

    # --- watch ----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        timing, now = self._timing, asyncio.get_running_loop().time
        query = [
            *self._query,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(random.randint(timing.watch_least, timing.watch_most))),
        ]
        told = False
        async with self._transport.lines(self._resource.path, query) as lines:
            began = now()
            self._is_well()
            try:
                async for line in lines:
                    self._take(self._projector.change(line))
                    self._pause = timing.first_pause
                    told = True
            finally:
                if now() - began >= timing.short_lived:
                    self._spread = timing.spread
        if not told and now() - began < timing.short_lived:
            raise UnreachableError("it ends every watch at once")

    def _take(self, change: Change) -> None:
        if change.error is not None:
            if change.error.code == GONE:
                raise GoneError(change.error.message)
            raise ApiError(change.error.code, change.error.reason, change.error.message)
        if not change.version:
            raise MalformedError(f"an event {change.what!r} without resourceVersion")
        if change.what == "DELETED":
            self._sink.drop(change.item.name)
        elif change.what in ("ADDED", "MODIFIED"):
            self._sink.put(change.item)
        self._version = change.version  # a BOOKMARK has nothing else

    # --- what stands in the way -----------------------------------------------------------------------------------

    def _is_well(self) -> None:
        if self.trouble is not None:
            log.info("%s: followed again", self._resource.right)
        self._set_trouble(None)

    def _scatter(self) -> float:
        """Seconds until the listing that a 410 makes necessary."""
        spread, self._spread = self._spread, min(self._spread * 2, self._timing.longest_spread)
        return random.uniform(0.0, spread)

    def _fail(self, error: Exception) -> float:
        """Seconds until the next attempt."""
        timing = self._timing
        if isinstance(error, ApiError) and error.status == NOT_FOUND:
            self._version = ""
            if self._resource.is_optional and self._is_missing():
                self._sink.listed([])
                self._set_trouble(missing_crd(self._resource.right))
                return timing.jitter(timing.absent)
        else:
            self._missing_since = None
        if isinstance(error, MalformedError):
            self._version = ""
        log.log(logging.WARNING if self.trouble is None else logging.DEBUG, "%s: %s", self._resource.right, error)
        self._set_trouble(trouble(error, self._resource.right, "list and watch"))
        pause, self._pause = self._pause, min(self._pause * 2, timing.longest_pause)
        asked = error.retry_after if isinstance(error, ApiError) else 0.0
        return timing.wait(pause, asked)

    def _is_missing(self) -> bool:
        """Whether the cluster really does not have it. An API server that has just begun, and a proxy that lost the
        cluster, say so of what they do not know yet: what is known goes only if they keep to it."""
        now = asyncio.get_running_loop().time()
        if self._missing_since is None:
            self._missing_since = now
        return self._sink.is_empty or now >= self._missing_since + self._timing.absent

    def _set_trouble(self, found: Trouble | None) -> None:
        if found != self.trouble or not self.was_tried:
            self.trouble, self.was_tried = found, True
            self._stands()
