"""How much fits: edge nodes, their pods, Services, and pods of cloud nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from terway_edge.core.addresses import BITS, Prefix
from terway_edge.core.planner.findings import Finding, Level, ranges
from terway_edge.core.planner.network import ClusterNetwork, PlannedVSwitch
from terway_edge.core.planner.zones import zones

TAKEN_BY_CLOUD = 4  # addresses of a vSwitch: the first and the last three
NODE_LENGTH6 = 64  # of a node's IPv6 pod CIDR, if there is room for it
MOST_SERVICE_BITS = 20  # kube-apiserver takes no larger range
FEWEST_SERVICES = 8  # addresses; nor a smaller one


class EdgeRange(NamedTuple):
    """An edge container CIDR: each node gets a part of `node_length` bits, and `nodes` fit."""

    prefix: Prefix
    node_length: int
    nodes: int


class Zone(NamedTuple):
    """Addresses for nodes and for pods, which may be the same ones."""

    name: str
    nodes: int
    pods: int


class TypePods(NamedTuple):
    """Most pods of an instance, without those on the host's network."""

    name: str
    pods: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """`edge_nodes` is the most that all of `edge` together have room for, in each family; `services` counts that of
    the API server too."""

    pods_per_node: int
    edge: tuple[EdgeRange, ...]
    edge_nodes: int
    services: int
    zones: tuple[Zone, ...]
    types: tuple[TypePods, ...]


def capacity_of(network: ClusterNetwork) -> Capacity:
    edge = tuple(edge_range(prefix, network.pods_per_node) for prefix in network.edge_container_cidrs)
    families = {item.prefix.family for item in edge}
    return Capacity(
        pods_per_node=network.pods_per_node,
        edge=edge,
        edge_nodes=min(sum(item.nodes for item in edge if item.prefix.family == family) for family in families),
        services=_services(network.service_cidr),
        zones=tuple(_zone(network, name) for name in zones(network.node_vswitches)),
        types=tuple(TypePods(item.name, (item.enis - 1) * item.ipv4_per_eni) for item in network.instance_types),
    )


def capacity_findings(network: ClusterNetwork, capacity: Capacity) -> Iterator[Finding]:
    for place, item in zip(ranges(network, "edge_container_cidrs"), capacity.edge, strict=True):
        if not item.nodes:
            message = (
                f"{item.prefix} has no room for a node of {network.pods_per_node} pods, which needs a "
                f"/{item.node_length}: choose a larger range, or lower pods_per_node"
            )
            yield Finding(Level.VIOLATION, place.where, message)
    yield from _service_findings(network.service_cidr)
    for n, item_pods in enumerate(capacity.types):
        if not item_pods.pods:
            message = f"{item_pods.name} has its primary ENI only, which gives pods no address: choose another type"
            yield Finding(Level.WARNING, f"instance_types[{n}]", message)


def edge_range(prefix: Prefix, pods: int) -> EdgeRange:
    """How an edge container CIDR is divided if each node has room for so many pods."""
    needed = BITS[prefix.family] - (pods - 1).bit_length()
    length = NODE_LENGTH6 if prefix.family == 6 and prefix.length <= NODE_LENGTH6 <= needed else needed
    return EdgeRange(prefix, length, 1 << (length - prefix.length) if length >= prefix.length else 0)


def _services(prefix: Prefix) -> int:
    """Without the network's own address and, in IPv4, the broadcast address."""
    return max(prefix.size - (2 if prefix.family == 4 else 1), 0)


def _service_findings(prefix: Prefix) -> Iterator[Finding]:
    largest = BITS[prefix.family] - MOST_SERVICE_BITS
    if prefix.length < largest:
        message = f"{prefix} is larger than the API server takes, expected a /{largest} or a smaller range"
        yield Finding(Level.VIOLATION, "service_cidr", message)
    elif prefix.size < FEWEST_SERVICES:
        message = f"{prefix} is smaller than the API server takes, expected at least {FEWEST_SERVICES} addresses"
        yield Finding(Level.VIOLATION, "service_cidr", message)


def _zone(network: ClusterNetwork, name: str) -> Zone:
    return Zone(name, _addresses(network.node_vswitches, name), _addresses(network.pod_vswitches, name))


def _addresses(vswitches: tuple[PlannedVSwitch, ...], zone: str) -> int:
    return sum(max(vswitch.cidr.size - TAKEN_BY_CLOUD, 0) for vswitch in vswitches if vswitch.zone == zone)
