"""vSwitches and their zones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from terway_edge.core.planner.findings import Finding, Level, ranges
from terway_edge.core.planner.network import ClusterNetwork, PlannedVSwitch
from terway_edge.core.planner.overlaps import overlap

ENOUGH_ZONES = 3


def zone_findings(network: ClusterNetwork) -> Iterator[Finding]:
    node_zones, pod_zones = zones(network.node_vswitches), zones(network.pod_vswitches)
    for zone in node_zones:
        if zone not in pod_zones:
            message = f"has no vSwitch in zone {zone}, expected one: nodes there could give pods no address; add one"
            yield Finding(Level.VIOLATION, "pod_vswitches", message)
    if len(node_zones) < ENOUGH_ZONES:
        message = (
            f"zones are {', '.join(node_zones)}, expected at least {ENOUGH_ZONES} for high availability: "
            "add a vSwitch in another zone"
        )
        yield Finding(Level.WARNING, "node_vswitches", message)
    for n, vswitch in enumerate(network.pod_vswitches):
        if vswitch.zone not in node_zones:
            message = f"{vswitch.id} is in zone {vswitch.zone}, where no node is: pods never use it; remove it"
            yield Finding(Level.WARNING, f"pod_vswitches[{n}]", message)
    yield from _contradictions(network)
    yield from _shared(network)


def zones(vswitches: Iterable[PlannedVSwitch]) -> list[str]:
    """Each once, in the file's order."""
    return list(dict.fromkeys(vswitch.zone for vswitch in vswitches))


def _contradictions(network: ClusterNetwork) -> Iterator[Finding]:
    nodes = {vswitch.id: vswitch for vswitch in network.node_vswitches}
    for n, vswitch in enumerate(network.pod_vswitches):
        other = nodes.get(vswitch.id, vswitch)
        if other != vswitch:
            message = (
                f"{vswitch.id} is {vswitch.cidr} in zone {vswitch.zone}, but {other.cidr} in zone {other.zone} "
                "under node_vswitches: correct one of them"
            )
            yield Finding(Level.VIOLATION, f"pod_vswitches[{n}]", message)


def _shared(network: ClusterNetwork) -> Iterator[Finding]:
    for pods in ranges(network, "pod_vswitches"):
        for nodes in ranges(network, "node_vswitches"):
            if overlap(pods.prefix, nodes.prefix):
                message = f"{pods.prefix} overlaps {nodes}, which is allowed: nodes and pods share these addresses"
                yield Finding(Level.HINT, pods.where, message)
