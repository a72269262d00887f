"""Whatever happens to a session in whatever order, in the end the switch knows the last wish and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.fsm import State
from terway_edge.backends.bgp.messages import Family, Notification, RouteRefresh
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from tests.bgp.scenes import Life, Scene, prefixes_of, routes, wish
from tests.bgp.sessions import SPEAKER, switch_of

LONG = 120.0
"""Seconds in which everybody who wants a session has one, whatever happened before."""
NUMBERS = st.sets(st.integers(0, 5))
ENDS = [Notification(Code.CEASE, Cease.RESET), Notification(Code.CEASE, Cease.SHUTDOWN), None]
SPECS = [SPEAKER, replace(SPEAKER, hold_time=30), replace(SPEAKER, notification=False), replace(SPEAKER, keepalive=3)]


def assert_edges_alternate(told: Sequence[str]) -> None:
    """Nobody is told that a session came up twice, or was lost that was not up."""
    is_up = False
    for word in told:
        if word == "up" or word.startswith("lost:"):
            assert (word == "up") != is_up, told
        is_up = word == "up" or (is_up and not word.startswith("lost:") and word != "gone")


class PeeringModel(RuleBasedStateMachine):
    """One speaker, its deaths and rebirths, and one switch with graceful restart."""

    @initialize(has_restart=st.booleans())
    def begin(self, has_restart: bool) -> None:
        self.has_restart = has_restart
        self.world = Scene()
        self.switch = self.world.switch(restart_time=600 if has_restart else 0)
        self.spec: PeerSpec = SPEAKER
        self.numbers: set[int] | None = None
        self.rebirth = Rebirth()
        self.life: Life = self.world.start()

    def teardown(self) -> None:
        self.world.close()

    def want(self) -> None:
        if self.numbers is None:
            self.world.want(self.life)
        else:
            self.world.want(self.life, wish(*self.numbers, spec=self.spec, rebirth=self.rebirth))

    @rule(numbers=NUMBERS)
    def set(self, numbers: set[int]) -> None:
        self.numbers = numbers
        self.want()

    @rule(spec=st.sampled_from(SPECS))
    def change(self, spec: PeerSpec) -> None:
        self.spec = spec
        self.want()

    @rule()
    def leave(self) -> None:
        self.numbers = None
        self.want()

    @rule()
    def leave_and_come_back_in_one_breath(self) -> None:
        self.life.speaker.want([])
        self.want()

    @rule(seconds=st.floats(0, 700))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(end=st.sampled_from(ENDS))
    def reset(self, end: Notification | None) -> None:
        self.switch.stop(end)
        self.world.settle()

    @rule()
    def cut(self) -> None:
        self.world.network.reset(SPEAKER.local_address)
        self.world.settle()

    @rule()
    def silence(self) -> None:
        self.world.network.silent ^= {SPEAKER.address}
        self.world.settle()

    @precondition(lambda self: self.switch.is_established)
    @rule(family=st.sampled_from(Family))
    def refresh(self, family: Family) -> None:
        self.switch.send(RouteRefresh(family))
        self.world.settle()

    @precondition(lambda self: self.numbers is not None)
    @rule()
    def die_and_be_reborn(self) -> None:
        """SIGKILL and a new process that has read everything before it connects (R1)."""
        self.assert_told()
        self.world.end(self.life)
        self.rebirth = Rebirth(restarting=True)
        self.life = self.world.start()
        self.want()

    @rule()
    def come_to_rest(self) -> None:
        self.world.network.silent.clear()
        self.world.advance(LONG)
        if self.numbers is None:
            assert (self.switch.paths, self.life.speaker.states) == ({}, ())
            return
        assert self.life.state.state is State.ESTABLISHED
        assert self.life.state.is_settled
        assert self.switch.paths.keys() == prefixes_of(routes(*self.numbers))
        assert not self.switch.stale
        before = len(self.switch.opens)
        self.world.advance(LONG)
        assert len(self.switch.opens) == before  # it stays so

    @invariant()
    def assert_told(self) -> None:
        assert_edges_alternate(self.life.told)


PeeringModel.TestCase.settings = settings(max_examples=60, stateful_step_count=15)
test_in_the_end_the_switch_knows_the_last_wish = PeeringModel.TestCase


ACCIDENTS = st.lists(st.tuples(st.sampled_from(["cut", "kill", "new hold time"]), st.floats(0, 590)), max_size=6)


@settings(max_examples=40)
@given(accidents=ACCIDENTS)
def test_a_switch_with_graceful_restart_loses_no_route_by_what_happens_to_us(
    accidents: list[tuple[str, float]],
) -> None:
    """R1, R2, R4, R5, R8: broken connections, SIGKILL and new settings, each within the restart time."""
    world = Scene()
    try:
        switch, life = world.switch(), world.start()
        spec, rebirth = SPEAKER, Rebirth()
        world.want(life, wish(1, 2, 3))
        for accident, pause in accidents:
            if accident == "cut":
                world.network.reset(SPEAKER.local_address)
            elif accident == "kill":
                world.end(life)
                world.advance(pause)
                life, rebirth = world.start(), Rebirth(restarting=True)
            else:
                spec = replace(spec, hold_time=spec.hold_time + 3)
            world.want(life, wish(1, 2, 3, spec=spec, rebirth=rebirth))
            world.advance(pause)
        world.advance(LONG)
        assert switch.lost == []
        assert (switch.paths.keys(), switch.stale) == (prefixes_of(routes(1, 2, 3)), set())
    finally:
        world.close()


@settings(max_examples=60)
@given(
    order=st.lists(st.booleans(), max_size=40),
    ids=st.sampled_from([(1, 2), (2, 1), (7, 7)]),
    losses=st.integers(0, 2),
)
def test_two_that_dial_and_listen_keep_one_connection(order: list[bool], ids: tuple[int, int], losses: int) -> None:
    """In whatever order both sides get to act."""
    world = Scene()
    try:
        here, there = world.start(listen_port=179), world.start(listen_port=179)
        here.speaker.want([wish(1, spec=replace(SPEAKER, router_id=ids[0]))])
        there.speaker.want([wish(2, spec=replace(switch_of(SPEAKER), router_id=ids[1]))])
        for _ in range(losses + 1):
            for is_here in order:
                (here if is_here else there).turn()
            world.advance(30)
            assert [life.state.state for life in (here, there)] == [State.ESTABLISHED] * 2
            assert [life.state.received for life in (here, there)] == [2, 2]
            assert world.network.open == 2
            world.network.reset(SPEAKER.address)
        for life in (here, there):
            assert_edges_alternate(life.told)
    finally:
        world.close()
