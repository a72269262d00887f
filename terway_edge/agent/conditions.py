"""What an operator should look at now, from whatever part of the agent says so; changes become events."""

from __future__ import annotations

import threading

from terway_edge.core.models import Condition
from terway_edge.core.ports import Event, Events, Severity


class Conditions:
    """Thread-safe. Each source says all it has to say, every time; what two sources say alike counts once."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._guard = threading.Lock()
        self._by_source: dict[str, tuple[Condition, ...]] = {}

    def say(self, source: str, *conditions: Condition) -> None:
        """Replace what `source` said. A condition that comes is a warning, one that goes a note; staying is silent."""
        with self._guard:
            before = self._all()
            self._by_source[source] = conditions
            now = self._all()
        for condition in now:
            if condition not in before:
                self._events.emit(Event(condition.reason, condition.subject, condition.message, Severity.WARNING))
        remaining = {(condition.reason, condition.subject) for condition in now}
        for condition in before:
            if (condition.reason, condition.subject) not in remaining:
                self._events.emit(Event(f"{condition.reason}Resolved", condition.subject, "this is over"))

    def all(self) -> tuple[Condition, ...]:
        with self._guard:
            return self._all()

    def _all(self) -> tuple[Condition, ...]:
        return tuple(dict.fromkeys(condition for said in self._by_source.values() for condition in said))
