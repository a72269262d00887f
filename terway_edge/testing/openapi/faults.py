"""What goes wrong and when, as people write it.

A fault fires at calls that match all of its conditions. Those that prevent the call (throttle, error, ...) come before
its effect, the first of them wins; all others that fire add up.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from terway_edge.core.config import Section
from terway_edge.testing.fault_schedule import Scheduled


class _Fault(Scheduled):
    action: str = Field(
        "*", description="Action, product:Action or metadata:GET; * and ? match any text. Without a product: all APIs"
    )


class Throttle(_Fault):
    """Too many calls; the service's status is 400 for most actions."""

    kind: Literal["throttle"]
    code: Literal["Throttling", "Throttling.User", "Throttling.Api", "Rejected.Throttling"] = "Throttling.User"
    status: int = Field(400, ge=400, le=599)


class Error(_Fault):
    """Any error body, for example a code nobody knows, or InvalidTimeStamp.Expired."""

    kind: Literal["error"]
    code: str = Field(min_length=1)
    message: str = "this error was asked for"
    status: int = Field(400, ge=400, le=599)


class ServerError(_Fault):
    kind: Literal["server_error"]
    code: str = "ServiceUnavailable"
    status: int = Field(503, ge=500, le=599)


class NotJson(_Fault):
    """An HTML page of a proxy in between."""

    kind: Literal["not_json"]
    status: int = Field(502, ge=200, le=599)


class Empty(_Fault):
    """Status 200 and no body."""

    kind: Literal["empty"]


class ErrorInOk(_Fault):
    """Status 200 and an error body."""

    kind: Literal["error_in_ok"]
    code: str = "InternalError"


class Drop(_Fault):
    """The connection is cut: before the call has its effect, or after it and before the answer."""

    kind: Literal["drop"]
    when: Literal["before", "after"]


class Slow(_Fault):
    """The answer comes late; the effect does not."""

    kind: Literal["slow"]
    seconds: float = Field(gt=0)


class Stale(_Fault):
    """Listings and metadata show what was so many seconds ago."""

    kind: Literal["stale"]
    seconds: float = Field(gt=0)


class Partial(_Fault):
    """Only so many of the addresses or ENIs that the call is about."""

    kind: Literal["partial"]
    portion: int = Field(ge=0)


class Stuck(_Fault):
    """A change takes longer: Attaching, Detaching and Deleting do not end, or only after so many seconds more."""

    kind: Literal["stuck"]
    seconds: float = Field(math.inf, gt=0)


class Fails(_Fault):
    """A change ends where it began, as when an ENI falls back from Attaching to Available."""

    kind: Literal["fails"]


class Reversed(_Fault):
    """ENIs are listed in the other order."""

    kind: Literal["reversed"]


class Outside(_Fault):
    """Somebody else changes something, before or after the call's effect.

    Without `eni` it is the instance's newest secondary ENI, without `address` that ENI's newest secondary address.
    """

    kind: Literal["outside"]
    change: Literal["detach_eni", "delete_eni", "unassign_address", "release_instance", "stop_instance", "set_groups"]
    when: Literal["before", "after"] = "before"
    instance: str = ""
    eni: str = ""
    address: str = ""
    groups: tuple[str, ...] = ()


Preventing = Throttle | Error | ServerError | NotJson | Empty | ErrorInOk
Fault = Preventing | Drop | Slow | Stale | Partial | Stuck | Fails | Reversed | Outside


class Script(Section):
    faults: tuple[Annotated[Fault, Field(discriminator="kind")], ...] = ()

    @property
    def reach(self) -> float:
        """Seconds of the past that its stale listings show."""
        return max((each.seconds for each in self.faults if isinstance(each, Stale)), default=0.0)
