"""How long the cloud takes for what it does after its answer."""

from __future__ import annotations

from pydantic import Field

from terway_edge.core.config import Section


class Delay(Section):
    """A change is done when so many seconds have passed and so many listings have shown it under way."""

    seconds: float = Field(0.0, ge=0)
    describes: int = Field(0, ge=0)


class Pace(Section):
    attach: Delay = Delay()
    detach: Delay = Delay()
    delete: Delay = Delay()
    start: Delay = Delay()
    stop: Delay = Delay()
    metadata_lag: float = Field(0.0, ge=0, description="seconds until metadata shows a change")
    role_credentials: float = Field(21600.0, ge=1800, description="seconds that credentials of a role last")
