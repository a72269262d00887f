"""What a random sequence happens to: a cloud that tells the model the truth, and fails when it is told to."""

from __future__ import annotations

import random
from typing import NamedTuple, Protocol

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import Cloud
from terway_edge.core.ports import Store, Stored
from terway_edge.eni.intents import Intents
from terway_edge.eni.policy import Site
from terway_edge.testing.clock import FakeClock

Trouble = tuple[object, ...]


class Seen(NamedTuple):
    """A secondary ENI as it really is. `addresses` are those that pods may have had."""

    id: str
    instance: str
    in_use: bool
    ours: bool
    primary: Address
    addresses: frozenset[Address]


class Loss(NamedTuple):
    """A call that gives something back: by its kind, of an ENI, perhaps only some addresses."""

    kind: str
    eni: str
    addresses: frozenset[Address] = frozenset()


class Side(Protocol):
    """Everything the model needs of a cloud; `site` is what the pool knows of it."""

    clock: FakeClock
    site: Site
    vswitches: tuple[str, ...]

    def open(self, rng: random.Random) -> tuple[Cloud, Store, Stored, Intents]:
        """What a new process begins with."""

    def enis(self) -> list[Seen]: ...

    def losses(self) -> list[Loss]:
        """Calls that gave something back, or tried to, since the last time."""

    def free(self) -> int:
        """Addresses that the fullest of the vSwitches has left."""

    def calls(self) -> int:
        """So far, of all kinds."""

    def changes(self) -> int:
        """So far, that change something."""

    def problems(self) -> list[str]:
        """What no cloud should be like, and calls over the budget."""

    def trouble(self, rng: random.Random) -> Trouble:
        """Something that may go wrong."""

    def begin(self, trouble: Trouble) -> None: ...

    def end_troubles(self) -> None: ...

    def disk(self, fails: bool) -> None: ...

    def crowd(self, vswitch: str, left: int) -> None:
        """Neighbours take addresses until so many are left."""

    def empty(self) -> None:
        """The neighbours leave."""

    def take(self, eni: str, address: Address) -> None:
        """Others take an address, and give it to a neighbour."""

    def detach(self, eni: str) -> None: ...

    def drop(self, eni: str) -> None: ...

    def move(self, eni: str) -> None: ...

    def add(self) -> None:
        """Others attach an ENI, if there is room."""

    def close(self) -> None: ...
