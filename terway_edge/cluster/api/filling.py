"""What fills a mirror from a reflector, and what follows from it for what was written to the objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.outbox import Outbox
from terway_edge.cluster.api.projection import Item


class Filling:
    """A `reflector.Sink`."""

    def __init__(
        self,
        kind: str,
        mirror: Mirror[Any],
        outbox: Outbox,
        changed: Callable[[], None],
        to_write: Callable[[], None],
    ) -> None:
        """:param changed: called when what is used of an object changed.
        :param to_write: called when the outbox has something anew."""
        self._kind, self._mirror, self._outbox = kind, mirror, outbox
        self._changed, self._to_write = changed, to_write

    @property
    def is_empty(self) -> bool:
        return not self._mirror.names()

    def listed(self, items: list[Item]) -> None:
        """A proxy that answers writes while the API is away, and forgets them, is found out here."""
        before = self._mirror.names()
        if self._mirror.replace(items):
            self._changed()
        for name in before - self._mirror.names():
            self._outbox.gone(self._kind, name)
        if self._outbox.say_again(self._kind):
            self._to_write()

    def put(self, item: Item) -> None:
        is_new = self._mirror.uid(item.name) != item.uid
        if self._mirror.put(item):
            self._changed()
        if is_new and self._outbox.say_again(self._kind, item.name):
            self._to_write()

    def drop(self, name: str) -> None:
        self._outbox.gone(self._kind, name)
        if self._mirror.drop(name):
            self._changed()
