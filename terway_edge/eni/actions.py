"""What the pool may want done: each is one call through `core.cloud.Cloud`. At most one per subject is under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import AddressWish, EniWish

Item = Address | Prefix
"""What an ENI owns: an address, or a prefix that is delegated as a whole."""


@dataclass(frozen=True, slots=True)
class Look:
    """List the ENIs of the instance. What the list shows was so at `asked_at` or later, if the cloud is honest."""

    asked_at: float
    verb: ClassVar[str] = "look"

    @property
    def subject(self) -> str:
        return self.verb


@dataclass(frozen=True, slots=True)
class Sweep:
    """List the ENIs that carry this node's tags, attached or not."""

    asked_at: float
    verb: ClassVar[str] = "sweep"

    @property
    def subject(self) -> str:
        return self.verb


@dataclass(frozen=True, slots=True)
class Survey:
    """Read vSwitches."""

    ids: tuple[str, ...]
    verb: ClassVar[str] = "survey"

    @property
    def subject(self) -> str:
        return self.verb


@dataclass(frozen=True, slots=True)
class Create:
    wish: EniWish
    verb: ClassVar[str] = "create"

    @property
    def subject(self) -> str:
        return self.wish.intent


@dataclass(frozen=True, slots=True)
class Assign:
    wish: AddressWish
    verb: ClassVar[str] = "assign"

    @property
    def subject(self) -> str:
        return self.wish.eni


@dataclass(frozen=True, slots=True)
class _OnEni:
    eni: str

    @property
    def subject(self) -> str:
        return self.eni


@dataclass(frozen=True, slots=True)
class Attach(_OnEni):
    verb: ClassVar[str] = "attach"


@dataclass(frozen=True, slots=True)
class Unassign(_OnEni):
    items: tuple[Item, ...]
    verb: ClassVar[str] = "unassign"


@dataclass(frozen=True, slots=True)
class Detach(_OnEni):
    verb: ClassVar[str] = "detach"


@dataclass(frozen=True, slots=True)
class Delete(_OnEni):
    verb: ClassVar[str] = "delete"


@dataclass(frozen=True, slots=True)
class OpenSource(_OnEni):
    """Let packets with other sources than the ENI's addresses pass."""

    verb: ClassVar[str] = "open_source"


Action = Look | Sweep | Survey | Create | Attach | Assign | Unassign | Detach | Delete | OpenSource

READS = (Look, Sweep, Survey)
"""Actions that change nothing: they need no durable memory."""
