"""Which CIDRs must not overlap, and where a CIDR must be part of another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from terway_edge.core.addresses import Prefix
from terway_edge.core.planner.findings import Finding, Level, Range, ranges
from terway_edge.core.planner.network import ClusterNetwork
from terway_edge.core.unusable import unusable

CLOUD_SERVICES = Prefix.parse("100.64.0.0/10")
KEYS = (
    *("vpc_cidrs", "edge_container_cidrs", "service_cidr", "data_center_cidrs", "ens_network_cidrs"),
    *("node_vswitches", "pod_vswitches", "lans"),
)

SERVICE = "addresses of Services mean the same everywhere in the cluster: choose a range that is used nowhere"
EDGE = "the gateway of the data center must know one way to each address: choose another range for the edge's pods"
WAY = "a router must know one way to each address: renumber one of them"
TWICE = "each address may be given out once: correct one of them"
APART: tuple[tuple[str, str, str], ...] = (
    *(
        ("service_cidr", other, SERVICE)
        for other in ("vpc_cidrs", "node_vswitches", "pod_vswitches", "edge_container_cidrs")
    ),
    *(("service_cidr", other, SERVICE) for other in ("data_center_cidrs", "ens_network_cidrs")),
    *(("edge_container_cidrs", other, EDGE) for other in ("vpc_cidrs", "data_center_cidrs", "ens_network_cidrs")),
    ("vpc_cidrs", "data_center_cidrs", WAY),
    ("vpc_cidrs", "ens_network_cidrs", WAY),
    ("data_center_cidrs", "ens_network_cidrs", WAY),
    *((key, key, TWICE) for key in ("vpc_cidrs", "node_vswitches", "pod_vswitches", "edge_container_cidrs")),
    *((key, key, TWICE) for key in ("data_center_cidrs", "ens_network_cidrs", "lans")),
)
"""(key, key, why and what to do): no CIDR of the one may overlap one of the other. Node and pod vSwitches may."""

PARTS = (
    ("node_vswitches", "vpc_cidrs", "correct it, or add the VPC's secondary CIDR to vpc_cidrs"),
    ("pod_vswitches", "vpc_cidrs", "correct it, or add the VPC's secondary CIDR to vpc_cidrs"),
    ("lans", "data_center_cidrs", "the VPC would have no route to its nodes: correct it, or add it there"),
)


def overlap_findings(network: ClusterNetwork) -> Iterator[Finding]:
    found = {key: ranges(network, key) for key in KEYS}
    for key, other, advice in APART:
        pairs = combinations(found[key], 2) if key == other else product(found[key], found[other])
        for one, two in pairs:
            if overlap(one.prefix, two.prefix):
                yield _violation(one, f"overlaps {two}, expected no overlap: {advice}")
    for key, outer, advice in PARTS:
        for one in found[key]:
            if not any(two.prefix.covers(one.prefix) for two in found[outer]):
                yield _violation(one, f"is no part of {_listed(found[outer])}: {advice}")
    for one in (one for each in found.values() for one in each):
        if overlap(one.prefix, CLOUD_SERVICES):
            yield _violation(
                one, f"overlaps {CLOUD_SERVICES}, where the cloud's own services are: choose another range"
            )
        elif around := unusable(one.prefix):
            yield _violation(one, f"overlaps {around}, where no host can be: choose another range")


def overlap(one: Prefix, two: Prefix) -> bool:
    return one.covers(two) or two.covers(one)


def _violation(one: Range, message: str) -> Finding:
    return Finding(Level.VIOLATION, one.where, f"{one.prefix}{f' ({one.name})' if one.name else ''} {message}")


def _listed(found: list[Range]) -> str:
    return f"{found[0].where.partition('[')[0]} {', '.join(str(one.prefix) for one in found)}"
