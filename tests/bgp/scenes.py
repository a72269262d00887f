"""Speakers and switches in memory, one clock and one thread: time passes only when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from terway_edge.backends.bgp.messages import Family, Path, Segment, Update
from terway_edge.backends.bgp.peer_spec import PeerSpec, Rebirth
from terway_edge.backends.bgp.peering import Edge, SessionState, Surroundings
from terway_edge.backends.bgp.speaker import Speaker
from terway_edge.backends.bgp.wish import Attributes, Routes, Wish
from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing import FakeClock
from terway_edge.testing.bgp_network import MemoryNetwork
from terway_edge.testing.bgp_switch import FakeSwitch
from tests.bgp.sessions import SPEAKER, switch_of

ROUNDS = 10_000
"""After so many, nobody comes to rest any more."""
FIRST_LIFE = Rebirth()


def routes(*numbers: int, hop: str = "192.0.2.20") -> Routes:
    """A /24 and a /64 for each number."""
    return {
        Family.IPV4: {Prefix.parse(f"10.1.{number}.0/24"): Address.parse(hop) for number in numbers},
        Family.IPV6: {Prefix.parse(f"fd00:1:0:{number:x}::/64"): Address.parse("2001:db8::20") for number in numbers},
    }


def many(count: int) -> Routes:
    """As many /24s, each with a next hop of its own: one message for each."""
    found = {Prefix(4, (10 << 24) + (n << 8), 24): Address(4, (100 << 24) + n + 1) for n in range(count)}
    return {Family.IPV4: found}


def prefixes_of(wanted: Routes) -> set[Prefix]:
    return {prefix for family in wanted.values() for prefix in family}


def wish(
    *numbers: int, spec: PeerSpec = SPEAKER, rebirth: Rebirth = FIRST_LIFE, attributes: Attributes | None = None
) -> Wish:
    return Wish(spec, routes(*numbers), attributes or Attributes(), rebirth)


def announcement(count: int, first: int = 0) -> Update:
    """What a switch might send: as many /24s."""
    found = tuple(Prefix(4, (50 << 24) + (number << 8), 24) for number in range(first, first + count))
    return Update(announced=found, path=Path(as_path=(Segment((65001,)),), next_hop=SPEAKER.address))


class Driven:
    """A speaker whose loop the test drives."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker

    @property
    def deadline(self) -> float | None:
        return self.speaker.deadline

    def turn(self) -> bool:
        return self.speaker.turn(0)


class Life(Driven):
    """One process' speaker and what it told."""

    def __init__(self, scene: Scene, listen_port: int, most_received: int, ends_when_over: bool) -> None:
        self.edges: list[Edge] = []
        self.on_edge: Callable[[Edge], None] = self.edges.append
        around = Surroundings(
            scene.network, lambda edge: self.on_edge(edge), lambda pause: pause, most_received, ends_when_over
        )
        super().__init__(Speaker(around, scene.clock.now, listen_port))

    @property
    def states(self) -> Mapping[Address, SessionState]:
        return {state.spec.address: state for state in self.speaker.states}

    @property
    def state(self) -> SessionState:
        """Of the only session."""
        (state,) = self.speaker.states
        return state

    @property
    def told(self) -> list[str]:
        """Every edge in a word: `up`, `gone`, or the reason of a failure, with `lost:` before it if it was up."""
        return [_word(edge) for edge in self.edges]


def _word(edge: Edge) -> str:
    if edge.failure is not None:
        return f"lost:{edge.failure.reason}" if edge.was_established else edge.failure.reason
    return "gone" if edge.is_gone else "up"


class Scene:
    """Everybody who is there, and the time."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.network = MemoryNetwork()
        self._all: list[Driven | FakeSwitch] = []
        self._held: list[Driven | FakeSwitch] = []

    def start(self, *, listen_port: int = 0, most_received: int = 0, ends_when_over: bool = False) -> Life:
        life = Life(self, listen_port, most_received, ends_when_over)
        self._all.append(life)
        return life

    def adopt(self, speaker: Speaker) -> Driven:
        """Somebody else's speaker, which has no thread."""
        driven = Driven(speaker)
        self._all.append(driven)
        return driven

    def switch(self, spec: PeerSpec = SPEAKER, **changes: object) -> FakeSwitch:
        """The other side of `spec`, with what is different there."""
        made = FakeSwitch(replace(switch_of(spec), **changes), self.network, self.clock.now)  # type: ignore[arg-type]
        self._all.append(made)
        return made

    def want(self, life: Life, *wishes: Wish) -> None:
        life.speaker.want(wishes)
        self.settle()

    def settle(self) -> None:
        """Let everybody act until nothing is left to do at this moment."""
        for _ in range(ROUNDS):
            if not (sum(each.turn() for each in self._all) or self._is_due()):
                return
        raise AssertionError("they never come to rest")

    def advance(self, seconds: float) -> None:
        """Let time pass, with every timer at its moment."""
        self.settle()
        until = self.clock.now() + seconds
        while (due := self._next()) is not None and due <= until:
            self.clock.advance(max(due - self.clock.now(), 0.0))
            self.settle()
        self.clock.advance(until - self.clock.now())
        self.settle()

    def end(self, one: Driven | FakeSwitch) -> None:
        """It closes everything without a word, as a process does that is killed."""
        self._all.remove(one)
        (one.speaker if isinstance(one, Driven) else one).close()
        self.settle()

    def hold(self, one: Driven | FakeSwitch) -> None:
        """It does nothing any more until `release`."""
        self._all.remove(one)
        self._held.append(one)

    def release(self, one: Driven | FakeSwitch) -> None:
        self._held.remove(one)
        self._all.append(one)

    def close(self) -> None:
        for one in (*self._all, *self._held):
            (one.speaker if isinstance(one, Driven) else one).close()
        self.network.close()

    def _next(self) -> float | None:
        return min((each.deadline for each in self._all if each.deadline is not None), default=None)

    def _is_due(self) -> bool:
        due = self._next()
        return due is not None and due <= self.clock.now()
