"""From conditions that stand to events: one when it comes, one when it goes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection

from terway_edge.core.models import Condition
from terway_edge.core.ports import Event, Severity


class Edges:
    """Remembers what it told; what it did not tell goes without a word."""

    def __init__(self) -> None:
        self._told: list[Condition] = []

    def events(self, standing: Collection[Condition], tells: Callable[[Condition], bool]) -> list[Event]:
        """A condition that comes is a warning, one that goes a note; staying is silent.

        :param tells: whether it is for us to tell of it, now
        """
        known = set(standing)
        before, come = self._told, [each for each in standing if each not in self._told and tells(each)]
        self._told = [*(each for each in before if each in known), *come]
        remaining = {(each.reason, each.subject) for each in standing}
        gone = (each for each in before if each not in known and (each.reason, each.subject) not in remaining)
        return [
            *(Event(each.reason, each.subject, each.message, Severity.WARNING) for each in come),
            *(Event(f"{each.reason}Resolved", each.subject, "this is over") for each in gone),
        ]
