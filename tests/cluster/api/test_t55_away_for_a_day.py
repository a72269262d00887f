"""T55: the API server is away for a day. The day is of a loop whose clock jumps to whatever comes next."""

from __future__ import annotations

import asyncio
import itertools
import random
import selectors
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from terway_edge.cluster.api.failures import GoneError, UnreachableError
from terway_edge.cluster.api.projection import Item
from terway_edge.cluster.api.reflector import Reflector
from terway_edge.cluster.api.resources import NODES
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Query

HOUR, DAY = 3600.0, 24 * 3600.0
AGENTS = 20
LEAVES, TIMING = 60.0, Timing()
BACK = LEAVES + DAY
LONGEST = TIMING.longest_pause * 1.2
BOOKMARK = b'{"type": "BOOKMARK", "object": {"kind": "Node", "metadata": {"resourceVersion": "5"}}}'
PAGE = b'{"metadata": {"resourceVersion": "5"}, "items": []}'


class Jumping(selectors.DefaultSelector):  # type: ignore[valid-type, misc] # it is one class per system
    """Nothing is waited for: time passes by what would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            self.now += timeout or 0.0
        return ready


class DayLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class Server:
    """As one agent meets it: `tries` and `lists` are times. `forgets`: what was before is answered with 410."""

    def __init__(self, forgets: float = float("inf")) -> None:
        self.tries: list[float] = []
        self.lists: list[float] = []
        self._forgets = forgets

    async def get(self, path: str, query: Query = ()) -> bytes:
        self.lists.append(self._asked())
        return PAGE

    @asynccontextmanager
    async def lines(self, path: str, query: Query) -> AsyncIterator[AsyncIterator[bytes]]:
        now = self._asked()
        if now >= self._forgets:
            raise GoneError("too old resource version")
        yield self._quiet(float(dict(query)["timeoutSeconds"]))

    async def _quiet(self, seconds: float) -> AsyncIterator[bytes]:
        now = asyncio.get_running_loop().time()
        if now < LEAVES <= now + seconds:
            await asyncio.sleep(LEAVES - now)
            raise UnreachableError("the connection was reset")
        await asyncio.sleep(seconds)
        yield BOOKMARK

    def _asked(self) -> float:
        now = asyncio.get_running_loop().time()
        self.tries.append(now)
        if self._is_away(now):
            raise UnreachableError("connection refused")
        return now

    def _is_away(self, now: float) -> bool:
        return LEAVES <= now < BACK


class Forgetful(Server):
    """Never away; the first `times` watches end with 410 after so many seconds."""

    def __init__(self, lasts: float, times: int) -> None:
        super().__init__()
        self._lasts, self._times = lasts, times

    async def _quiet(self, seconds: float) -> AsyncIterator[bytes]:
        self._times -= 1
        if self._times >= 0:
            await asyncio.sleep(self._lasts)
            raise GoneError("too old resource version")
        await asyncio.sleep(seconds)
        yield BOOKMARK

    def _is_away(self, now: float) -> bool:
        return False


class Nowhere:
    is_empty = True

    def listed(self, items: list[Item]) -> None: ...

    def put(self, item: Item) -> None: ...

    def drop(self, name: str) -> None: ...


@pytest.fixture(autouse=True)
def _same_every_time() -> Iterator[None]:
    state = random.getstate()
    random.seed(55)
    yield
    random.setstate(state)


def live(servers: list[Server], until: float) -> None:
    """An agent for each of them."""

    async def day() -> None:
        reflectors = [
            Reflector(server, NODES, Nowhere(), lambda: None, TIMING)  # type: ignore[arg-type] # all it calls is there
            for server in servers
        ]
        tasks = [asyncio.ensure_future(each.run()) for each in reflectors]
        await asyncio.sleep(until)
        assert not any(each.done() for each in tasks)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with asyncio.Runner(loop_factory=DayLoop) as runner:
        runner.run(day())


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def test_t55_a_day_costs_few_attempts_and_the_return_no_storm() -> None:
    servers = [Server() for _ in range(AGENTS)]
    live(servers, BACK + 10 * TIMING.list_gap)
    for server in servers:
        away = [at for at in server.tries if LEAVES <= at < BACK]
        assert DAY / LONGEST <= len(away) <= DAY / (TIMING.longest_pause * 0.8) + 10
        assert min(gaps(away)) >= TIMING.first_pause * 0.8
        assert max(gaps(away)) <= LONGEST
        assert min(gaps(server.lists)) >= TIMING.list_gap
        [listed] = [at for at in server.lists if at >= BACK]
        assert listed <= BACK + LONGEST
    back = Counter(int(at) for server in servers for at in server.lists if at >= BACK)
    assert max(back.values()) <= AGENTS / 4, "they come back at different moments"


def test_t55_an_agent_asks_at_its_own_moments_from_the_first_pause_on() -> None:
    servers = [Server() for _ in range(AGENTS)]
    live(servers, LEAVES + 60)
    thirds = [[at for at in server.tries if at >= LEAVES][2] for server in servers]
    assert len(set(thirds)) == AGENTS
    assert max(thirds) - min(thirds) >= TIMING.first_pause / 2


def test_t55_a_server_that_forgot_everything_is_listed_ever_less_often() -> None:
    """It even answers each watch for a day with 410."""
    server = Server(forgets=BACK)
    live([server], BACK + DAY)
    after = [at for at in server.lists if at >= BACK]
    assert min(gaps(after)) >= TIMING.list_gap == 5.0
    assert max(gaps(after)) <= TIMING.longest_spread
    assert sum(at < BACK + 2 * 60 for at in after) >= 3, "the first are not far apart"
    assert DAY / TIMING.longest_spread < len(after) <= 2.2 * DAY / TIMING.longest_spread


def test_t55_who_all_lose_their_watch_at_the_same_moment_list_at_their_own() -> None:
    """The API server began anew with an empty memory of what happened: 410 for all, while none was ever away."""
    servers = [Forgetful(lasts=LEAVES, times=1) for _ in range(10 * AGENTS)]
    live(servers, LEAVES + 10 * TIMING.spread)
    again = [[at for at in server.lists if at >= LEAVES] for server in servers]
    assert {len(each) for each in again} == {1}, "one that holds is enough"
    assert max(at for [at] in again) <= LEAVES + TIMING.spread
    each_second = Counter(int(at) for [at] in again)
    assert max(each_second.values()) <= 2 * len(servers) / TIMING.spread


def test_t55_a_watch_that_lasted_makes_the_next_410_the_first_again() -> None:
    server = Forgetful(lasts=TIMING.short_lived, times=10_000)
    live([server], HOUR)
    assert max(gaps(server.lists)) <= TIMING.short_lived + TIMING.spread
