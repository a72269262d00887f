"""Controllers as the settings want them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from terway_edge.controlplane.allocator import Rules
from terway_edge.controlplane.api import Api
from terway_edge.controlplane.faults import Faults
from terway_edge.controlplane.leadership import Leadership
from terway_edge.controlplane.network import Network
from terway_edge.controlplane.objects import NodeSeen
from terway_edge.controlplane.peers import Peers
from terway_edge.controlplane.pod_cidrs import PodCidrs
from terway_edge.controlplane.reign import Controller
from terway_edge.controlplane.sweep import Sweep
from terway_edge.core.cloud import Clouds
from terway_edge.core.config import Settings
from terway_edge.core.errors import Refused
from terway_edge.core.models import Node
from terway_edge.core.planner.capacity import edge_range
from terway_edge.core.ports import Clock, Events
from terway_edge.core.selection import select, skipped

EDGE = "flannel_route"
"""The backend of nodes that need a pod CIDR."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What controllers are built with; `api` writes while its process leads only."""

    api: Api
    leadership: Leadership
    events: Events
    clouds: Clouds
    clock: Clock
    wall: Callable[[], float]


def rules_of(settings: Settings) -> Rules:
    """Raises Refused if a range has no room for a single node."""
    wanted = settings.controlplane
    ranges = tuple(edge_range(prefix, wanted.pods_per_node) for prefix in wanted.pod_cidr_ranges)
    for each in ranges:
        if not each.nodes:
            raise Refused(
                f"controlplane.pod_cidr_ranges: {each.prefix} has no room for a node of {wanted.pods_per_node} pods, "
                f"which needs a /{each.node_length}: choose a larger range, or lower controlplane.pods_per_node"
            )
    return Rules(ranges, (*wanted.service_cidrs, *wanted.reserved_cidrs), wanted.pod_cidr_rest_seconds)


def wants_pod_cidr(settings: Settings) -> Callable[[NodeSeen], bool]:
    selector = settings.controlplane.pod_cidr_selector

    def wants(seen: NodeSeen) -> bool:
        node = Node(seen.name, seen.labels, (), ())
        is_edge = select(node, settings.pool_rules).backend == EDGE and not skipped(node)
        return is_edge and selector.matches(seen.labels)

    return wants


def controllers(settings: Settings, around: Surroundings) -> Iterator[Controller]:
    """For a reign that begins now. Raises Refused."""
    wanted = settings.controlplane
    yield Peers(around.api, around.wall)
    yield Faults(around.events)
    if wanted.allocate_pod_cidrs:
        wants = wants_pod_cidr(settings)
        began = around.clock.now()
        yield PodCidrs(rules_of(settings), wants, around.leadership, around.api, around.events, began)
    if wanted.agent_grace_seconds:
        yield Network(wanted.agent_grace_seconds, around.api, around.events, around.wall)
    if wanted.orphan_enis != "ignore":
        yield Sweep(
            around.clouds,
            around.events,
            around.clock,
            lambda: around.leadership.leads,
            deletes=wanted.orphan_enis == "delete",
            region=settings.cloud.region,
        )
