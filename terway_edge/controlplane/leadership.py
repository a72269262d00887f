"""The election at the API: one attempt after another, and notes that only the leader can leave in the Lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from msgspec import MsgspecError

from terway_edge.cluster.api.bodies import JSON
from terway_edge.cluster.api.failures import FORBIDDEN, NOT_FOUND, ApiError, GoneError, UnreachableError
from terway_edge.controlplane.api import Api, NotLeadingError
from terway_edge.controlplane.election import NONE, Election, Record
from terway_edge.controlplane.lease import COLLECTION, PATH, lease_body, micro_time, read_lease

log = logging.getLogger(__name__)


class Leadership:
    """`api` gives up early enough to try again before a renewal runs out."""

    def __init__(self, api: Api, election: Election, now: Callable[[], float], wall: Callable[[], float]) -> None:
        """:param now: the election's clock.
        :param wall: seconds since the epoch."""
        self._api, self._election, self._now, self._wall = api, election, now, wall
        self._lock = asyncio.Lock()  # of the Lease
        self._trouble = ""
        self.heard_at = float("-inf")
        """When the API answered last."""

    @property
    def leads(self) -> bool:
        return self._election.leads(self._now())

    @property
    def left(self) -> float:
        """Seconds in which it is safe to write."""
        return self._election.until - self._now()

    @property
    def term(self) -> tuple[int, str]:
        """Another one once somebody else led in between, be it unnoticed."""
        return self._election.term

    @property
    def notes(self) -> Mapping[str, str]:
        return self._election.notes

    async def turn(self) -> None:
        """Look at the Lease if need be, and take or renew it if that is possible. Failures are logged, once each."""
        async with self._lock:
            try:
                if self._election.must_look:
                    await self._look()
                bid = self._election.bid(self._now(), micro_time(self._wall()))
                if bid is not None:
                    await self._write(bid)
            except (ApiError, GoneError, UnreachableError, MsgspecError) as error:
                self._tell(error)
            else:
                self._trouble = ""
            if not self._election.leads(self._now()):
                self._election.refused()  # whoever waits looks every time

    async def note(self, key: str, text: str) -> None:
        """Leave a note, which renews the Lease as well: once this returns, every later leader knows it.

        Raises NotLeadingError, or as `Api` if it is not known whether that was done.
        """
        async with self._lock:
            if self.leads and self._election.must_look:
                await self._look()
            bid = self._election.bid(self._now(), micro_time(self._wall()), {**self.notes, key: text})
            if bid is None or not self.leads:
                raise NotLeadingError
            await self._write(bid)

    async def resign(self) -> None:
        """The end; errors are of no use to anybody."""
        async with self._lock:
            record = self._election.resign(micro_time(self._wall()))
            try:
                if record is not None:
                    await self._api.send("PUT", PATH, lease_body(record), JSON)
            except (ApiError, GoneError, UnreachableError) as error:
                log.info("the Lease was not given back, it will run out: %s", error)

    async def _look(self) -> None:
        try:
            record = read_lease(await self._api.get(PATH))
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            record = NONE
        self.heard_at = self._now()
        self._election.saw(record, self.heard_at)

    async def _write(self, bid: Record) -> None:
        asked_at = self._now()
        was_leading = self._election.leads(asked_at)
        self._election.refused()  # unless the answer says otherwise
        method, path = ("PUT", PATH) if bid.version else ("POST", COLLECTION)
        taken = read_lease(await self._api.send(method, path, lease_body(bid), JSON))
        self.heard_at = self._now()
        self._election.won(taken, asked_at, self.heard_at)
        if not was_leading:
            log.info("leading, after %d others", taken.transitions)

    def _tell(self, error: Exception) -> None:
        text = str(error)
        if text != self._trouble:
            is_denied = isinstance(error, ApiError) and error.status == FORBIDDEN
            log.log(logging.WARNING if is_denied else logging.INFO, "the Lease was not had: %s", text)
        self._trouble = text
