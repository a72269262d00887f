"""The timers of a session: which ones run, until when, and for how long each is started."""

from __future__ import annotations

from collections.abc import Callable, Container

from terway_edge.backends.bgp.fsm import State, Timer
from terway_edge.backends.bgp.negotiation import Negotiated
from terway_edge.backends.bgp.peer_spec import PeerSpec

CONNECT_TIMEOUT = 5.0
"""Seconds a connection may take to be made."""
OPEN_HOLD = 60.0
"""Seconds to wait for the peer's first messages. RFC 4271 (section 8.2.2) suggests four minutes; a switch that took the
connection answers in a second, or its answers are dropped on the way and the operator should hear of it."""
SEND_HOLD = 480.0
"""Least seconds in which a peer may read nothing of what we send (RFC 9687, section 4.3)."""
FIRST_PAUSE = 1.0
LONGEST_RETRY = 5.0
"""Seconds between attempts to connect at most: nothing but a SYN is at stake."""


def hold_time(state: State, negotiated: Negotiated | None) -> float:
    """The agreed one; but a peer that agrees on none may not leave us without its KEEPALIVE for ever."""
    agreed = negotiated.hold_time if negotiated else 0
    return agreed if agreed or state is State.ESTABLISHED else OPEN_HOLD


def send_hold_time(negotiated: Negotiated | None) -> float:
    return max(SEND_HOLD, 2 * negotiated.hold_time if negotiated else 0)


class Timers:
    """`jitter` maps a pause to a shorter one."""

    def __init__(self, jitter: Callable[[float], float]) -> None:
        self._jitter = jitter
        self._running: dict[Timer, float] = {}
        self.forget_failures()

    @property
    def deadline(self) -> float | None:
        return min(self._running.values(), default=None)

    def forget_failures(self) -> None:
        """Pauses begin with the shortest again."""
        self._retry, self._idle_hold = _Pauses(), _Pauses()

    def take_due(self, now: float) -> Timer | None:
        """The one that has been due longest, which then runs no more."""
        timer = min(self._running, key=self._running.__getitem__, default=None)
        if timer is None or self._running[timer] > now:
            return None
        self.stop(timer)
        return timer

    def start(self, timer: Timer, now: float, spec: PeerSpec, state: State, negotiated: Negotiated | None) -> None:
        """Anew if it runs; not at all if what was agreed has no use for it."""
        pause = self._pause(timer, spec, state, negotiated)
        if pause:
            self._running[timer] = now + pause
        else:
            self.stop(timer)

    def stop(self, timer: Timer) -> None:
        self._running.pop(timer, None)

    def stop_all_but(self, kept: Container[Timer]) -> None:
        self._running = {timer: at for timer, at in self._running.items() if timer in kept}

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._running

    def _pause(self, timer: Timer, spec: PeerSpec, state: State, negotiated: Negotiated | None) -> float:
        match timer:
            case Timer.CONNECT:
                return CONNECT_TIMEOUT
            case Timer.RETRY:
                return self._jitter(self._retry.take(min(LONGEST_RETRY, spec.connect_retry)))
            case Timer.IDLE_HOLD:
                return self._jitter(self._idle_hold.take(spec.connect_retry))
            case Timer.HOLD:
                return hold_time(state, negotiated)
            case Timer.KEEPALIVE:
                keepalive = negotiated.keepalive if negotiated else 0.0
                return keepalive and max(1.0, self._jitter(keepalive))  # RFC 4271, section 4.4: at most one a second
            case Timer.SEND_HOLD:
                return send_hold_time(negotiated)


class _Pauses:
    """1, 2, 4 .. seconds, up to what is the longest at the time."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def take(self, longest: float) -> float:
        pause = min(self._next, longest)
        self._next = 2 * pause
        return pause
