"""Status entries kept in memory instead of being written where people look."""

from __future__ import annotations

from collections.abc import Mapping

from terway_edge.core.ports import Json, StatusEntry


class RecordedStatuses:
    """`ports.Statuses` that remembers: `entries` by (kind, name, key), and in `writes` each change, oldest first."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str, str], Mapping[str, Json]] = {}
        self.writes: list[StatusEntry] = []

    def write_status(self, entry: StatusEntry) -> None:
        place = (entry.kind, entry.name, entry.key)
        if entry.value == self.entries.get(place):
            return
        self.writes.append(entry)
        if entry.value is None:
            del self.entries[place]
        else:
            self.entries[place] = entry.value
