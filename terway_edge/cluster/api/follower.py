"""Everything that is watched of the API, as one snapshot after another, and the cache of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from terway_edge.cluster.api.cache import Cache
from terway_edge.cluster.api.config_maps import ConfigMaps
from terway_edge.cluster.api.failures import Trouble
from terway_edge.cluster.api.filling import Filling
from terway_edge.cluster.api.keeper import CacheKeeper, Texts
from terway_edge.cluster.api.mirror import Mirror
from terway_edge.cluster.api.outbox import Outbox
from terway_edge.cluster.api.reflector import Reflector
from terway_edge.cluster.api.resources import CONFIG_LABEL, ENI_CONFIG, NODES, PEERS
from terway_edge.cluster.api.secrets import Secrets, refs_of
from terway_edge.cluster.api.state import Absence, snapshot, told
from terway_edge.cluster.api.timing import Timing
from terway_edge.cluster.api.transport import Transport
from terway_edge.cluster.nodes import read_node
from terway_edge.cluster.peers import read_peer
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.models import Node
from terway_edge.core.ports import Problem, Snapshot
from terway_edge.core.selection import select

EDGE_BACKEND = "flannel_route"
"""What serves nodes without ENIs, as labels have it. Roles go by labels too, whatever `node_pools` says."""


def config_maps_of(node: Node) -> list[str]:
    """Those that its pods' network is configured by. Edge nodes have none: their agents may not even read them."""
    if select(node).backend == EDGE_BACKEND:
        return []
    return [ENI_CONFIG, *filter(None, [node.labels.get(CONFIG_LABEL)])]


class State(NamedTuple):
    """`is_settled`: waiting longer would, as far as one can see, bring nothing newer. `is_usable`: there is something
    to go on with while the API is away."""

    snapshot: Snapshot
    is_settled: bool
    is_usable: bool


class Listener(NamedTuple):
    """Who is told, in the loop's thread: of a new state; that the outbox has something to write anew."""

    tell: Callable[[State], None]
    to_write: Callable[[], None]
    denied: Mapping[str, Trouble]
    """What may not be written, by right; who changes it calls `stands`."""


class Follower:
    """Belongs to the loop's thread; tells of changes while `run` runs."""

    def __init__(
        self, node: str, transport: Transport, cache: Cache, outbox: Outbox, listener: Listener, timing: Timing
    ) -> None:
        self._node, self._cache, self._listener, self._timing = node, cache, listener, timing
        self._nodes: Mirror[Node] = Mirror("Node", read_node)
        self._peers: Mirror[BgpPeer] = Mirror("BGPPeer", read_peer)

        def filling(kind: str, mirror: Mirror[Any]) -> Filling:
            return Filling(kind, mirror, outbox, lambda: self._on_change(kind), listener.to_write)

        self._secrets = Secrets(transport, lambda: self._on_change("Secret"), self.stands, timing)
        self._config_maps = ConfigMaps(transport, lambda m: filling("ConfigMap", m), self.stands, timing)
        self._reflectors = (
            Reflector(transport, NODES, filling("Node", self._nodes), self.stands, timing),
            Reflector(transport, PEERS, filling("BGPPeer", self._peers), self.stands, timing),
        )
        self._keeper = CacheKeeper(cache, self._files(), timing.cache)
        self._tasks: asyncio.TaskGroup | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reminder: asyncio.TimerHandle | None = None
        self._absence = Absence(timing.grace)
        self._damages: dict[str, Problem] = {}
        self._told: State | None = None
        self.tried = asyncio.Event()
        """Set once everything was asked for once."""

    def uid(self, kind: str, name: str) -> str | None:
        return self._nodes.uid(name) if kind == "Node" else self._peers.uid(name)

    # --- life -----------------------------------------------------------------------------------------------------

    def restore(self) -> State:
        """From the cache: what an earlier process saw last."""
        restores = {
            "Node": self._nodes.restore,
            "BGPPeer": self._peers.restore,
            "Secret": self._secrets.restore,
            "ConfigMap": self._config_maps.restore,
        }
        for kind, restore in restores.items():
            cached = self._cache.read(kind)
            if cached.items is not None:
                restore(cached.items)
            elif cached.problem is not None:
                self._damages[kind] = cached.problem
        self._secrets.want(refs_of(self._node, self._peers.objects()))
        self._told = self._state()
        return self._told

    async def run(self) -> None:
        """Never returns."""
        async with asyncio.TaskGroup() as self._tasks:
            for reflector in self._reflectors:
                self._tasks.create_task(reflector.run())
            self._tasks.create_task(self._secrets.run())
            self._follow_config_maps()

    def close(self) -> None:
        """What changed last gets into the cache."""
        for timer in filter(None, (self._timer, self._reminder)):
            timer.cancel()
        self._keeper.flush()

    # --- changes --------------------------------------------------------------------------------------------------

    def _on_change(self, kind: str) -> None:
        """What is known of objects of a kind changed, or (of Secrets) why it is not known."""
        self._keeper.changed(kind)
        self._damages.pop(kind, None)
        if kind == "Node":
            self._follow_config_maps()
        if kind == "BGPPeer":
            self._secrets.want(refs_of(self._node, self._peers.objects()))
            self._keeper.changed("Secret")
        self.stands()

    def stands(self) -> None:
        """Something changed, or why it is not known did."""
        self._tell_soon()

    def _follow_config_maps(self) -> None:
        own = self._nodes.get(self._node)
        if own is not None and self._tasks is not None:
            self._config_maps.follow(config_maps_of(own), self._tasks)

    # --- what is told ---------------------------------------------------------------------------------------------

    def _tell_soon(self) -> None:
        """Once for all that happens within a moment."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._timing.coalesce, self._tell_now)

    def _tell_now(self) -> None:
        self._timer = None
        if self._is_tried():
            self.tried.set()
        if not self._secrets.was_tried:
            return  # it comes: peers without their passwords would be told as such
        state = self._state()
        if state != self._told:
            self._told = state
            self._listener.tell(state)
        if self._reminder is None and (due_at := self._absence.due_at) is not None:
            self._reminder = asyncio.get_running_loop().call_at(due_at, self._remind)

    def _remind(self) -> None:
        self._reminder = None
        self._tell_soon()

    def _state(self) -> State:
        found = snapshot(
            self._nodes, self._peers, self._secrets.mirror, self._config_maps.mirrors, tuple(self._problems())
        )
        is_usable = self._nodes.is_listed and self._peers.is_listed
        is_waiting = not is_usable and any(not trouble.is_lasting for trouble in self._troubles())
        return State(found, self._is_tried() and not is_waiting, is_usable)

    def _is_tried(self) -> bool:
        return (
            all(reflector.was_tried for reflector in self._reflectors)
            and self._config_maps.was_tried
            and self._secrets.was_tried
        )

    def _problems(self) -> Iterator[Problem]:
        yield from self._damages.values()
        troubles = (*self._troubles(), *self._listener.denied.values())
        away = self._absence.judge(troubles, asyncio.get_running_loop().time())
        lasting = (trouble for trouble in troubles if trouble.is_lasting)
        yield from told((*lasting, away) if away else lasting)

    def _troubles(self) -> Iterator[Trouble]:
        yield from (reflector.trouble for reflector in self._reflectors if reflector.trouble is not None)
        yield from self._config_maps.troubles()
        yield from self._secrets.troubles.values()

    def _files(self) -> dict[str, Texts]:
        return {
            "Node": self._nodes.texts,
            "BGPPeer": self._peers.texts,
            "Secret": lambda: self._secrets.mirror.texts() or None,
            "ConfigMap": lambda: [text for mirror in self._config_maps.mirrors for text in mirror.texts()],
        }
