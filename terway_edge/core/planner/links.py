"""Links between the devices of the way, whose addresses are next hops."""

from __future__ import annotations

from collections.abc import Iterator

from terway_edge.core.config_error import nearest
from terway_edge.core.planner.findings import Finding, Level, ranges
from terway_edge.core.planner.network import ClusterNetwork


def link_findings(network: ClusterNetwork) -> Iterator[Finding]:
    for n, link in enumerate(network.links):
        where = f"links[{n}]"
        if message := _misplaced(network, list(link)):
            yield Finding(Level.VIOLATION, where, message)
        for name, address in link.items():
            for around in (*ranges(network, "edge_container_cidrs"), *ranges(network, "service_cidr")):
                if around.prefix.contains(address):
                    message = f"{address} lies in {around}, expected one that no pod or Service can have: renumber it"
                    yield Finding(Level.VIOLATION, f"{where}.{name}", message)


def _misplaced(network: ClusterNetwork, names: list[str]) -> str:
    """What is wrong with a link's ends, empty if they are neighbours."""
    known = [device for level in network.path for device in level]
    for name in names:
        if name not in known:
            return f"{name!r} is no device{nearest(name, known)}; the way is {network.way}"
    places = [place for name in names for place, level in enumerate(network.path) if name in level]
    if abs(places[0] - places[1]) == 1:
        return ""
    return f"{' and '.join(names)} are no neighbours, expected a link of the way {network.way}"
