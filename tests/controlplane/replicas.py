"""Replicas of the control plane over the API server double, in one thread: the test says which one takes the next step,
which requests arrive late or never, and who dies."""

from __future__ import annotations

import itertools
import json
from collections.abc import Coroutine, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from msgspec.json import decode

from terway_edge.cluster.api.failures import ApiError, UnreachableError
from terway_edge.cluster.api.transport import Query
from terway_edge.controlplane.allocator import Rules
from terway_edge.controlplane.api import LeadersApi, NotLeadingError
from terway_edge.controlplane.election import Election, Terms
from terway_edge.controlplane.following import World
from terway_edge.controlplane.leadership import Leadership
from terway_edge.controlplane.objects import NodeSeen, read_node
from terway_edge.controlplane.pod_cidrs import PodCidrs
from terway_edge.core.ports import Json
from terway_edge.testing.apiserver import ApiServer
from terway_edge.testing.apiserver.call import Call
from terway_edge.testing.apiserver.reply import Reply
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.events import RecordedEvents

TERMS = Terms()


class _Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass(eq=False)
class Flight:
    """A request between client and server."""

    call: Call
    reply: Reply | None = None


class Network:
    """An `Api` whose requests wait twice: before they have their effect, and before the answer arrives."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.late: list[Flight] = []

    async def get(self, path: str, query: Query = ()) -> bytes:
        return await self._fly(Call.of("GET", f"{path}?{urlencode(list(query))}", {}))

    async def send(
        self, method: str, path: str, body: Mapping[str, Json], content_type: str, query: Query = ()
    ) -> bytes:
        text = json.dumps(body).encode()
        return await self._fly(
            Call.of(method, f"{path}?{urlencode(list(query))}", {"content-type": content_type}, text)
        )

    async def _fly(self, call: Call) -> bytes:
        flight = Flight(call)
        self.late.append(flight)
        await _Pause()
        self.deliver(flight)
        await _Pause()
        reply = flight.reply
        assert reply is not None
        if reply.status >= 300:
            raise ApiError(reply.status, reply.reason, reply.body.decode())
        return reply.body

    def deliver(self, flight: Flight) -> None:
        if flight in self.late:
            self.late.remove(flight)
            flight.reply = self._server.answer(flight.call)


class Cluster:
    """Replicas that share an API server and, but for their clocks' beginnings, the time."""

    def __init__(self, rules: Rules, replicas: int) -> None:
        self.server = ApiServer()
        self.network = Network(self.server)
        self.clock = FakeClock()
        self.rules = rules
        self.serial = itertools.count()
        self.ignored: dict[int, set[str]] = {}
        """Nodes that a replica, by its settings, gives nothing."""
        self.running: list[Coroutine[Any, Any, None]] = [self._begin(index) for index in range(replicas)]

    # --- what the test does ---------------------------------------------------------------------------------------

    def step(self, replica: int) -> None:
        self.running[replica].send(None)

    def lose(self, replica: int) -> None:
        """Whatever it waits for it waits for no longer; the request may still arrive."""
        self.running[replica].throw(UnreachableError("lost"))

    def kill(self, replica: int) -> None:
        self.running[replica].close()
        self.running[replica] = self._begin(replica)

    def arrive(self, which: int) -> None:
        """One of the requests that nobody waits for any more, or somebody does."""
        if self.network.late:
            self.network.deliver(self.network.late[which % len(self.network.late)])

    def join(self, name: str) -> None:
        if name not in self.names():
            self.server.objects.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})

    def leave(self, name: str) -> None:
        if name in self.names():
            self.server.objects.delete("Node", name)

    def names(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.server.objects.list("Node")]

    def cidrs(self) -> dict[str, list[str]]:
        return {
            each["metadata"]["name"]: each.get("spec", {}).get("podCIDRs", [])
            for each in self.server.objects.list("Node")
        }

    # --- a process ------------------------------------------------------------------------------------------------

    def _begin(self, replica: int) -> Coroutine[Any, Any, None]:
        life = self._life(replica)
        life.send(None)
        return life

    async def _life(self, replica: int) -> None:
        skew = replica * 1000.0

        def now() -> float:
            return self.clock.now() + skew

        def wants(node: NodeSeen) -> bool:
            return node.name not in self.ignored.get(replica, ())

        leadership = Leadership(self.network, Election(f"r{replica}-{next(self.serial)}", TERMS), now, lambda: 0.0)
        api = LeadersApi(self.network, lambda: leadership.left)
        controller: PodCidrs | None = None
        nodes: dict[str, NodeSeen] = {}
        for turn in itertools.count():
            with suppress(UnreachableError):
                await _Pause()
            await leadership.turn()
            with suppress(ApiError, UnreachableError, NotLeadingError):
                if not leadership.leads:
                    controller = None
                elif controller is None:
                    nodes = await self._nodes()
                    controller = PodCidrs(self.rules, wants, leadership, api, RecordedEvents(), now())
                if controller is not None:
                    if turn % 2:  # else what it sees is old
                        nodes = await self._nodes()
                    await controller.turn(World(nodes), now())

    async def _nodes(self) -> dict[str, NodeSeen]:
        items = decode(await self.network.get("/api/v1/nodes"))["items"]
        return {each.name: each for each in map(read_node, items)}
