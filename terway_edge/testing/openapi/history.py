"""What the cloud was like some seconds ago."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from terway_edge.testing.openapi.records import Eni, Instance


class Moment(NamedTuple):
    at: float
    enis: Mapping[str, Eni]
    instances: Mapping[str, Instance]


class History:
    """Moments of the last `horizon` seconds and the one before them; with a horizon of 0 none is kept."""

    def __init__(self) -> None:
        self._horizon = 0.0
        self._moments: deque[Moment] = deque()

    @property
    def is_kept(self) -> bool:
        return self._horizon > 0

    def reach_back(self, horizon: float) -> None:
        """Keep at least so many seconds from now on."""
        self._horizon = max(self._horizon, horizon)

    def note(self, moment: Moment) -> None:
        """The first one stands for all time before it too, even if more happens at the same time."""
        if not self._moments:
            moment = moment._replace(at=-math.inf)
        elif self._moments[-1].at == moment.at:
            self._moments.pop()
        self._moments.append(moment)
        while len(self._moments) > 1 and self._moments[1].at <= moment.at - self._horizon:
            self._moments.popleft()

    def at(self, time: float) -> Moment:
        """As it was then; the oldest kept if that is before. Raises IndexError if nothing is kept."""
        return next((each for each in reversed(self._moments) if each.at <= time), self._moments[0])
