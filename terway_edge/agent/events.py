"""Events of the agent: in its log, and where the cluster's users look."""

from __future__ import annotations

import logging

from terway_edge.core.ports import ClusterSource, Event, Severity

log = logging.getLogger(__name__)


class LoggedEvents:
    """Logs every event and passes it to where the cluster's users look."""

    def __init__(self, source: ClusterSource) -> None:
        self._source = source

    def emit(self, event: Event) -> None:
        level = logging.WARNING if event.severity is Severity.WARNING else logging.INFO
        log.log(level, "%s %s: %s", event.reason, event.subject, event.message)
        self._source.emit(event)
