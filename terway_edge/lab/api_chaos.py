"""What may happen to an API server while pods of all domains ping each other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from terway_edge.lab.acts import Deed
from terway_edge.lab.agents import Agent
from terway_edge.lab.api_server import DoubleServer
from terway_edge.lab.api_side import ApiSide
from terway_edge.lab.convergence import Convergence, Good
from terway_edge.lab.errors import LabError
from terway_edge.lab.guests import come_and_go
from terway_edge.lab.lans import lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.sessions import Session
from terway_edge.lab.steps import Step

AWAY = 3.0  # seconds at least
RETURN_LIMIT = 30.0  # seconds until everybody follows again: pauses grow, and a listing after a 410 is put off
REBORN = ("node-2", "cloud-1")
"""Whose agents are killed, and start, while the server is away: a speaker and one on ENIs."""
VISITED = (*REBORN, "node-3", "ens-1")
LATE_NODE = 7
"""Number of a node that comes and goes."""


class ApiChaos:
    """Problems of the steps tell what was disturbed. Raises LabError if something stays away."""

    def __init__(
        self,
        side: ApiSide,
        agents: Mapping[str, Agent],
        pods: Sequence[LabPod],
        convergence: Convergence,
        outcome: Outcome,
        layout: Layout,
        processes: Processes,
    ) -> None:
        self._side = side
        self._agents = agents
        self._pods = pods
        self._convergence = convergence
        self._outcome = outcome
        self._layout = layout
        self._processes = processes
        self._late = lab_node(layout, LATE_NODE)

    def run(self) -> list[Deed]:
        deeds = [self._be_away()]
        if isinstance(self._side.server, DoubleServer):
            deeds.append(self._restore(self._side.server))
        return deeds

    def _be_away(self) -> Deed:
        """Pods come and go, agents start from what they have on disk, sessions stay."""
        deed = Deed(f"API server away: pods, and agents of {' and '.join(REBORN)}, come and go", time.time())
        with self._outcome.steps.step(deed.name) as step:
            begin = time.monotonic()
            self._side.server.cut()
            ready = self._rebear()
            slowest = max(self._visit(name) for name in VISITED)
            found = self._convergence.wait_sessions()
            time.sleep(max(begin + AWAY - time.monotonic(), 0))
            away = time.monotonic() - begin
            self._compare(step, [session for session in found if session.speaker not in REBORN], away)
            self._side.server.mend()
            back = self._wait_followed()
            step.detail = (
                f"away for {away:.1f} s: agents are ready after {ready:.1f} s, a pod waits {slowest * 1000:.0f} ms; "
                f"followed again after {back:.1f} s"
            )
        return deed._replace(note=step.detail)

    def _restore(self, server: DoubleServer) -> Deed:
        """What came after the backup never happened; what agents wrote since, they write again."""
        deed = Deed("API server back with a backup that lacks a node", time.time())
        with self._outcome.steps.step(deed.name) as step:
            server.back_up()
            self._side.cluster.put(self._late)
            self._wait_prefixes(set(self._late.pod_cidrs).issubset)
            server.cut()
            server.restore()
            server.mend()
            gone = self._wait_prefixes(set(self._late.pod_cidrs).isdisjoint)
            self._settle()
            step.detail = f"its routes have gone everywhere after {gone:.1f} s"
        self._side.look(self._pods)
        return deed._replace(note=step.detail)

    def _rebear(self) -> float:
        """Seconds until the killed ones are ready."""
        agents = [self._agents[name] for name in REBORN]
        for agent in agents:
            agent.kill()
        begin = time.monotonic()
        for agent in agents:
            agent.start()
        for agent in agents:
            agent.wait_ready()
        return time.monotonic() - begin

    def _visit(self, name: str) -> float:
        return come_and_go(self._agents[name], 1, self._layout, self._processes)

    @staticmethod
    def _compare(step: Step, sessions: Sequence[Session], seconds: float) -> None:
        """They must be older than that."""
        for session in sessions:
            if session.since < seconds:
                step.problem(f"{session} since {session.since:.1f} s: it did not stay")

    def _wait_followed(self) -> float:
        """Seconds until a new node is known everywhere; it is removed again."""
        self._side.cluster.put(self._late)
        seconds = self._wait_prefixes(set(self._late.pod_cidrs).issubset)
        self._side.cluster.remove(self._late)
        self._wait_prefixes(set(self._late.pod_cidrs).isdisjoint)
        self._settle()
        return seconds

    def _wait_prefixes(self, good: Good) -> float:
        done, late = self._convergence.wait_prefixes(time.monotonic(), good, RETURN_LIMIT)
        if late:
            raise LabError(f"after {RETURN_LIMIT:.0f} s the routes of {', '.join(late)} have not changed")
        return max(done.values())

    def _settle(self) -> None:
        self._convergence.wait_sessions()
        self._convergence.wait_learned()
