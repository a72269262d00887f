"""The emulator without HTTP: requests in, replies out, and what a test wants to see and change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from terway_edge.testing.openapi import catalog
from terway_edge.testing.openapi.desk import Desk
from terway_edge.testing.openapi.fault_plan import FaultPlan
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.founding import found
from terway_edge.testing.openapi.gate import Request
from terway_edge.testing.openapi.invariants import orphans, violations
from terway_edge.testing.openapi.log import CallLog
from terway_edge.testing.openapi.metadata import MetadataRequest
from terway_edge.testing.openapi.observer import Herald, Observer
from terway_edge.testing.openapi.outside import OutsideChanges
from terway_edge.testing.openapi.records import Eni, Instance
from terway_edge.testing.openapi.reply import Reply
from terway_edge.testing.openapi.site import Site
from terway_edge.testing.openapi.vault import Identity


class Emulator:
    """A cloud behind its API. Safe for threads: one call at a time has its effect. Raises ConfigError for a site that
    cannot be.

    :param clock: seconds that states and faults go by
    :param wall: seconds of 1970, that timestamps and credentials go by
    """

    def __init__(
        self,
        site: Site,
        *,
        faults: Script = Script(),  # noqa: B008 - frozen
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.site = site
        self._clock, self._wall = clock, wall
        self._lock = threading.RLock()
        self._cloud = found(site, now=clock(), wall=wall())
        self._desk = Desk(self._cloud, FaultPlan(faults, clock()))
        self._cloud.keep_history(faults.reach + site.pace.metadata_lag)
        self._herald = Herald(observer or Observer())

    # What comes in.

    def handle(self, request: Request) -> Reply:
        """A signed request."""
        with self._turn():
            return self._desk.handle(request)

    def invoke(self, product: str, action: str, parameters: Mapping[str, str]) -> Reply:
        """A call of the account's own without signature; all the rest of the way is the same. Raises KeyError for an
        action that is not there."""
        api = next(each for each in catalog.APIS if each.product == product)
        caller = Identity(self.site.account)
        with self._turn():
            return self._desk.serve(api, api.actions[action], parameters.items(), caller, "")

    def read_metadata(self, request: MetadataRequest) -> Reply:
        with self._turn():
            return self._desk.read_metadata(request)

    # What a test does.

    def load_faults(self, script: Script) -> None:
        """Begin a script, instead of the one there was; its seconds and calls count from now."""
        with self._lock:
            self._cloud.keep_history(script.reach + self.site.pace.metadata_lag)
            self._desk.plan = FaultPlan(script, self._clock())

    @contextmanager
    def outside(self) -> Iterator[OutsideChanges]:
        """Changes that nobody asked for by a call."""
        with self._turn():
            yield OutsideChanges(self._cloud)

    def settle(self) -> None:
        """Finish what is due, and tell the observer, without waiting for a call."""
        with self._turn():
            pass

    # What a test sees.

    @property
    def log(self) -> CallLog:
        return self._desk.log

    @property
    def metadata_log(self) -> CallLog:
        return self._desk.metadata_log

    def enis(self, instance: str = "") -> list[Eni]:
        """All, or those of an instance, the primary one first."""
        with self._turn():
            return self._cloud.enis_of(instance) if instance else list(self._cloud.enis.values())

    def instances(self) -> list[Instance]:
        with self._turn():
            return list(self._cloud.instances.values())

    def violations(self) -> list[str]:
        """What is wrong with the cloud, or went wrong in the observer."""
        with self._turn():
            return [*violations(self._cloud), *(f"the observer failed: {each!r}" for each in self._herald.failures)]

    def orphans(self, tags: Mapping[str, str], *, name_prefix: str = "") -> list[str]:
        """ENIs with these tags and such a name that no instance has."""
        with self._turn():
            return orphans(self._cloud, tags, name_prefix=name_prefix)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Time passes, something happens, and whoever watches is told of it."""
        try:
            with self._lock:
                self._cloud.settle(self._clock(), self._wall())
                try:
                    yield
                finally:
                    self._cloud.settle(self._cloud.now, self._cloud.wall)
                    self._herald.take(self._cloud.events)
        finally:
            self._herald.tell()
