"""Events kept in a list instead of being written where people look."""

from __future__ import annotations

from terway_edge.core.ports import Event


class RecordedEvents:
    """`ports.Events` that remembers; `seen` is oldest first."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    def emit(self, event: Event) -> None:
        self.seen.append(event)

    def reasons(self, subject: str | None = None) -> list[str]:
        """The reasons of all events, or of those about one subject."""
        return [event.reason for event in self.seen if subject in (None, event.subject)]
