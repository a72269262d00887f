"""How often each action may be called: a token bucket per action, so that one node leaves the account's quota to the
others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from terway_edge.cloud.requests import Action
from terway_edge.core.cloud import Cause, CloudError
from terway_edge.core.ports import Clock

_LOG = logging.getLogger(__name__)

DEFAULT_RATE = 500
RATES = {
    "DetachNetworkInterface": 400,
    "AssignPrivateIpAddresses": 400,
    "UnassignPrivateIpAddresses": 400,
    "AssignIpv6Addresses": 400,
    "UnassignIpv6Addresses": 400,
    "DescribeInstanceTypes": 400,
    "DescribeNetworkInterfaces": 800,
    "DescribeVSwitches": 300,
}
"""Calls per minute; an action that is not listed has DEFAULT_RATE."""
LONG_WAIT = 5.0  # seconds; longer ones are logged


class Budget:
    """As many calls at once as are allowed in a minute, then evenly. Any thread may take; first come, first served."""

    def __init__(
        self, clock: Clock, sleep: Callable[[float], None], rates: Mapping[str, int], default: int = DEFAULT_RATE
    ) -> None:
        """:param rates: calls per minute by action"""
        self._clock, self._sleep = clock, sleep
        self._rates, self._default = rates, default
        self._lock = threading.Lock()
        self._used: dict[str, tuple[float, float]] = {}  # calls that count against the minute, and when that was so

    def take(self, action: Action, deadline: float) -> None:
        """Wait for the turn of one call. Raises CloudError at once if it would come after the deadline."""
        wait = self._reserve(action, deadline)
        if wait > LONG_WAIT:
            _LOG.info("%s waits %.1f s for its turn; rate_limit allows no more", action, wait)
        if wait > 0:
            self._sleep(wait)

    def _reserve(self, action: Action, deadline: float) -> float:
        """Seconds until the turn that is taken with this."""
        rate = self._rates.get(action.name, self._default)
        with self._lock:
            now = self._clock.now()
            used, since = self._used.get(action.name, (0.0, now))
            used = max(0.0, used - (now - since) * rate / 60) + 1
            wait = max(0.0, (used - rate) * 60 / rate)
            if now + wait > deadline:
                raise _used_up(action, rate, wait)
            self._used[action.name] = (used, now)
        return wait


def _used_up(action: Action, rate: int, wait: float) -> CloudError:
    return CloudError(
        f"{action} was not called: its turn comes in {wait:.1f} s, too late; rate_limit allows {rate} calls a minute",
        action=action.name,
        cause=Cause.THROTTLED,
    )
