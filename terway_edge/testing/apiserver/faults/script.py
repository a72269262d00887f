"""What goes wrong and when, as people write it.

A fault fires at requests that match all of its conditions. The first that prevents the request wins; all others that
fire add up. Faults of watches happen once so many events are sent and so many seconds have passed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from terway_edge.core.config import Section
from terway_edge.testing.fault_schedule import Scheduled


class _Fault(Scheduled):
    verb: str = Field("*", description="get, list, watch, create, ... or a method in lower case for other paths")
    resource: str = Field("*", description="nodes, bgppeers/status, ...; * and ? match any text")
    namespace: str = "*"
    name: str = "*"
    user_agent: str = "*"


class Throttle(_Fault):
    """429, as for a client that asks too often."""

    kind: Literal["throttle"]
    retry_after: int = Field(1, ge=0, description="seconds")


class Overload(_Fault):
    """429 of API Priority and Fairness: plain text, with the headers that name the flow."""

    kind: Literal["overload"]
    retry_after: int = Field(1, ge=0, description="seconds")


class Error(_Fault):
    """Any Status."""

    kind: Literal["error"]
    code: int = Field(500, ge=400, le=599)
    reason: str = "InternalError"
    message: str = "this error was asked for"
    retry_after: int = Field(0, ge=0, description="seconds")


class Gone(_Fault):
    """410 as the HTTP status, as lists with an old continue token get it."""

    kind: Literal["gone"]


class Page(_Fault):
    """An HTML page of a proxy in between."""

    kind: Literal["page"]
    status: int = Field(502, ge=200, le=599)


class Slow(_Fault):
    """The answer comes late; the effect does not."""

    kind: Literal["slow"]
    seconds: float = Field(gt=0)


class Drop(_Fault):
    """The connection is cut: before the request has its effect, or after it and before the answer."""

    kind: Literal["drop"]
    when: Literal["before", "after"]


class Hold(_Fault):
    """No answer, and the connection stays open."""

    kind: Literal["hold"]


class _WatchFault(_Fault):
    events: int = Field(0, ge=0, description="events sent before it happens, bookmarks not counted")
    seconds: float = Field(0.0, ge=0, description="how long the watch runs before it happens")


class EndWatch(_WatchFault):
    """The server ends the stream in good order."""

    kind: Literal["end_watch"]


class CutWatch(_WatchFault):
    """The connection is cut; maybe in the middle of an object."""

    kind: Literal["cut_watch"]
    inside: bool = Field(False, description="half of an event is sent first")


class SilentWatch(_WatchFault):
    """No byte more, and the connection stays open: what a NAT or a dead server leaves."""

    kind: Literal["silent_watch"]


class ErrorEvent(_WatchFault):
    """An ERROR event in the stream, which then ends."""

    kind: Literal["error_event"]
    code: int = Field(410, ge=400, le=599)
    reason: str = "Expired"
    message: str = "too old resource version"


class Malformed(_WatchFault):
    """A line that is no event; the stream goes on."""

    kind: Literal["malformed"]
    line: str = "{not json"


class NoBookmarks(_Fault):
    kind: Literal["no_bookmarks"]


class Repeat(_Fault):
    """Every event is sent twice."""

    kind: Literal["repeat"]


class Stale(_Fault):
    """After every event its object's last event but one is sent again."""

    kind: Literal["stale"]


Preventing = Throttle | Overload | Error | Gone | Page
Happening = EndWatch | CutWatch | SilentWatch | ErrorEvent | Malformed
Fault = Preventing | Happening | Slow | Drop | Hold | NoBookmarks | Repeat | Stale


class Script(Section):
    faults: tuple[Annotated[Fault, Field(discriminator="kind")], ...] = ()
