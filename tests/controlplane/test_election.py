"""The election: by itself, and as a model of candidates with clocks of their own and messages that take their time."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from terway_edge.controlplane.election import NONE, Election, Record, Terms

TERMS = Terms()


def leading(identity: str = "a", now: float = 0.0) -> Election:
    election = Election(identity, TERMS)
    election.saw(NONE, now)
    bid = election.bid(now, "t")
    assert bid is not None
    election.won(bid._replace(version="1"), now, now)
    return election


def test_the_first_candidate_makes_the_lease_and_leads_at_once():
    election = Election("a", TERMS)
    assert election.bid(0.0, "t") is None, "it has not looked yet"
    election.saw(NONE, 0.0)
    bid = election.bid(0.0, "now")
    assert bid == Record("a", 15.0, 0, "now", "now", {}, "")
    election.won(bid._replace(version="7"), asked_at=1.0, now=4.0)
    assert election.leads(4.0)
    assert election.until == 1.0 + TERMS.renew, "it counts from when it was asked for"
    assert not election.leads(11.0)


def test_a_candidate_waits_as_long_as_the_record_says_after_it_last_changed():
    election = Election("b", TERMS)
    election.saw(Record("a", 15.0, 2, "x", "y", {"k": "v"}, "1"), 100.0)
    assert election.bid(114.9, "t") is None
    election.saw(Record("a", 15.0, 2, "x", "z", {"k": "v"}, "2"), 114.0)
    assert election.bid(128.9, "t") is None
    election.refused()
    election.saw(Record("a", 15.0, 2, "x", "z", {"k": "v"}, "2"), 128.0)
    assert election.bid(129.0, "t") == Record("b", 15.0, 3, "t", "t", {"k": "v"}, "2"), "notes are inherited"


def test_times_in_the_record_mean_nothing():
    election = Election("b", TERMS)
    election.saw(Record("a", 15.0, 0, "", "1970-01-01T00:00:00.000000Z", {}, "1"), 5.0)
    assert election.bid(6.0, "t") is None


def test_a_lease_that_was_given_back_is_free():
    election = leading()
    given_back = election.resign("t")
    assert given_back == Record("", 1.0, 0, "t", "t", {}, "1")
    assert not election.leads(0.0)
    assert election.bid(0.0, "t") is None, "it never leads again"
    other = Election("b", TERMS)
    other.saw(given_back._replace(version="2"), 50.0)
    assert other.bid(50.0, "t") == Record("b", 15.0, 1, "t", "t", {}, "2")


def test_who_does_not_lead_has_nothing_to_give_back():
    election = Election("b", TERMS)
    election.saw(Record("a", 15.0, version="1"), 0.0)
    assert election.resign("t") is None


def test_a_deleted_lease_is_not_made_anew_before_its_holder_has_stopped():
    election = Election("b", TERMS)
    election.saw(Record("a", 15.0, version="1"), 0.0)
    election.saw(NONE, 10.0)
    assert election.bid(24.9, "t") is None
    assert election.bid(25.0, "t") is not None


def test_a_holder_whose_renewal_is_not_taken_goes_on_only_as_long_as_the_last_one_lasts():
    election = leading()
    election.refused()
    assert election.bid(2.0, "t") is None, "it looks first"
    assert election.leads(9.9)
    election.saw(Record("a", 15.0, version="2"), 5.0)
    assert election.leads(9.9), "an answer that was lost"
    election.saw(Record("b", 15.0, version="3"), 6.0)
    assert not election.leads(6.0)


# --- the model ----------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """The API: one object, replaced only by what is based on the newest version."""

    record: Record | None = None
    version: int = 0

    def write(self, record: Record) -> Record | None:
        if (self.record.version if self.record else "") != record.version:
            return None
        self.version += 1
        self.record = record._replace(version=str(self.version))
        return self.record


@dataclass
class Candidate:
    """One process: its clock is off by `skew`, and may stand still for a while (`pauses`)."""

    election: Election
    skew: float
    written: list[float] = field(default_factory=list)
    """True times at which it would have written something."""


@dataclass(order=True)
class Step:
    at: float
    order: int
    what: str = field(compare=False)
    who: int = field(compare=False)
    value: object = field(compare=False, default=None)


class World:
    """Candidates look and bid; each message is on its way for as long as the test says, or is lost."""

    def __init__(self, skews: list[float], delays: list[float], end: float, terms: Terms = TERMS) -> None:
        self.server = Server()
        self.candidates = [Candidate(Election(name, terms), skew) for name, skew in zip("abc", skews, strict=False)]
        self.delays = itertools.cycle(delays)
        self.end = end
        self.order = itertools.count()
        self.steps: list[Step] = []
        self.leaders: list[tuple[float, int]] = []

    def push(self, at: float, what: str, who: int, value: object = None) -> None:
        heapq.heappush(self.steps, Step(at, next(self.order), what, who, value))

    def run(self) -> None:
        for index in range(len(self.candidates)):
            self.push(next(self.delays) / 10, "act", index)
        while self.steps and (step := heapq.heappop(self.steps)).at < self.end:
            getattr(self, f"_{step.what}")(step.at, step.who, step.value)
            self._observe(step.at)

    def _now(self, at: float, who: int) -> float:
        return at + self.candidates[who].skew

    def _act(self, at: float, who: int, _: object) -> None:
        election = self.candidates[who].election
        if election.must_look:
            self.push(at + next(self.delays), "read", who)
            return
        bid = election.bid(self._now(at, who), "t")
        if bid is None:
            election.refused()
            self.push(at + 2.0, "act", who)
            return
        election.refused()
        self.push(at + next(self.delays), "write", who, (bid, self._now(at, who)))
        self.push(at + 4.0, "give_up", who, bid)

    def _read(self, at: float, who: int, _: object) -> None:
        self.push(at + next(self.delays), "seen", who, self.server.record or NONE)

    def _seen(self, at: float, who: int, record: Record) -> None:
        self.candidates[who].election.saw(record, self._now(at, who))
        self.push(at, "act", who)

    def _write(self, at: float, who: int, value: tuple[Record, float]) -> None:
        bid, asked_at = value
        taken = self.server.write(bid)
        self.push(at + next(self.delays), "answered", who, (taken, asked_at))

    def _answered(self, at: float, who: int, value: tuple[Record | None, float]) -> None:
        taken, asked_at = value
        now = self._now(at, who)
        if taken is not None and now < asked_at + 4.0:
            self.candidates[who].election.won(taken, asked_at, now)
            self.push(at + 2.0, "act", who)

    def _give_up(self, at: float, who: int, _: object) -> None:
        """Four seconds after a bid: the answer came, or is waited for no longer."""
        if self.candidates[who].election.must_look:
            self.push(at, "act", who)

    def _observe(self, at: float) -> None:
        """Whoever leads may write at any moment until its time is up."""
        for index, candidate in enumerate(self.candidates):
            if candidate.election.leads(self._now(at, index)):
                until = candidate.election.until - candidate.skew
                self.leaders.append((at, index))
                for other, one in enumerate(self.candidates):
                    if other != index:
                        theirs = one.election.until - one.skew
                        assert min(until, theirs) <= at, f"{index} and {other} may both write at {at}"


DELAYS = st.lists(
    st.one_of(st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.floats(0.0, 3.9), st.floats(0.0, 40.0)),
    min_size=5,
    max_size=40,
).filter(lambda found: min(found) < 0.5)


@given(skews=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=3), delays=DELAYS)
@example(skews=[0.0, 5.0], delays=[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 39.0, 0.1])
@settings(max_examples=600)
def test_no_two_candidates_may_write_at_the_same_time(skews: list[float], delays: list[float]):
    world = World(skews, delays, 200.0)
    world.run()


@pytest.mark.parametrize("count", [2, 3])
def test_in_quiet_times_there_is_always_one_leader(count: int):
    world = World([1e5 * index for index in range(count)], [0.05, 0.1, 0.2], 120.0)
    world.run()
    assert {index for _, index in world.leaders} == {world.leaders[0][1]}
    assert max(later[0] - earlier[0] for earlier, later in itertools.pairwise(world.leaders)) < 4.0
