"""The whole plan of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from terway_edge.core.planner.capacity import Capacity, capacity_findings, capacity_of
from terway_edge.core.planner.findings import Finding, Level
from terway_edge.core.planner.links import link_findings
from terway_edge.core.planner.network import ClusterNetwork
from terway_edge.core.planner.overlaps import overlap_findings
from terway_edge.core.planner.routes import PlannedRoute, plan_routes
from terway_edge.core.planner.zones import zone_findings


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """There are no routes as long as there is a violation."""

    network: ClusterNetwork
    findings: tuple[Finding, ...]
    capacity: Capacity
    routes: tuple[PlannedRoute, ...]

    def of_level(self, level: Level) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is level)

    @property
    def is_possible(self) -> bool:
        return not self.of_level(Level.VIOLATION)


def plan_network(network: ClusterNetwork) -> NetworkPlan:
    capacity = capacity_of(network)
    findings = (
        *overlap_findings(network),
        *zone_findings(network),
        *link_findings(network),
        *capacity_findings(network, capacity),
        *_hints(network, capacity),
    )
    is_possible = all(finding.level is not Level.VIOLATION for finding in findings)
    return NetworkPlan(network, findings, capacity, plan_routes(network) if is_possible else ())


def _hints(network: ClusterNetwork, capacity: Capacity) -> Iterator[Finding]:
    """What cannot be changed once the cluster is there, and what can."""
    yield Finding(
        Level.HINT,
        "edge_container_cidrs",
        f"cannot be extended later, nor can pods_per_node be changed: {capacity.edge_nodes} edge nodes are the most",
    )
    yield Finding(Level.HINT, "service_cidr", f"cannot be changed later: {capacity.services} Services are the most")
    yield Finding(
        Level.HINT, "pod_vswitches", "can be extended later: add vSwitches, or a secondary CIDR to the VPC first"
    )
    if len(network.switches) > 1:
        message = "are several: each switch speaks BGP with the gateway too, which learns from them where pods are"
        yield Finding(Level.HINT, "lans", message)
    if network.ens_network_cidrs:
        message = (
            "are reached by Edge Network Acceleration: let it carry the data center's and the edge pods' CIDRs too"
        )
        yield Finding(Level.HINT, "ens_network_cidrs", message)
