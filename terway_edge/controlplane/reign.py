"""What a leader does from taking the Lease to losing it: follow the cluster, and let each controller take its turns."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import MsgspecError

from terway_edge.cluster.api.failures import ApiError, GoneError, UnreachableError
from terway_edge.cluster.api.timing import Timing
from terway_edge.controlplane.api import NotLeadingError
from terway_edge.controlplane.following import Following, World
from terway_edge.core.errors import EdgeError

COALESCE = 0.2  # seconds: changes within this time are looked at together

log = logging.getLogger(__name__)


class Controller(Protocol):
    """Looks at the whole cluster and makes one thing of it as it should be."""

    @property
    def name(self) -> str: ...

    async def turn(self, world: World, now: float) -> float:
        """Seconds until the next turn if nothing changes. Raises ApiError, GoneError, UnreachableError, MsgspecError
        or EdgeError if it must be tried again, NotLeadingError if it must not."""


class Reign:
    """`run` never returns: it is cancelled when the Lease is lost."""

    def __init__(
        self, following: Following, controllers: Sequence[Controller], timing: Timing, now: Callable[[], float]
    ) -> None:
        self._following, self._timing, self._now = following, timing, now
        self._controllers = {controller: asyncio.Event() for controller in controllers}
        self.failures: Counter[str] = Counter()
        """By the controller's name."""

    def on_change(self) -> None:
        for news in self._controllers.values():
            news.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._following.run())
            for controller, news in self._controllers.items():
                tasks.create_task(self._tend(controller, news))

    async def _tend(self, controller: Controller, news: asyncio.Event) -> None:
        pause = self._timing.first_pause
        while True:
            news.clear()
            world = self._following.world
            wait: float | None = None
            if world is not None:
                try:
                    wait = await controller.turn(world, self._now())
                    pause = self._timing.first_pause
                except NotLeadingError:
                    log.info("%s: the Lease ran out, nothing more is written", controller.name)
                    wait = self._timing.longest_pause
                except (ApiError, GoneError, UnreachableError, MsgspecError, EdgeError) as error:
                    self._failed(controller, error)
                    asked = error.retry_after if isinstance(error, ApiError) else 0.0
                    await asyncio.sleep(self._timing.wait(pause, asked))
                    pause = min(pause * 2, self._timing.longest_pause)
                    continue
                except Exception:  # a mistake of ours: the others go on, and nothing is listed anew for it
                    self.failures[controller.name] += 1
                    log.exception("%s: this should not happen, it is tried again", controller.name)
                    wait = self._timing.longest_pause
            await _either(news, wait)
            await asyncio.sleep(COALESCE)

    def _failed(self, controller: Controller, error: Exception) -> None:
        self.failures[controller.name] += 1
        log.warning("%s: %s", controller.name, error)


async def _either(news: asyncio.Event, wait: float | None) -> None:
    try:
        async with asyncio.timeout(wait):
            await news.wait()
    except TimeoutError:
        pass
