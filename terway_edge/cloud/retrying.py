"""Which failures pass by themselves, and how long to wait before the next attempt."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from terway_edge.cloud.failures import BUSY, GENERIC
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.core.ports import Clock

_LOG = logging.getLogger(__name__)

_PATIENCE = {GENERIC: 3}
"""Most attempts by error code: it may be one that never passes."""


class Pauses(NamedTuple):
    """Seconds before the second attempt, the factor from one pause to the next, the longest one; each is varied by
    half of it up and down. `attempts`: the most, 0 for no limit."""

    first: float = 0.5
    factor: float = 2.0
    longest: float = 10.0
    attempts: int = 0


class Retrying:
    """How calls are repeated.

    :param random: 0 to 1, for the jitter
    """

    def __init__(
        self,
        clock: Clock,
        sleep: Callable[[float], None],
        random: Callable[[], float],
        pauses: Pauses = Pauses(),  # noqa: B008 - an immutable tuple
    ) -> None:
        self.clock, self.sleep, self.random, self.pauses = clock, sleep, random, pauses

    def begin(self, deadline: float) -> Attempts:
        return Attempts(self, deadline)


class Attempts:
    """Those of one call."""

    def __init__(self, retrying: Retrying, deadline: float) -> None:
        self._retrying, self._deadline = retrying, deadline
        self._failed = 0

    def pause_after(self, error: CloudError, least: float = 0.0) -> None:
        """Wait as long as the next attempt should. Raises `error` if no attempt would help or come in time.

        :param least: seconds of the shortest pause
        """
        pauses, retrying = self._retrying.pauses, self._retrying
        self._failed += 1
        most = _PATIENCE.get(error.error_code, pauses.attempts)
        if not passes(error) or (most and self._failed >= most):
            raise error
        pause = min(pauses.first * pauses.factor ** (self._failed - 1), pauses.longest) * (0.5 + retrying.random())
        pause = max(pause, least)
        if retrying.clock.now() + pause >= self._deadline:
            raise error
        _LOG.debug("attempt %d: %s; next in %.1f s", self._failed, error, pause)
        retrying.sleep(pause)


def passes(error: CloudError) -> bool:
    return error.cause in (Cause.THROTTLED, Cause.UNAVAILABLE) or error.error_code in BUSY
