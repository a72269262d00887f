"""T15: no address goes to another pod before its cool-down is over, over many lives and restarts of the agent.

The agent's clock counts the time since boot, suspended or not: a step of the wall clock is none of it. The last two
tests say why that is so; tests/system/test_t15_clock_steps.py has an agent whose wall clock steps.
"""

import os
import random
import time
from importlib import import_module

import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.store import Journal
from terway_edge.core.addresses import Prefix
from terway_edge.core.errors import Retry
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Sandbox
from terway_edge.testing import FakeClock

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
CYCLES, RESTARTS = 100_000 if FULL else 10_000, 20
COOLDOWN = 30.0
HOUR, YEAR = 3600.0, 365 * 86400.0


class Agents:
    """One agent after another on the same disk; `released` is when, by the test's own notes, who gave what back."""

    def __init__(self, home, clock):
        self._home, self._clock, self._journal = home, clock, None
        self.released, self.shortest, self.waited = {}, float("inf"), 0
        self.restart()

    def restart(self):
        self.close()
        self._journal, stored = Journal.open(
            self._home / "leases.journal", "boot", marker=self._home / "run" / "marker", cooldown=COOLDOWN
        )
        assert stored.damage == ""
        self.ipam = Ipam(self._journal, self._clock, cooldown=COOLDOWN)
        self.ipam.load(stored)
        self.ipam.add_pool("v4", Prefix.parse("10.0.0.0/28"))

    def close(self):
        if self._journal is not None:
            self._journal.close()

    def add(self, name, uid):
        sandbox = Sandbox(name, "eth0", pod_uid=uid)
        try:
            lease = self.ipam.allocate(sandbox, "test", ["v4"])
        except Retry as error:
            self.waited += 1
            self._clock.advance(error.after)
            lease = self.ipam.allocate(sandbox, "test", ["v4"])  # it is ready when it was said to be
        at, last = self.released.get(lease.addresses[0], (-YEAR, ""))
        if last != uid:
            self.shortest = min(self.shortest, self._clock.now() - at)
        return lease

    def delete(self, lease):
        self.ipam.release(lease)
        self.released[lease.addresses[0]] = (self._clock.now(), lease.sandbox.pod_uid)


def test_t15_the_reuse_distance_is_never_shorter_than_the_cool_down(tmp_path):
    chance, clock = random.Random(15), FakeClock()
    agents, live = Agents(tmp_path, clock), []
    for cycle in range(CYCLES):
        clock.advance(chance.choice((0.0, 0.5, 1.0, 2.0)))
        live.append(agents.add(f"c{cycle}", f"uid-{chance.randrange(40)}"))
        if len(live) > 5:
            agents.delete(live.pop(chance.randrange(len(live))))
        if cycle % (CYCLES // RESTARTS) == 0:
            agents.restart()
        if cycle % (CYCLES // 8) == 1:
            clock.advance(chance.choice((HOUR, YEAR)))  # suspended: everything is ready, and nothing breaks
    agents.close()
    assert agents.shortest >= COOLDOWN
    assert agents.shortest < COOLDOWN + 1, "and the pool was not so large that it could not be shorter"
    assert agents.waited > CYCLES / 100


@pytest.mark.parametrize("module", ["core.ipam", "core.pools", "agent.store", "agent.records", "agent.service"])
def test_t15_who_counts_cool_downs_has_no_clock_of_its_own(module):
    names = vars(import_module(f"terway_edge.{module}")).values()
    homes = {getattr(value, "__module__", getattr(value, "__name__", "")) for value in names}
    assert not homes & {"time", "datetime"}


def test_t15_the_clock_counts_from_boot():
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= BootClock().now() <= time.clock_gettime(time.CLOCK_BOOTTIME)
