"""Who needs which route, so that the VPC, the data center with its edge pods, and ENS networks reach each other.

The devices stand on one way: switches of the LANs, gateway of the data center, VBR, ECR, CEN, VPC and ENS network. A
route to what is farther along it points to the next device, one to what lies behind to the one before. A switch learns
where its LAN's pods are by BGP; with several LANs the gateway learns it from the switches, for no range of addresses
belongs to one LAN. What no node has is refused where BGP knows it, or packets to it would go round in circles.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.planner.network import ENS, GATEWAY, VPC, ClusterNetwork

TITLES = {GATEWAY: "gateway", "vbr": "VBR", "ecr": "ECR", "cen": "CEN", VPC: "VPC route table", ENS: "ENS network"}
SWITCHES, GATEWAYS = 0, 1  # places on the way


class Direction(StrEnum):
    """INBOUND: towards the VPC; OUTBOUND: away from it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class How(StrEnum):
    """Who makes the route: an operator (STATIC, REJECT), or nobody, for BGP does."""

    STATIC = "static"
    BGP = "BGP"
    REJECT = "reject"


class PlannedRoute(NamedTuple):
    """`device` and `next_hop` are names of devices; with BGP, `next_hop` says who announces it. `address` is the next
    hop's on their link, if that is known."""

    device: str
    direction: Direction
    destination: Prefix
    how: How
    next_hop: str = ""
    address: Address | None = None


def plan_routes(network: ClusterNetwork) -> tuple[PlannedRoute, ...]:
    """Inbound routes from the LANs to the VPC, then outbound ones back; then those of the ENS network."""
    routes = list(_routes(network))
    inbound = [route for route in routes if route.direction is Direction.INBOUND]
    outbound = [route for route in routes if route.direction is Direction.OUTBOUND]
    places = {device: place for place, level in enumerate(network.path) for device in level}
    outbound.sort(key=lambda route: -places[route.device])
    return (*inbound, *outbound)


def title(device: str) -> str:
    """As people call it; LAN switches have names of their own."""
    return TITLES.get(device, "LAN switch" if device == "switch" else f"LAN switch {device}")


def _routes(network: ClusterNetwork) -> Iterator[PlannedRoute]:
    hops = _Hops(network)
    for place, level in enumerate(network.path):
        for device in level:
            for target, prefix in _sites(network):
                if target != place and not _is_own(network, device, prefix):
                    yield hops.static(device, place, target, prefix)
            if place == GATEWAYS:
                yield from _to_lans(network, hops)
            yield from _to_edge_pods(network, hops, device, place)


def _sites(network: ClusterNetwork) -> Iterator[tuple[int, Prefix]]:
    """(place, prefix) of all but edge pods. One LAN is the data center; of several, the gateway alone knows which is
    which."""
    vpc = network.path.index((VPC,))
    yield from ((vpc, prefix) for prefix in network.vpc_cidrs)
    yield from ((GATEWAYS if network.lans else SWITCHES, prefix) for prefix in network.data_center_cidrs)
    yield from ((vpc + 1, prefix) for prefix in network.ens_network_cidrs)


def _is_own(network: ClusterNetwork, device: str, prefix: Prefix) -> bool:
    """True for what a switch has at its own ports."""
    return any(cidr.covers(prefix) for lan in network.lans if lan.switch == device for cidr in lan.cidrs)


def _to_lans(network: ClusterNetwork, hops: _Hops) -> Iterator[PlannedRoute]:
    for lan in network.lans:
        for prefix in lan.cidrs:
            yield hops.to(GATEWAY, lan.switch, Direction.OUTBOUND, prefix)


def _to_edge_pods(network: ClusterNetwork, hops: _Hops, device: str, place: int) -> Iterator[PlannedRoute]:
    several = len(network.switches) > 1
    knows_by_bgp = GATEWAYS if several else SWITCHES
    for prefix in network.edge_container_cidrs:
        if place > knows_by_bgp:
            yield hops.static(device, place, SWITCHES, prefix)
            continue
        speakers = "speakers" if not several else "switches" if place == GATEWAYS else "speakers, gateway"
        yield PlannedRoute(device, Direction.OUTBOUND, prefix, How.BGP, speakers)
        if place == knows_by_bgp:
            yield PlannedRoute(device, Direction.OUTBOUND, prefix, How.REJECT)


class _Hops:
    """Next hops of devices, with the addresses that their links have."""

    def __init__(self, network: ClusterNetwork) -> None:
        self._path = network.path
        self._vpc = network.path.index((VPC,))
        self._addresses = {
            (*sorted(link), name, address.family): address for link in network.links for name, address in link.items()
        }

    def static(self, device: str, place: int, target: int, prefix: Prefix) -> PlannedRoute:
        """One step nearer to the place `target`."""
        after = place + 1 if target > place else place - 1
        is_inbound = abs(self._vpc - after) < abs(self._vpc - place)
        return self.to(device, self._path[after][0], Direction.INBOUND if is_inbound else Direction.OUTBOUND, prefix)

    def to(self, device: str, neighbour: str, direction: Direction, prefix: Prefix) -> PlannedRoute:
        address = self._addresses.get((*sorted((device, neighbour)), neighbour, prefix.family))
        return PlannedRoute(device, direction, prefix, How.STATIC, neighbour, address)
