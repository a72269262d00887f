"""Events about what lasts: told when it begins, when it changes, and now and then while it is so."""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.core.ports import Event, Events

AGAIN = 600.0  # seconds


class Telling:
    def __init__(self, events: Events) -> None:
        self._events = events
        self._told: dict[Event, float] = {}

    def say(self, standing: Iterable[Event], now: float) -> None:
        """All that is so now."""
        told = {event: self._told.get(event, float("-inf")) for event in standing}
        for event, at in told.items():
            if now >= at + AGAIN:
                self._events.emit(event)
                told[event] = now
        self._told = told
