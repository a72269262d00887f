"""What is said of each key of Terway's configuration."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Effect(StrEnum):
    """What becomes of a key."""

    HONOURED = "honoured"
    WITHOUT_EFFECT = "without effect"
    """Nothing is lost by that: the message says why."""
    NOT_DONE = "not done"
    """It asks for something that this product does not do."""
    UNKNOWN = "unknown"
    """Terway does not know it either, or not where it stands."""
    WRONG = "wrong"

    @property
    def needs_attention(self) -> bool:
        return self not in (Effect.HONOURED, Effect.WITHOUT_EFFECT)


class Note(NamedTuple):
    """`key` is a path such as `eni_conf.max_pool_size`. No message repeats a value that may be a secret."""

    key: str
    effect: Effect
    message: str


def path(*parts: str) -> str:
    """A key's path; what would break the line or not be seen is written as a literal."""
    return ".".join(part if part.isprintable() and part else ascii(part) for part in parts)
