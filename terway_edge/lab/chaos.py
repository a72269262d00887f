"""Everything an operator may do to agents, and the cloud to its callers, while pods of all domains ping each other."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from terway_edge.lab import clouds
from terway_edge.lab.acts import Deed, judge
from terway_edge.lab.agents import Agent
from terway_edge.lab.cloud_process import CloudProcess
from terway_edge.lab.cluster import Cluster
from terway_edge.lab.convergence import Convergence, Good, wait_until_none
from terway_edge.lab.errors import LabError
from terway_edge.lab.fabric import Fabric, Switch
from terway_edge.lab.guests import come_and_go
from terway_edge.lab.lans import LAST_OF_FIRST_LAN, LabNode
from terway_edge.lab.layout import Layout
from terway_edge.lab.outcome import Outcome
from terway_edge.lab.peers import SECRET, secret_object
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import RibPath
from terway_edge.lab.streams import INTERVAL, Stream

VICTIM = f"node-{LAST_OF_FIRST_LAN}"
"""A node that is no speaker, and leaves the cluster for a moment."""
CHANGE_LIMIT = 2.0  # seconds until a change is known everywhere
STALE_LIMIT = 2.0  # seconds until a switch notices that a speaker is gone
GONE = 0.5  # seconds that a speaker is away at least
ANSWER_LIMIT = 5.0  # seconds until every stream has the next answers
ANSWERS = 3
CALM_LIMIT = 20.0  # seconds until an agent that was throttled has called again
MANY = 6
"""Pods, one more than a node keeps addresses ready for."""
REFUSED = 3


class Chaos:
    """One series of deeds; the pings run from before the first to after the last."""

    def __init__(
        self,
        agents: Mapping[str, Agent],
        pods: Sequence[LabPod],
        cluster: Cluster,
        fabric: Fabric,
        cloud: CloudProcess,
        convergence: Convergence,
        outcome: Outcome,
        layout: Layout,
        processes: Processes,
        more: Callable[[], Sequence[Deed]],
    ) -> None:
        """:param more: what else is done at the end"""
        self._agents = agents
        self._cloud = cloud
        self._layout = layout
        self._processes = processes
        self._pods = pods
        self._cluster = cluster
        self._first, self._second = fabric.switches
        self._convergence = convergence
        self._outcome = outcome
        self._more = more
        self._deeds: list[Deed] = []

    def run(self) -> None:
        """Problems of the steps tell packets that were lost without need. Raises LabError if an agent stays away."""
        with self._outcome.steps.step("pods of all domains ping each other without a pause") as step:
            streams = self._start_streams()
            step.detail = f"{len(streams)} pings, a packet every {INTERVAL * 1000:.0f} ms each"
        one, other = self._first.lan.speakers
        self._leave([one], "killed (SIGKILL) and started", self._first, is_kill=True)
        self._leave([other], "upgraded (SIGTERM, start)", self._first, is_kill=False)
        self._leave(self._second.lan.speakers, "killed (SIGKILL) at once and started", self._second, is_kill=True)
        self._remove_node()
        self._change_password()
        self._kill_in_the_cloud()
        self._throttle()
        self._deeds += self._more()
        with self._outcome.steps.step("what the pings lost") as step:
            end = time.time()
            self._wait_answers(streams)
            found = {str(s): ((s.source.node.name, s.target.node.name), s.stop()) for s in streams}
            self._outcome.acts = judge(self._deeds, end, found)
            for act in self._outcome.acts:
                if act.unexplained:
                    step.problem(f"{act.name}: {act.unexplained} of {act.sent} packets lost, {act.why}")
            step.detail = f"{sum(act.sent for act in self._outcome.acts)} sent"

    def _start_streams(self) -> list[Stream]:
        """One pod of each node with one of the second LAN, in both directions and the families that both have."""
        first = [pod for pod in self._pods if pod.number == 1]
        near = [pod for pod in first if pod.node.domain == self._first.lan.name]
        far = [pod for pod in first if pod.node.domain == self._second.lan.name]
        beyond = [pod for pod in first if pod not in near + far]
        pairs = [(pod, far[number % len(far)]) for number, pod in enumerate(near + beyond)]
        directory = self._layout.root / "pings"
        directory.mkdir()
        streams = [
            Stream(source, target, family, directory, self._processes)
            for pair in pairs
            for source, target in (pair, pair[::-1])
            for family in source.node.families
            if family in target.node.families
        ]
        self._wait_answers(streams)
        return streams

    @staticmethod
    def _wait_answers(streams: Sequence[Stream]) -> None:
        """Until each has some more, so that everything sent before now was either answered or lost for good."""
        wanted = {stream: stream.answered + ANSWERS for stream in streams}
        wait_until_none(lambda: [f"{s}: no answer" for s in streams if s.answered < wanted[s]], ANSWER_LIMIT)

    def _leave(self, names: Sequence[str], what: str, switch: Switch, *, is_kill: bool) -> None:
        """End agents of speakers, wait until the switch has noticed, start them again."""
        agents = [self._agents[name] for name in names]
        deed = self._begin(f"{' and '.join(names)} {what}")
        with self._outcome.steps.step(deed.name) as step:
            before = self._told(switch, names)
            for agent in agents:
                agent.kill() if is_kill else agent.terminate()
            step.detail = self._wait_stale(switch, before)
            if not is_kill:
                for agent in agents:
                    agent.wait()
            time.sleep(GONE)
            for agent in agents:
                agent.start()
            for agent in agents:
                agent.wait_ready()
            self._settle()
        self._deeds.append(deed._replace(note=step.detail))

    def _remove_node(self) -> None:
        """Not a speaker: nobody else's packets may suffer."""
        node = self._edge_node(VICTIM)
        reason = f"only to and from {VICTIM}, to whose pods nobody knows a way while it is not in the cluster"
        cidrs = set(node.pod_cidrs)
        deed = self._begin(f"{VICTIM} deleted and added", victim=VICTIM, reason=reason)
        with self._outcome.steps.step(deed.name) as step:
            removed = self._cluster.remove(node)
            gone = self._wait_prefixes(cidrs.isdisjoint)
            self._cluster.put_object(node.name, removed)
            back = self._wait_prefixes(cidrs.issubset)
            self._settle()
            step.detail = f"known everywhere after {gone * 1000:.0f} ms and {back * 1000:.0f} ms"
        self._deeds.append(deed)

    def _change_password(self) -> None:
        """In the Secret first, then at the switch, one speaker after the other, so that one of them always is heard."""
        switch = self._first
        deed = self._begin(f"password of {switch.lan.peer} changed: Secret, then {switch.lan.switch}")
        with self._outcome.steps.step(deed.name) as step:
            before = self._told(switch, switch.lan.speakers)
            password = secrets.token_hex(8)
            self._cluster.put_object(SECRET, secret_object(password))
            if self._cluster.watches_secrets:
                step.detail = self._wait_stale(switch, before)
            for name in switch.lan.speakers:
                if not self._cluster.watches_secrets:  # once a minute is too seldom for a lab
                    self._restart(self._agents[name])
                    step.detail = "agents read it at their start"
                switch.set_password(self._edge_node(name), password)
                self._convergence.wait_sessions([name])
            self._settle()
        self._deeds.append(deed._replace(note=step.detail))

    @staticmethod
    def _restart(agent: Agent) -> None:
        agent.terminate()
        agent.wait()
        agent.start()
        agent.wait_ready()

    def _kill_in_the_cloud(self) -> None:
        """Addresses, rules and ENIs stay, and the next agent finds them again."""
        agents = self._cloud_agents()
        deed = self._begin("agents of the cloud killed (SIGKILL) at once and started")
        with self._outcome.steps.step(deed.name) as step:
            before = {eni.id for eni in self._cloud.report().enis}
            for agent in agents:
                agent.kill()
            time.sleep(GONE)
            for agent in agents:
                agent.start()
            for agent in agents:
                agent.wait_ready()
            self._settle()
            kept = before & {eni.id for eni in self._cloud.report().enis}
            step.detail = f"{len(kept)} of {len(before)} ENIs kept"
        self._deeds.append(deed._replace(note=step.detail))

    def _throttle(self) -> None:
        """The cloud refuses every call: a pod comes and goes on each of its nodes, for which none is needed. Then it
        refuses some, while more pods come than addresses are ready."""
        agents = self._cloud_agents()
        deed = self._begin("calls to the cloud throttled, pods added and deleted")
        with self._outcome.steps.step(deed.name) as step:
            self._wait_calm(agents)  # after its start an agent may still fill its pool
            before = self._cloud.report().made
            self._cloud.load_faults([{"kind": "throttle"}])
            warm = max(come_and_go(agent, 1, self._layout, self._processes) for agent in agents)
            made = self._cloud.report().made - before
            self._cloud.load_faults([{"kind": "throttle", "count": REFUSED}])
            cold = come_and_go(agents[0], MANY, self._layout, self._processes)
            self._wait_calm(agents)
            step.detail = f"with {made} calls a pod waits {warm * 1000:.0f} ms, after {REFUSED} refused {cold:.1f} s"
        self._deeds.append(deed._replace(note=step.detail))

    @staticmethod
    def _wait_calm(agents: Sequence[Agent]) -> None:
        """Until nothing is on its way, and nothing wrong."""
        wait_until_none(lambda: [said for agent in agents for said in agent.unrest()], CALM_LIMIT)

    def _cloud_agents(self) -> list[Agent]:
        return [agent for agent in self._agents.values() if agent.node.domain in (clouds.CLOUD, clouds.ENS)]

    def _edge_node(self, name: str) -> LabNode:
        node = self._agents[name].node
        assert isinstance(node, LabNode)
        return node

    def _told(self, switch: Switch, speakers: Sequence[str]) -> list[RibPath]:
        """The paths that a switch has from some speakers."""
        addresses = {self._agents[name].node.addresses[0] for name in speakers}
        paths = [path for version in (4, 6) for path in switch.router.paths(version)]
        return [path for path in paths if path.peer in addresses]

    def _wait_stale(self, switch: Switch, before: Sequence[RibPath]) -> str:
        """Until the switch has lost the sessions that told the paths; raises LabError if it drops some of them."""

        def faults() -> list[str]:
            paths = {path for version in (4, 6) for path in switch.router.paths(version)}
            return [
                f"{switch.lan.switch} does not keep {path.prefix} of {path.peer}"
                for path in before
                if path._replace(stale=True) not in paths
            ]

        wait_until_none(faults, STALE_LIMIT)
        return f"{switch.lan.switch} kept {len({path.prefix for path in before})} prefixes as stale"

    def _wait_prefixes(self, good: Good) -> float:
        """Seconds until all but the victim's own routes are good. Raises LabError if some are late."""
        done, late = self._convergence.wait_prefixes(time.monotonic(), good, CHANGE_LIMIT, but=VICTIM)
        if late:
            raise LabError(f"after {CHANGE_LIMIT:.0f} s the routes of {', '.join(late)} have not changed")
        return max(done.values())

    def _settle(self) -> None:
        """Until all is as before."""
        self._convergence.wait_sessions()
        self._convergence.wait_learned()

    @staticmethod
    def _begin(name: str, victim: str = "", reason: str = "") -> Deed:
        return Deed(name, time.time(), victim, reason)
