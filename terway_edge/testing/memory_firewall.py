"""A firewall that only remembers what it was told."""

from __future__ import annotations

from terway_edge.core.ports import Masquerade


class MemoryFirewall:
    """`ports.Firewall`; `masquerade` is what is in force, None without a table, and `writes` counts the changes."""

    def __init__(self) -> None:
        self.masquerade: Masquerade | None = None
        self.writes = 0

    def set_masquerade(self, wanted: Masquerade) -> None:
        if wanted != self.masquerade:
            self.masquerade = wanted
            self.writes += 1

    def remove(self) -> None:
        self.masquerade = None
