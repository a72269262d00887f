"""Who leads, by a Lease that its holder renews. Pure: times are seconds of a clock that never steps.

As in client-go, a candidate takes the Lease once the record it saw has not changed for as long as the record says,
by the candidate's own clock: times inside the record are for people only. The holder counts from the moment it *asked*
for a renewal, which is before anybody can have seen it, and stops writing `duration - renew` seconds before the Lease
could be taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Terms:
    """In seconds: others wait for `duration`; a holder that was not heard for `renew` stops; `retry` between looks."""

    duration: float = 15.0
    renew: float = 10.0
    retry: float = 2.0


class Record(NamedTuple):
    """What the Lease says; `holder` is empty after a resignation. `version` is the object's, empty for one that is
    to be made. `notes` are its annotations, which the leader before left."""

    holder: str = ""
    duration: float = 0.0
    transitions: int = 0
    acquired: str = ""
    renewed: str = ""
    notes: Mapping[str, str] = MappingProxyType({})
    version: str = ""


NONE = Record()


class Election:
    """One candidate. `identity` belongs to this process alone."""

    def __init__(self, identity: str, terms: Terms) -> None:
        self._identity, self._terms = identity, terms
        self._seen: Record | None = None
        self._seen_at = float("-inf")
        self._has_resigned = False
        self.must_look = True
        """Whether the Lease is to be read before anything is written to it."""
        self.until = float("-inf")
        """Before that, what a leader does cannot meet what another one does."""

    @property
    def notes(self) -> Mapping[str, str]:
        """As the leader wrote them last."""
        return self._seen.notes if self._seen else {}

    @property
    def term(self) -> tuple[int, str]:
        """What all renewals of one holder have in common, and no two times of holding."""
        return (self._seen.transitions, self._seen.acquired) if self._seen else (0, "")

    def leads(self, now: float) -> bool:
        return now < self.until

    def saw(self, record: Record, now: float) -> None:
        """A look at the Lease; NONE: there is none."""
        if self._seen is not None and record.version != self._seen.version:
            self._seen_at = now
        elif self._seen is None:
            self._seen_at = now if record.version else float("-inf")
        self._seen, self.must_look = record, False
        if record.holder != self._identity:
            self.until = float("-inf")

    def refused(self) -> None:
        """A write was not taken, or nobody knows. What may be done until the last renewal runs out stays."""
        self.must_look = True

    def bid(self, now: float, stamp: str, notes: Mapping[str, str] | None = None) -> Record | None:
        """What to write; None while the Lease is another's, or was deleted under somebody who may still lead.

        :param stamp: the time of day.
        :param notes: instead of those it has.
        """
        seen = self._seen
        if seen is None or self.must_look or self._has_resigned:
            return None
        is_own = seen.holder == self._identity
        is_free = bool(seen.version) and not seen.holder
        if not (is_own or is_free) and now < self._seen_at + (seen.duration or self._terms.duration):
            return None
        return Record(
            self._identity,
            self._terms.duration,
            seen.transitions + (not is_own and seen.version != ""),
            seen.acquired if is_own else stamp,
            stamp,
            seen.notes if notes is None else notes,
            seen.version,
        )

    def won(self, record: Record, asked_at: float, now: float) -> None:
        """The API took a bid, and answered with it."""
        self.saw(record, now)
        self.until = asked_at + self._terms.renew

    def resign(self, stamp: str) -> Record | None:
        """To be written by a leader that ends, so that nobody need wait; it leads no more from now on."""
        seen, self._has_resigned, self.until = self._seen, True, float("-inf")
        if seen is None or seen.holder != self._identity:
            return None
        return seen._replace(holder="", duration=1.0, renewed=stamp)
