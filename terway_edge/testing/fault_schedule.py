"""When a fault of a script fires."""

from __future__ import annotations

import math
import random
from typing import Annotated

from pydantic import Field

from terway_edge.core.config import Section


class Scheduled(Section):
    """What all faults have in common, as people write it."""

    calls: tuple[Annotated[int, Field(ge=1)], ...] = Field((), description="fires at the Nth matching calls only")
    count: int | None = Field(None, ge=1, description="fires at most so many times")
    probability: float = Field(1.0, gt=0, le=1)
    seed: int = 0
    since: float = Field(0.0, ge=0, description="seconds after the script was loaded")
    until: float = Field(math.inf, gt=0, description="seconds after the script was loaded")


class Schedule:
    """How often one fault was asked and fired."""

    def __init__(self, fault: Scheduled) -> None:
        self._fault = fault
        self._seen = self._fired = 0
        self._random = random.Random(fault.seed)

    def fires(self, age: float) -> bool:
        """Whether it fires at this call, which matches, `age` seconds after the script was loaded."""
        fault = self._fault
        if not fault.since <= age < fault.until:
            return False
        self._seen += 1
        if fault.calls and self._seen not in fault.calls:
            return False
        if fault.count is not None and self._fired >= fault.count:
            return False
        fires = self._random.random() < fault.probability
        self._fired += fires
        return fires
