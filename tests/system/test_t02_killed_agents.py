"""T02: the agent is killed at every failpoint of an ADD, a DEL, a GC and its start; the next one finds all whole.

Which points there are is asked of a run that nobody disturbs, so that a new one is covered as soon as there is one. By
default two points of each are taken, others every day (TERWAY_EDGE_TURN is the day of a red run); with
TERWAY_EDGE_FULL=1 every one of them, each time it is reached.
"""

import os
import shutil
from datetime import date

import pytest

from terway_edge.core.failpoints import NAMES
from tests.system.crashes import Crashes, Talk
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
TURN = int(os.environ.get("TERWAY_EDGE_TURN", date.today().toordinal()))
ELSEWHERE = ("bgp.", "eni.", "cache.")
"""What an edge node without peers and API does not write; see tests/agent/test_t02_killed_writers.py."""


class Scenario:
    """Something that an agent is killed during. `begin` leaves the agent as `act` needs it; `act` returns what `end`,
    once a new agent serves, must know."""

    def __init__(self, crashes):
        self.crashes = crashes
        self.machine = crashes.machine

    def begin(self):
        if not self.machine.runs():
            self.machine.start()

    def act(self):
        raise NotImplementedError

    def end(self, made):
        """What a runtime does afterwards."""


class Add(Scenario):
    def __init__(self, crashes):
        super().__init__(crashes)
        self._again = False

    def act(self):
        pod = self.machine.new_pod()
        if self.crashes.add(pod):
            return None
        self._again = not self._again
        if not self._again:
            self.crashes.delete(pod)  # the agent is away, or is about to be
        return pod

    def end(self, failed):
        """A runtime asks again, or deletes and makes a new sandbox."""
        if failed and not (self._again and self.crashes.add(failed)):
            self.crashes.delete(failed)
            assert self.crashes.add(self.machine.new_pod()), "the next ADD succeeds"


class Delete(Scenario):
    def begin(self):
        super().begin()
        self._pod = self.machine.new_pod()
        assert self.crashes.add(self._pod)

    def act(self):
        self.crashes.delete(self._pod)
        until(lambda: not self.machine.runs() or len(self.machine.links()) == len(self.crashes.books), "unplugged")


class Collect(Delete):
    def act(self):
        del self.crashes.books[self._pod]
        done = self.crashes.collect()
        until(lambda: not self.machine.runs() or len(self.machine.links()) == len(self.crashes.books), "unplugged")
        return done

    def end(self, done):
        assert done or self.crashes.collect(), "the next GC succeeds"


class Start(Scenario):
    """With a spooled DEL and nothing published yet."""

    def begin(self):
        super().begin()
        pod = self.machine.new_pod()
        assert self.crashes.add(pod)
        self.machine.kill()
        self.crashes.delete(pod)
        for made in ("net.d", "manifests/status"):
            shutil.rmtree(self.machine.directory / made, ignore_errors=True)

    def act(self):
        self.machine.start(wait=False)
        until(lambda: not self.machine.runs() or self.machine.has_served(), "it serves, or is dead", 20.0)


class DamagedStart(Start):
    def begin(self):
        self.machine.kill()
        os.truncate(self.machine.directory / "state" / "leases.journal", 0)


SCENARIOS = {"ADD": Add, "DEL": Delete, "GC": Collect, "start": Start, "damaged start": DamagedStart}


@pytest.fixture
def crashes(tmp_path):
    made = Crashes(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """By scenario, every point that it reaches and how often."""
    found = {}
    for names in (tuple(SCENARIOS)[:-1], tuple(SCENARIOS)[-1:]):  # after damage there are no ADDs for a while
        crashes = Crashes(tmp_path_factory.mktemp("traced"))
        try:
            crashes.machine.start()
            for _ in range(2):
                assert crashes.add(crashes.machine.new_pod())
            found |= {name: traced(crashes, SCENARIOS[name](crashes)) for name in names}
        finally:
            crashes.close()
    return found


def traced(crashes, scenario):
    scenario.begin()
    crashes.points.forget()
    scenario.end(scenario.act())
    return crashes.points.reached()


def chosen(points):
    """Those at which the agent is killed today."""
    apart = 1 if FULL else len(points) // 2
    return points[TURN % apart :: apart]


def test_t02_every_failpoint_is_reached_by_a_scenario(traces):
    reached = {name for points in traces.values() for name, _ in points}
    assert reached == {name for name in NAMES if not name.startswith(ELSEWHERE)}


@pytest.mark.parametrize("name", SCENARIOS)
def test_t02_an_agent_killed_anywhere_loses_nothing(crashes, traces, name):
    machine = crashes.machine
    machine.start()
    steady = [machine.new_pod() for _ in range(2)]
    assert all(map(crashes.add, steady))
    talk = Talk(machine, steady[0], crashes.books[steady[1]])
    try:
        scenario = SCENARIOS[name](crashes)
        points = chosen(traces[name])
        missed = [point for point in points if not killed(crashes, scenario, *point)]
        answered, lost = talk.lost()
    finally:
        talk.close()
    # What threads do beside a call is not the same each time.
    assert len(missed) <= max(len(points) // 10, 1), f"the trace told of points that were not reached: {missed}"
    assert lost == []
    assert answered > 20 * len(points), "and the pings did go on"


def killed(crashes, scenario, name, nth):
    """False if it was not: the point was not reached this time."""
    scenario.begin()
    crashes.points.write(f"{name} kill {nth}")
    made = scenario.act()
    died = crashes.dies()
    crashes.restart()
    scenario.end(made)
    crashes.assert_whole()
    return died
