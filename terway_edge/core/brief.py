"""Wrong values as messages repeat them."""

from __future__ import annotations

from reprlib import Repr

_MOST_BITS = 256  # of a number that is shown; Python refuses to write very long ones in decimal


class _Brief(Repr):
    """Bounded also for what YAML aliases blow up."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring = 1, 80

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() <= _MOST_BITS else f"a number of {x.bit_length()} bits"


def shown(value: object) -> str:
    """At most 80 characters of a text, the first items of a collection."""
    return _BRIEF.repr(value)


_BRIEF = _Brief()
