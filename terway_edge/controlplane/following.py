"""What a leader sees of the cluster: lists and watches that begin with its reign.

A listing that begins after the Lease was taken has all that leaders before wrote; one that began earlier may not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.projection import Item, Projector
from terway_edge.cluster.api.reflector import Reflector
from terway_edge.cluster.api.resources import ENI_CONFIG, config_map
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.cluster.config_maps import ConfigMapManifest, read_config_map
from terway_edge.controlplane.objects import (
    FOLLOWED_AGENTS,
    FOLLOWED_NODES,
    FOLLOWED_PEERS,
    AgentSeen,
    Followed,
    NodeSeen,
    PeerSeen,
)
from terway_edge.core.ports import Problem

FOLLOWED_ENI_CONFIG = Followed(config_map(ENI_CONFIG), Projector("ConfigMap"), read_config_map)


class World(NamedTuple):
    """Each by name, but agents by their node's; None: not listed yet, or the API does not let us."""

    nodes: Mapping[str, NodeSeen]
    peers: Mapping[str, PeerSeen] | None = None
    agents: Mapping[str, AgentSeen] | None = None
    eni_config: Mapping[str, object] | None = None
    problems: tuple[Problem, ...] = ()
    """Of BGPPeers; where there is a last good version it is among the others."""


class _Sink:
    """A `reflector.Sink` that fills a mirror."""

    def __init__(self, mirror: Mirror[Any], changed: Callable[[], None]) -> None:
        self._mirror, self._changed = mirror, changed

    @property
    def is_empty(self) -> bool:
        return not self._mirror.names()

    def listed(self, items: list[Item]) -> None:
        self._tell(self._mirror.replace(items))

    def put(self, item: Item) -> None:
        self._tell(self._mirror.put(item))

    def drop(self, name: str) -> None:
        self._tell(self._mirror.drop(name))

    def _tell(self, is_news: bool) -> None:
        if is_news:
            self._changed()


class Following:
    """Belongs to the loop's thread. `changed` is called whenever `world` gives something new."""

    def __init__(self, transport: Transport, timing: Timing, changed: Callable[[], None], *, has_enis: bool) -> None:
        self._transport, self._timing, self._changed = transport, timing, changed
        self._nodes: Mirror[NodeSeen] = Mirror("Node", FOLLOWED_NODES.read)
        self._peers: Mirror[PeerSeen] = Mirror("BGPPeer", FOLLOWED_PEERS.read)
        self._agents: Mirror[AgentSeen] = Mirror("Pod", FOLLOWED_AGENTS.read)
        self._eni_config: Mirror[ConfigMapManifest] = Mirror("ConfigMap", FOLLOWED_ENI_CONFIG.read)
        wanted: list[tuple[Followed, Mirror[Any]]] = [
            (FOLLOWED_NODES, self._nodes),
            (FOLLOWED_PEERS, self._peers),
            (FOLLOWED_AGENTS, self._agents),
        ]
        if has_enis:
            wanted.append((FOLLOWED_ENI_CONFIG, self._eni_config))
        self._reflectors = [
            Reflector(transport, each.resource, _Sink(mirror, self._on_change), self._on_change, timing, each.projector)
            for each, mirror in wanted
        ]

    async def run(self) -> None:
        """Never returns."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run())

    @property
    def world(self) -> World | None:
        """None until the Nodes were listed once."""
        if not self._nodes.is_listed:
            return None
        maps = {each.name: each.data for each in self._eni_config.objects()}
        return World(
            {each.name: each for each in self._nodes.objects()},
            {each.peer.name: each for each in self._peers.objects()} if self._peers.is_listed else None,
            _by_node(self._agents.objects()) if self._agents.is_listed else None,
            maps.get(ENI_CONFIG),
            tuple(self._peers.problems()),
        )

    def uid(self, kind: str, name: str) -> str | None:
        """Of an object that an event is about."""
        return self._nodes.uid(name) if kind == "Node" else self._peers.uid(name)

    def _on_change(self) -> None:
        self._changed()


def _by_node(agents: list[AgentSeen]) -> dict[str, AgentSeen]:
    """While an agent is replaced its node may have two pods: one that is ready serves."""
    found: dict[str, AgentSeen] = {}
    for each in agents:
        if each.node not in found or each.is_ready:
            found[each.node] = each
    return found
