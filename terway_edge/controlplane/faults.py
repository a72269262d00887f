"""Tells what is wrong with BGPPeers that have no speaker: all others are their speakers' business."""

from __future__ import annotations

from collections.abc import Iterator

from terway_edge.controlplane.following import World
from terway_edge.core.edges import Edges
from terway_edge.core.models import Condition, Node
from terway_edge.core.peer_rules import unknown_speakers
from terway_edge.core.ports import Events
from terway_edge.core.selection import skipped
from terway_edge.core.spokesmen import CONTROL_PLANE, Spokesmen

PERIOD = 600.0  # seconds between turns without news


class Faults:
    """For one reign."""

    name = "faults of BGPPeers"

    def __init__(self, events: Events) -> None:
        self._events, self._edges = events, Edges()

    async def turn(self, world: World, now: float) -> float:
        """Seconds until the next."""
        if world.peers is None:
            return PERIOD
        peers = [seen.peer for seen in world.peers.values()]
        nodes = {node.name for node in world.nodes.values() if not skipped(Node(node.name, node.labels, (), ()))}
        spokesmen = Spokesmen(peers, nodes, CONTROL_PLANE)
        for event in self._edges.events(list(faults(world)), lambda each: spokesmen.tells(CONTROL_PLANE, each)):
            self._events.emit(event)
        return PERIOD


def faults(world: World) -> Iterator[Condition]:
    """What can be said of BGPPeers without being a node."""
    for problem in world.problems:
        yield Condition(problem.reason, problem.where, problem.message)
    for seen in (world.peers or {}).values():
        yield from unknown_speakers(seen.peer, world.nodes.keys())
