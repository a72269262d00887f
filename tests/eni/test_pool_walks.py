"""Random walks: no address with two owners, none released in use, nothing left behind, calls within budget."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from terway_edge.testing.cloud_faults import Fault
from tests.eni.walks import OUTSIDE, PAUSES, make_world, walk
from tests.eni.world import VERBS, World


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of failures are told; the trace says more."""
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_walks_end_in_order(start: int) -> None:
    for seed in range(start, start + 50):
        walk(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 3000, 500))
def test_many_walks_end_in_order(start: int) -> None:
    for seed in range(start, start + 500):
        walk(seed)


def test_a_walk_is_told_by_its_seed() -> None:
    assert walk(7) == walk(7) != walk(8)


@given(st.integers(0, 10_000), st.integers(1, 150))
@settings(max_examples=60)
def test_walks_of_any_length(seed: int, steps: int) -> None:
    walk(seed, steps)


class Node(RuleBasedStateMachine):
    """The same steps in sequences that Hypothesis chooses, and makes short when they fail."""

    world: World

    @initialize(seed=st.integers(0, 500))
    def begin(self, seed: int) -> None:
        self.world = make_world(seed)

    @rule(count=st.integers(1, 12))
    def pods_come(self, count: int) -> None:
        self.world.pods_come(count)

    @rule(count=st.integers(1, 12))
    def pods_go(self, count: int) -> None:
        self.world.pods_go(count)

    @rule()
    def someone_gives_up(self) -> None:
        self.world.someone_gives_up()

    @rule()
    def think(self) -> None:
        self.world.think()

    @rule(count=st.integers(1, 10))
    @precondition(lambda self: self.world.under_way)
    def finish(self, count: int) -> None:
        self.world.finish(count)

    @rule(count=st.integers(1, 10))
    @precondition(lambda self: self.world.answers)
    def hear(self, count: int) -> None:
        self.world.hear(count)

    @rule(seconds=st.sampled_from(PAUSES))
    def wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule()
    def crash(self) -> None:
        self.world.crash()

    @rule(verb=st.sampled_from(VERBS), fault=st.sampled_from(Fault))
    def fault(self, verb: str, fault: Fault) -> None:
        self.world.fault(verb, fault)

    @rule(fault=st.none() | st.sampled_from(Fault))
    def outage(self, fault: Fault | None) -> None:
        self.world.outage(fault)

    @rule(seconds=st.sampled_from([0.0, 20.0, 300.0]))
    def lists_are_old(self, seconds: float) -> None:
        self.world.lists_are_old(seconds)

    @rule(left=st.sampled_from([0, 1, 5]))
    def vswitch_fills_up(self, left: int) -> None:
        self.world.vswitch_fills_up(self.world.vswitch_ids[0], left)

    @rule()
    def vswitch_empties(self) -> None:
        self.world.vswitch_empties(self.world.vswitch_ids[0])

    @rule(fails=st.booleans())
    def disk(self, fails: bool) -> None:
        self.world.disk(fails)

    @rule(what=st.sampled_from(OUTSIDE))
    def outside(self, what: str) -> None:
        self.world.outside(what)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.check_end()


TestNode = Node.TestCase
TestNode.settings = settings(max_examples=100, stateful_step_count=50, suppress_health_check=list(HealthCheck))
