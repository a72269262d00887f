"""The end of what the agent began, within limits: a hook that hangs must not hold the process until it is killed.

A pod has 30 s to end (`terminationGracePeriodSeconds`). Requests in flight get `agent.DRAIN`, then each of three parts
PATIENCE: chores, routes and plugins. What lasts longer is told, with the plugin, and left to itself.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from time import monotonic, sleep

log = logging.getLogger(__name__)

PATIENCE = 4.0  # seconds
LAST_MOMENT = 26.0  # seconds after the signal at which the process ends, whatever still holds it


class Ending:
    """:param under_way: (plugin, hook) of the calls that have not returned."""

    def __init__(self, under_way: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._under_way = under_way

    def end(self, what: str, end: Callable[[float], bool], limit: float = PATIENCE) -> None:
        """Have a part end; `end` is given the limit and says whether it kept it."""
        if not end(limit):
            hooks = ", ".join(f"{hook} of plugin {plugin}" for plugin, hook in self._under_way()) or "no hook"
            log.error("%s: not at an end after %.0f s and left as they are; still running: %s", what, limit, hooks)

    def call(self, what: str, calls: Iterable[Callable[[], None]], limit: float = PATIENCE) -> None:
        """Make all of these calls at once; they must not raise."""
        threads = [threading.Thread(target=call, name="ending", daemon=True) for call in calls]
        for thread in threads:
            thread.start()
        self.end(what, lambda seconds: _joined(threads, seconds), limit)


def end_on_signals(last_moment: float = LAST_MOMENT) -> threading.Event:
    """Set once SIGTERM or SIGINT came. The process ends with status 1 if it is there still `last_moment` seconds later,
    be it that it is starting and hangs. Called by the main thread."""
    came: SimpleQueue[None] = SimpleQueue()  # the one thing whose lock a handler may take: see its documentation
    ended = threading.Event()

    def watch() -> None:
        came.get()
        ended.set()
        sleep(last_moment)
        _leave(last_moment)

    threading.Thread(target=watch, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: came.put(None))
    return ended


def _joined(threads: list[threading.Thread], limit: float) -> bool:
    deadline = monotonic() + limit
    for thread in threads:
        thread.join(max(deadline - monotonic(), 0))
    return not any(thread.is_alive() for thread in threads)


def _leave(seconds: float) -> None:
    log.error("not at an end %.0f s after the signal: the process leaves what holds it", seconds)
    os._exit(1)
