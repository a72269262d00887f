"""The control plane as a process: a candidate until it leads, a leader until it is ended or loses the Lease."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import signal
import time
from collections.abc import Callable
from importlib.metadata import version

from terway_edge.cluster.api.event_queue import EventQueue
from terway_edge.cluster.api.library import open_client
from terway_edge.cluster.api.outbox import Outbox
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.cluster.api.writer import Surroundings as Pens
from terway_edge.cluster.api.writer import Writer
from terway_edge.controlplane.api import HurriedApi, LeadersApi
from terway_edge.controlplane.building import Surroundings, controllers, rules_of
from terway_edge.controlplane.election import Election, Terms
from terway_edge.controlplane.events import ApiEvents
from terway_edge.controlplane.following import Following
from terway_edge.controlplane.leadership import Leadership
from terway_edge.controlplane.metrics import Gauges
from terway_edge.controlplane.reign import Reign
from terway_edge.core.cloud import Clouds
from terway_edge.core.config import Settings
from terway_edge.core.errors import Refused
from terway_edge.core.ports import Clock, Closable
from terway_edge.kernel import core_files

log = logging.getLogger(__name__)


class ControlPlane:
    """One candidate. `run` returns after `ended` was set."""

    def __init__(
        self, settings: Settings, clouds: Clouds, clock: Clock, timing: Timing | None = None, terms: Terms | None = None
    ) -> None:
        """Raises Refused for settings that nothing can be done with."""
        if settings.cluster.source != "api":
            raise Refused("the control plane needs the Kubernetes API: set cluster.source to api")
        rules_of(settings)
        self._settings, self._clouds, self._clock = settings, clouds, clock
        self._timing, self._terms = timing or Timing(), terms or Terms()
        self.identity = f"{os.environ.get('POD_NAME') or settings.node_name}_{secrets.token_hex(4)}"
        self.gauges = Gauges()

    async def run(self, ended: asyncio.Event) -> None:
        agent = f"terway-edge-controlplane/{version('terway-edge')}"
        transport = Transport(lambda: open_client(self._settings.cluster.kubeconfig, agent), self._timing)
        try:
            await transport.open()  # whether there are credentials at all; raises Refused
            await self._campaign(transport, ended)
        finally:
            await transport.close()

    async def _campaign(self, transport: Transport, ended: asyncio.Event) -> None:
        now = self._clock.now
        patience = self._terms.renew * 0.4
        hurried = HurriedApi(transport, lambda: patience)
        leadership = Leadership(hurried, Election(self.identity, self._terms), now, time.time)
        self.gauges.follow(leadership, now)
        reign: asyncio.Task[None] | None = None
        term = leadership.term
        try:
            while not ended.is_set():
                await leadership.turn()
                if reign is not None and (reign.done() or not leadership.leads or leadership.term != term):
                    await _over(reign)
                    reign = None
                if reign is None and leadership.leads:
                    term = leadership.term
                    reign = asyncio.create_task(self._reign(transport, leadership))
                await _sleep(ended, self._terms.retry * random.uniform(1.0, 1.2))
        finally:
            if reign is not None:
                await _over(reign)
            await leadership.resign()

    async def _reign(self, transport: Transport, leadership: Leadership) -> None:
        queue, to_write, begin = EventQueue(time.time, self._clock.now), asyncio.Event(), asyncio.Event()
        begin.set()
        api = LeadersApi(HurriedApi(transport, lambda: max(leadership.left, 0.0)), lambda: leadership.left)
        around = Surroundings(api, leadership, ApiEvents(queue, to_write), self._clouds, self._clock, time.time)
        wanted = list(controllers(self._settings, around))
        has_enis = self._settings.controlplane.orphan_enis != "ignore"
        following = Following(transport, self._timing, lambda: reign.on_change(), has_enis=has_enis)
        reign = Reign(following, wanted, self._timing, self._clock.now)
        pens = Pens(Outbox(self._clock.now, 0.0), queue, {}, lambda: None, following.uid)
        writer = Writer(transport, self._settings.node_name, pens, self._timing)
        self.gauges.reign(reign, wanted)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writer.run(begin, to_write))
            tasks.create_task(reign.run())


def run(settings: Settings, clouds: Clouds, clock: Clock, serve: Callable[[ControlPlane], Closable | None]) -> int:
    """Be the control plane until SIGTERM or SIGINT; the exit status. Raises Refused.

    :param serve: begins to serve metrics and health
    """
    core_files.leave_none()
    plane = ControlPlane(settings, clouds, clock)
    serving = serve(plane)
    try:
        asyncio.run(_until_ended(plane))
    finally:
        if serving is not None:
            serving.close()
    return 0


async def _until_ended(plane: ControlPlane) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    log.info("candidate %s", plane.identity)
    await plane.run(ended)


async def _over(reign: asyncio.Task[None]) -> None:
    """A reign that ended by itself has failed, and another one begins."""
    reign.cancel()
    try:
        await reign
    except asyncio.CancelledError:
        pass
    except Exception:
        log.exception("the reign ended with an error; another one begins")


async def _sleep(ended: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        pass
