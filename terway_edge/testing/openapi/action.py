"""What an action is: its parameters, which of them go together, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from terway_edge.testing.openapi.arguments import Arguments, Raw, Value
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.errors import conflicting, invalid, missing
from terway_edge.testing.openapi.fields import Field
from terway_edge.testing.openapi.records import Change
from terway_edge.testing.openapi.vault import Identity, Vault

Body = dict[str, object]
Item = TypeVar("Item")


class Bent(NamedTuple):
    """What faults do to a call's effect."""

    portion: int | None = None
    """Only so many of what was asked."""
    delay: float = 0.0
    """A change takes so many seconds more; infinite: it never ends."""
    fails: bool = False
    """A change ends where it began."""
    is_reversed: bool = False
    """A listing comes in the other order."""

    def some(self, wanted: tuple[Item, ...]) -> tuple[Item, ...]:
        return wanted if self.portion is None else wanted[: self.portion]

    def count(self, wanted: int) -> int:
        return wanted if self.portion is None else min(wanted, self.portion)

    def change(self, change: Change, back: str) -> Change:
        return change._replace(status=back if self.fails else change.status, due=change.due + self.delay)

    def ordered(self, page: list[Item]) -> list[Item]:
        return page[::-1] if self.is_reversed else page


@dataclass(frozen=True)
class Call:
    """One call. `cloud` is what it acts on; `shown` what a listing shows: the same, or how it was some time ago."""

    cloud: Cloud
    shown: Cloud
    vault: Vault
    identity: Identity
    arguments: Arguments
    bent: Bent


@dataclass(frozen=True)
class Action:
    """`exclusive`: of each group at most one may be given; `needed`: of each group at least one must be."""

    name: str
    fields: tuple[Field, ...]
    run: Callable[[Call], Body]
    exclusive: tuple[tuple[str, ...], ...] = ()
    needed: tuple[tuple[str, ...], ...] = ()

    def read(self, pairs: Iterable[tuple[str, str]]) -> Arguments:
        """The arguments in the parameters of a call. Raises ApiError for what is wrong, missing, unknown."""
        raw = Raw(pairs)
        values: dict[str, Value] = {}
        for field in self.fields:
            value = field.read(raw)
            if value is not None:
                values[field.name] = value
            elif field.required:
                raise missing(field.name)
        if raw.left:
            raise invalid(raw.left[0], f"{self.name} has no such parameter")
        for group in self.exclusive:
            if sum(name in values for name in group) > 1:
                raise conflicting(group)
        for group in self.needed:
            if not any(name in values for name in group):
                raise missing(group[0])
        return Arguments(values)
