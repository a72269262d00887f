"""Waiting until nodes and switches know what the manifests say: sessions up, prefixes learned, routes in kernels."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

from terway_edge.lab import routes, sessions
from terway_edge.lab.agents import Agent
from terway_edge.lab.errors import LabError
from terway_edge.lab.fabric import Fabric
from terway_edge.lab.lans import LabNode
from terway_edge.lab.learned import Learned, compare, expected
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Router
from terway_edge.lab.sessions import Session

SESSION_LIMIT = 20.0  # seconds; a switch that was told nothing yet turns a speaker away, and it waits before it returns
LEARN_LIMIT = 5.0  # seconds from established sessions to routes in all kernels
POLL = 0.01

Good = Callable[[Iterable[str]], bool]


class Convergence:
    """Looks at all nodes and routers of the lab; `nodes` are those that run."""

    def __init__(
        self, nodes: Sequence[LabNode], agents: Mapping[str, Agent], fabric: Fabric, processes: Processes
    ) -> None:
        self._nodes = nodes
        self._agents = agents
        self._fabric = fabric
        self._processes = processes

    def wait_sessions(self, speakers: Collection[str] = ()) -> list[Session]:
        """Of these speakers, or all: with their switch, all prefixes announced. Raises LabError with what is not so."""
        names = speakers or [node.name for node in self._nodes if node.is_speaker]
        found: list[Session] = []

        def faults() -> list[str]:
            found[:] = chain.from_iterable(self._agents[name].sessions() for name in names)
            return sessions.faults(self._nodes, names, found)

        wait_until_none(faults, SESSION_LIMIT)
        return found

    def wait_learned(self) -> None:
        """Every pod CIDR at every switch and in its kernel. Raises LabError with what is not as it should be."""
        wait_until_none(self._unlearned, LEARN_LIMIT)

    def learned(self) -> list[Learned]:
        """What the switches say they learned by BGP."""
        rows: list[Learned] = []
        for switch in self._fabric.switches:
            others = [other.lan for other in self._fabric.switches if other is not switch]
            paths = list(chain.from_iterable(switch.router.paths(version) for version in (4, 6)))
            rows += compare(switch.lan.switch, expected(switch.lan, others, self._nodes), paths)
        return rows

    def wait_prefixes(
        self, begin: float, good: Good, limit: float, *, but: str = ""
    ) -> tuple[dict[str, float], list[str]]:
        """(seconds since `begin` after which the routes of a node or router were good, names of those that are late).

        Node `but` is not looked at.
        """
        waiting: dict[str, LabNode | Router] = {node.name: node for node in self._nodes if node.name != but}
        waiting |= {router.name: router for router in self._fabric.routers}
        done: dict[str, float] = {}
        while waiting and time.monotonic() - begin <= limit:
            for name, place in list(waiting.items()):
                if good(self._prefixes(place)):
                    del waiting[name]
                    done[name] = time.monotonic() - begin
            time.sleep(POLL)
        return done, list(waiting)

    def _prefixes(self, place: LabNode | Router) -> set[str]:
        """A node's own routes, or what a router learned and forwards."""
        if isinstance(place, LabNode):
            return {route.prefix for route in routes.read(place.netns, self._processes)}
        return {prefix for version in (4, 6) for prefix in place.kernel_routes(version)}

    def _unlearned(self) -> list[str]:
        said = [f"{row.switch}: {row.prefix} {row.state}" for row in self.learned() if row.state != "ok"]
        wanted = {cidr for node in self._nodes for cidr in node.pod_cidrs}
        for router in self._fabric.routers:
            said += [f"{router.name} does not forward {cidr}" for cidr in sorted(wanted - self._prefixes(router))]
        return said


def wait_until_none(faults: Callable[[], Sequence[str]], limit: float) -> None:
    """Raises LabError if `faults` still finds some after `limit` seconds."""
    deadline = time.monotonic() + limit
    while said := faults():
        if time.monotonic() > deadline:
            raise LabError(f"after {limit:.0f} s: {'; '.join(said)}")
        time.sleep(POLL)
