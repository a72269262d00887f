"""404 for a resource that was known: believed only once it lasts. By a loop whose clock jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

import pytest

from terway_edge.cluster.api.failures import ApiError, UnreachableError
from terway_edge.cluster.api.projection import Item
from terway_edge.cluster.api.reflector import Reflector
from terway_edge.cluster.api.resources import NODES, PEERS, Resource
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Query
from tests.cluster.api.test_t55_away_for_a_day import DayLoop

TIMING = Timing()
MISSING = ApiError(404, "", "404 page not found")
AWAY = UnreachableError("connection refused")


class Server:
    """Says at any time what `says` does."""

    def __init__(self, says: Callable[[float], Exception]) -> None:
        self._says = says

    async def get(self, path: str, query: Query = ()) -> bytes:
        raise self._says(asyncio.get_running_loop().time())

    def lines(self, path: str, query: Query) -> NoReturn:
        raise AssertionError("there is nothing to watch")


class Held:
    """Times at which it was told that there is nothing."""

    def __init__(self, *, is_empty: bool = False) -> None:
        self.is_empty = is_empty
        self.emptied: list[float] = []

    def listed(self, items: list[Item]) -> None:
        assert not items
        self.emptied.append(asyncio.get_running_loop().time())

    def put(self, item: Item) -> None: ...

    def drop(self, name: str) -> None: ...


def emptied(says: Callable[[float], Exception], held: Held, resource: Resource = PEERS) -> float:
    """When it was, within an hour."""

    async def live() -> None:
        server = Server(says)
        reflector = Reflector(server, resource, held, lambda: None, TIMING)  # type: ignore[arg-type] # all it calls
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reflector.run(), 3600.0)

    with asyncio.Runner(loop_factory=DayLoop) as runner:
        runner.run(live())
    return min(held.emptied, default=float("inf"))


def test_it_is_believed_at_once_if_nothing_was_known() -> None:
    assert emptied(lambda now: MISSING, Held(is_empty=True)) == 0.0


def test_it_is_believed_after_a_minute_if_something_was() -> None:
    assert TIMING.absent <= emptied(lambda now: MISSING, Held()) <= TIMING.absent + 1.2 * TIMING.longest_pause


def test_a_server_that_is_away_in_between_begins_anew() -> None:
    when = emptied(lambda now: AWAY if 30.0 < now < 600.0 else MISSING, Held())
    assert 600.0 + TIMING.absent <= when < 600.0 + TIMING.absent + 2 * 1.2 * TIMING.longest_pause


def test_what_every_cluster_has_is_never_believed_to_be_missing() -> None:
    assert emptied(lambda now: MISSING, Held(), NODES) == float("inf")
