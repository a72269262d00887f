"""What an operator should look at now, from whatever part of the agent says so; changes become events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from terway_edge.core.edges import Edges
from terway_edge.core.models import Condition
from terway_edge.core.ports import Events


class Conditions:
    """Thread-safe. Each source says all it has to say, every time; what two sources say alike counts once."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._guard = threading.Lock()
        self._by_source: dict[str, tuple[Condition, ...]] = {}
        self._edges = Edges()
        self._tells: Callable[[Condition], bool] = lambda condition: True

    def say(self, source: str, *conditions: Condition) -> None:
        """Replace what `source` said, and emit events for what came and went by that."""
        self._say({source: conditions})

    def say_of_cluster(self, said: Mapping[str, Sequence[Condition]], tells: Callable[[Condition], bool]) -> None:
        """The same for several sources at once, with whom it now is to make events.

        :param tells: whether it is for this agent to do so of a condition, of whatever source, until the next call
        """
        self._say(said, tells)

    def _say(self, said: Mapping[str, Sequence[Condition]], tells: Callable[[Condition], bool] | None = None) -> None:
        with self._guard:
            self._tells = tells or self._tells
            self._by_source.update({source: tuple(conditions) for source, conditions in said.items()})
            events = self._edges.events(self._all(), self._tells)
        for event in events:
            self._events.emit(event)

    def all(self) -> tuple[Condition, ...]:
        with self._guard:
            return self._all()

    def _all(self) -> tuple[Condition, ...]:
        return tuple(dict.fromkeys(condition for said in self._by_source.values() for condition in said))
