"""Carries out what the outbox and the event queue want, one request at a time, and waits while the API is away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from terway_edge.cluster.api import bodies
from terway_edge.cluster.api.event_queue import EventQueue, Telling
from terway_edge.cluster.api.failures import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    TOO_MANY,
    UNAUTHORIZED,
    ApiError,
    GoneError,
    Trouble,
    UnansweredError,
    UnreachableError,
    trouble,
)
from terway_edge.cluster.api.outbox import Outbox, Write
from terway_edge.cluster.api.resources import EVENTS_PATH, object_path
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.core.ports import Annotation, Json, StatusEntry

log = logging.getLogger(__name__)


class _Conditions(Struct):
    """Of whomever: a time that nobody set is null (meta/v1 Time)."""

    conditions: list[dict[str, str | int | None]] = []


class _NodeStatus(Struct):
    status: _Conditions


_node_status = Decoder(_NodeStatus)
TOO_LATE = 504
TRIES = 4
"""Of what the API server refuses for a reason that may pass, though it rarely does: an object that is not there, or
one that others change all the time."""
_RIGHTS: Mapping[str, str] = {"Node": "nodes", "BGPPeer": "bgppeers.network.openyurt.io", "Pod": "pods"}


class Surroundings(NamedTuple):
    """What the writer works with. `denied`: what it may not write, by right; `stands` is called when that changed.
    `uid` is that of an object that an event is about."""

    outbox: Outbox
    events: EventQueue
    denied: dict[str, Trouble]
    stands: Callable[[], None]
    uid: bodies.Uid


class Writer:
    """`run` never returns."""

    def __init__(self, transport: Transport, node: str, around: Surroundings, timing: Timing) -> None:
        self._transport, self._node, self._timing = transport, node, timing
        self._outbox, self._events, self._denied, self._stands, self._uid = around
        self._pause = timing.first_pause

    async def run(self, begin: asyncio.Event, to_write: asyncio.Event) -> None:
        """:param begin: set once the uids of objects are known as far as they can be.
        :param to_write: set by others when there may be something to write."""
        await _until(begin, self._timing.without_cache)
        while True:
            to_write.clear()
            heard, pause = await self.drain()
            waits = [wait for wait in (self._outbox.wait(), self._events.wait()) if wait is not None]
            if not pause:
                await _until(to_write, min(waits, default=None))
            elif heard is None:
                await asyncio.sleep(pause)
            else:
                await _until(heard, pause)

    async def drain(self) -> tuple[asyncio.Event | None, float]:
        """Write all that is due; seconds to wait if the API is away, else 0, and what tells before that it is back."""
        heard = self._transport.heard
        while True:
            try:
                if write := self._outbox.due():
                    await self._carry_out(write)
                elif telling := self._events.due():
                    await self._tell(telling)
                else:
                    return None, 0.0
                self._pause = self._timing.first_pause
            except UnreachableError as error:
                log.debug("cannot write: %s", error)
                heard.clear()
                return heard, self._wait(0.0)
            except ApiError as error:  # of the server as a whole
                log.debug("cannot write: %s", error)
                return None, self._wait(error.retry_after)

    def _wait(self, asked: float) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, self._timing.longest_pause)
        return self._timing.wait(pause, asked)

    # --- state ----------------------------------------------------------------------------------------------------

    async def _carry_out(self, write: Write) -> None:
        """Raises UnreachableError, and ApiError for what would happen to any other write as well."""
        what = "annotations" if isinstance(write, Annotation) else "status"
        right = _RIGHTS.get(write.kind, write.kind) + ("/status" if what == "status" else "")
        try:
            await self._write(write)
        except LookupError:
            log.error("%s of a %s cannot be written", what, write.kind)
        except (GoneError, MsgspecError) as error:
            log.error("%s of %s %s was not written: %s", what, write.kind, write.name, error)
        except UnansweredError as error:  # others may be answered
            log.debug("%s of %s %s: %s", what, write.kind, write.name, error)
            self._put_off(write, self._timing.longest_pause)
            return
        except ApiError as error:
            if _is_of_server(error):
                raise
            if error.status == FORBIDDEN:
                self._forbidden(right, error)
            if error.status == TOO_LATE:
                self._put_off(write, self._timing.longest_pause)
                return
            if error.status == FORBIDDEN or error.status >= 500:
                self._put_off(write, self._timing.longest_retry_after)
                return
            if _may_pass(error, write) and self._put_off(write, self._timing.longest_pause, TRIES):
                return
            if error.status not in (NOT_FOUND, CONFLICT):
                log.error("%s of %s %s was refused: %s", what, write.kind, write.name, error)
        else:
            self._allowed(right)
        self._outbox.done(write)

    def _put_off(self, write: Write, most: float, tries: int | None = None) -> bool:
        return self._outbox.put_off(write, self._timing.jitter(self._timing.rewrite), most, tries)

    async def _write(self, write: Write) -> None:
        """Raises LookupError for a kind that has no such thing."""
        if isinstance(write, Annotation):
            path = object_path(write.kind, write.name, write.namespace)
            await self._transport.send("PATCH", path, bodies.annotation(write), bodies.MERGE)
        elif write.kind == "Node":
            await self._set_condition(write)
        else:
            query = [("fieldManager", bodies.field_manager(self._node)), ("force", "true")]
            path = f"{object_path(write.kind, write.name)}/status"
            await self._transport.send("PATCH", path, bodies.speaker_status(write), bodies.APPLY, query)

    async def _set_condition(self, write: StatusEntry) -> None:
        path = object_path("Node", write.name)
        current: list[dict[str, str | int | None]] = _node_status.decode(
            await self._transport.get(path, limit=self._timing.write)
        ).status.conditions
        patch = bodies.condition(write, current, time.time())
        if patch is not None:
            await self._transport.send("PATCH", f"{path}/status", patch, bodies.STRATEGIC)

    # --- events ---------------------------------------------------------------------------------------------------

    async def _tell(self, telling: Telling) -> None:
        """Raises as `_carry_out`."""
        name = telling.name or bodies.event_name(telling, self._node)
        try:
            if telling.name:
                await self._transport.send("PATCH", f"{EVENTS_PATH}/{name}", bodies.repeated(telling), bodies.MERGE)
            else:
                body: Mapping[str, Json] = bodies.event(telling, name, self._node, self._uid)
                await self._transport.send("POST", EVENTS_PATH, body, bodies.JSON)
        except GoneError:
            self._events.drop(telling)
        except UnansweredError as error:
            log.debug("event %s about %s: %s", telling.event.reason, telling.event.subject, error)
            self._events.put_off(telling, self._timing.longest_pause)
        except ApiError as error:
            if _is_of_server(error):
                raise
            if error.status == CONFLICT and not telling.name:
                self._events.done(telling, name)  # an earlier attempt of which no answer came
                return
            if telling.name and error.status == NOT_FOUND:
                self._events.lost(telling)  # it was older than the API server keeps them
                return
            if error.status >= 500:
                self._events.put_off(telling, self._timing.longest_pause)
                return
            if error.status == FORBIDDEN:
                self._forbidden("events", error)
            else:
                log.warning("event %s about %s was refused: %s", telling.event.reason, telling.event.subject, error)
            self._events.drop(telling)
        else:
            self._allowed("events")
            self._events.done(telling, name)

    def _forbidden(self, right: str, error: ApiError) -> None:
        if right not in self._denied:
            log.warning("%s: %s", right, error)
        self._denied[right] = trouble(error, right, "create and patch" if right == "events" else "patch")
        self._stands()

    def _allowed(self, right: str) -> None:
        if self._denied.pop(right, None):
            self._stands()


async def _until(event: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _may_pass(error: ApiError, write: Write) -> bool:
    """A missing Node or BGPPeer is heard of when it is there, and a pod that is gone has nothing that could be taken
    away."""
    return error.status == CONFLICT or (error.status == NOT_FOUND and write.kind == "Pod" and write.value is not None)


def _is_of_server(error: ApiError) -> bool:
    """Whether any other write would fail as well: no credentials, overload, nobody behind the proxy. That it took the
    server too long may be a matter of this write."""
    return error.status in (UNAUTHORIZED, TOO_MANY, 502, 503)
