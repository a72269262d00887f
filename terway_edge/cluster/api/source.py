"""The Kubernetes API as a `ClusterSource`.

One thread with an event loop of its own carries all watches and writes. What was last seen is cached on disk: an agent
that starts while the API is away begins with that, as an agent that runs goes on with what it has in memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Lock, Thread

from terway_edge.cluster.api.cache import DIRECTORY, Cache
from terway_edge.cluster.api.event_queue import EventQueue
from terway_edge.cluster.api.failures import Trouble
from terway_edge.cluster.api.follower import Follower, Listener, State
from terway_edge.cluster.api.library import open_client
from terway_edge.cluster.api.outbox import Outbox, Write
from terway_edge.cluster.api.subscription import Subscription
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.cluster.api.writer import Surroundings, Writer
from terway_edge.core.errors import Refused
from terway_edge.core.ports import Annotation, Event, Snapshot, StatusEntry

AGAIN = 30.0  # seconds after a mistake of ours

log = logging.getLogger(__name__)


class KubernetesApi:
    """A `ClusterSource`. Its thread begins with the first call of a method, and ends with `close`."""

    def __init__(
        self, node: str, state_dir: Path, kubeconfig: Path | None, version: str, timing: Timing | None = None
    ) -> None:
        """:param kubeconfig: how to reach the API server, and as whom; None: as a Pod does.
        :param version: the agent's; it is part of the User-Agent, whose first word is what caching proxies know.
        """
        self._node, self._kubeconfig, self._timing = node, kubeconfig, timing or Timing()
        self._directory = state_dir / DIRECTORY
        self._user_agent = f"terway-edge/{version} (node {node})"
        self._outbox = Outbox(time.monotonic, self._timing.rewrite)
        self._events = EventQueue(time.time, time.monotonic)
        self._guard = Lock()  # of the thread's beginning and end
        self._thread: Thread | None = None
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._to_write = asyncio.Event()
        self._news = Condition()  # of what follows
        self._state: State | None = None
        self._refused: Refused | None = None
        self._loaded: Snapshot | None = None
        self._subscriptions: list[Subscription] = []

    # --- what is seen ---------------------------------------------------------------------------------------------

    def load(self) -> Snapshot:
        """The cluster as the API has it or, if it does not answer soon, as it was last seen; without either the
        snapshot is not in sync. Raises Refused if there is nothing to reach the API server with, and no cache."""
        self._begin()
        began = time.monotonic()

        def is_over() -> bool:
            waited = time.monotonic() - began
            if self._state is None:
                return False
            if self._state.is_usable:
                return self._state.is_settled or waited >= self._timing.with_cache
            return self._state.is_settled or self._refused is not None

        with self._news:
            while not is_over() and (rest := began + self._timing.without_cache - time.monotonic()) > 0:
                self._news.wait(min(rest, self._timing.with_cache))
            if self._refused is not None and not (self._state and self._state.is_usable):
                raise self._refused
            self._loaded = self._state.snapshot if self._state else Snapshot(in_sync=False, peers_in_sync=False)
            return self._loaded

    def watch(self, changed: Callable[[Snapshot], None]) -> Subscription:
        """Call `changed` with each snapshot that differs from the one before, the first of which is that of load()."""
        self._begin()
        subscription = Subscription(changed, self._loaded)
        with self._news:
            self._subscriptions.append(subscription)
        self._call(self._tell)
        return subscription

    # --- what is written ------------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Never raises and never waits; repeats are counted, and written now and then."""
        self._events.put(event)
        self._begin()
        self._call(self._to_write.set)

    def write_status(self, entry: StatusEntry) -> None:
        """Of a BGPPeer one entry of `status.speakers`, of a Node one condition. Never raises and never waits."""
        self._write(entry)

    def write_annotation(self, annotation: Annotation) -> None:
        """Never raises and never waits."""
        self._write(annotation)

    def close(self) -> None:
        """Make the last writes, if they can be made at once, and end the thread."""
        with self._guard:
            thread, self._thread = self._thread, None
            if thread is None:
                self._ended.set()  # nothing begins any more
                self._loop.close()
                return
        self._call(self._ended.set)
        thread.join()

    # --- between threads ------------------------------------------------------------------------------------------

    def _write(self, write: Write) -> None:
        if self._outbox.want(write):
            self._begin()
            self._call(self._to_write.set)

    def _begin(self) -> None:
        with self._guard:
            if self._thread is None and not self._ended.is_set():
                self._thread = Thread(target=self._run, name="cluster", daemon=True)
                self._thread.start()

    def _call(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function)

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            while not self._ended.is_set():
                try:
                    runner.run(self._live())
                except Exception:
                    log.exception("following the cluster failed; it begins anew in %.0f s", AGAIN)
                    runner.run(self._sleep(AGAIN))

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def _live(self) -> None:
        transport = Transport(lambda: open_client(self._kubeconfig, self._user_agent), self._timing)
        denied: dict[str, Trouble] = {}
        listener = Listener(self._on_state, self._to_write.set, denied)
        follower = Follower(self._node, transport, Cache(self._directory), self._outbox, listener, self._timing)
        around = Surroundings(self._outbox, self._events, denied, follower.stands, follower.uid)
        writer = Writer(transport, self._node, around, self._timing)
        self._on_state(follower.restore())
        await self._check(transport)
        ending = asyncio.create_task(self._ended.wait())
        following = asyncio.create_task(follower.run())
        writing = asyncio.create_task(writer.run(follower.tried, self._to_write))
        try:
            done, _ = await asyncio.wait((ending, following, writing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # an error here is a mistake of ours
            await _cancelled(writing)
            with suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), self._timing.flush)
        finally:
            await _cancelled(ending, following, writing)
            follower.close()
            await transport.close()

    async def _check(self, transport: Transport) -> None:
        """Whether there are credentials at all; later they are looked for again and again."""
        try:
            await transport.open()
        except Refused as error:
            with self._news:
                self._refused = error
                self._news.notify_all()

    def _on_state(self, state: State) -> None:
        with self._news:
            self._state = state
            self._news.notify_all()
        self._tell()

    def _tell(self) -> None:
        with self._news:
            state = self._state
            self._subscriptions = [each for each in self._subscriptions if not each.is_closed]
            listeners = tuple(self._subscriptions)
        if state is not None:
            for each in listeners:
                each.tell(state.snapshot)


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
