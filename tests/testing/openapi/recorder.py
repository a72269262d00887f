"""An observer that remembers."""

from __future__ import annotations

from terway_edge.testing.openapi import Observer


class Recorder(Observer):
    """What an observer was told, one text for each event."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_attached(self, instance, eni):
        self.seen.append(f"{eni.id} attached to {instance}")

    def on_detached(self, instance, eni):
        self.seen.append(f"{eni.id} detached from {instance}")

    def on_addresses_changed(self, eni):
        self.seen.append(f"{eni.id} has {' '.join(map(str, eni.owned()))}")
