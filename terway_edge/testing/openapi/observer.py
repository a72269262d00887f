"""Whoever wants to know what becomes of ENIs, such as a lab whose links they are."""

from __future__ import annotations

import logging
import threading
from collections import deque

from terway_edge.testing.openapi.cloud import Event, EventKind
from terway_edge.testing.openapi.records import Eni

LOG = logging.getLogger(__name__)


class Observer:
    """To be derived from; methods are called one at a time, in the order of events, before the call is answered.

    They may take their time: other calls are served meanwhile. The ENI is as the event left it; for `on_detached` as it
    was before.
    """

    def on_attached(self, instance: str, eni: Eni) -> None:
        """The ENI is in use: its link is to appear."""

    def on_detached(self, instance: str, eni: Eni) -> None:
        """Its link is to go; also when the instance is released or somebody takes the ENI away."""

    def on_addresses_changed(self, eni: Eni) -> None:
        """Addresses were assigned or unassigned, whether the ENI is attached or not."""


class Herald:
    """Tells one observer of events; what it raises is logged and kept in `failures`."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._events: deque[Event] = deque()
        self._telling = threading.RLock()
        self.failures: list[Exception] = []

    def take(self, events: deque[Event]) -> None:
        """Under the cloud's lock, so that the order stays."""
        while events:
            self._events.append(events.popleft())

    def tell(self) -> None:
        """Not under the cloud's lock. When it returns, all events taken before have been told."""
        with self._telling:
            while self._events:
                try:
                    self._tell(self._events.popleft())
                except Exception as error:  # it must not look like one of the cloud's
                    LOG.exception("an observer of the OpenAPI emulator failed")
                    self.failures.append(error)

    def _tell(self, event: Event) -> None:
        if event.kind is EventKind.ATTACHED:
            self._observer.on_attached(event.instance, event.eni)
        elif event.kind is EventKind.DETACHED:
            self._observer.on_detached(event.instance, event.eni)
        else:
            self._observer.on_addresses_changed(event.eni)
