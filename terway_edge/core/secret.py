"""A secret text that nothing prints by accident."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that show as `***` in logs, errors, dumps of objects and tracebacks; compared by value."""

    value: bytes = field(repr=False)

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__

    def __format__(self, _: str) -> str:
        return "***"
