"""`terway-edge plan FILE`: checks the CIDRs of a cluster to be, counts what fits, and prints who needs which route."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from terway_edge.cli.files import read_documents
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.config_error import ConfigError
from terway_edge.core.planner.capacity import EdgeRange, TypePods, Zone
from terway_edge.core.planner.commands import WORDS, commands
from terway_edge.core.planner.findings import Finding, Level
from terway_edge.core.planner.network import ClusterNetwork, read_network
from terway_edge.core.planner.plan import NetworkPlan, plan_network
from terway_edge.core.planner.routes import Direction, How, PlannedRoute, title
from terway_edge.core.tables import table

HEADINGS = {
    Direction.INBOUND: "Inbound routes, from the edge or data center to the VPC",
    Direction.OUTBOUND: "Outbound routes, from the VPC to the edge or data center",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the cluster's network, YAML or JSON")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    output.add_argument("--for", dest="words", choices=WORDS, help="only the routes, as lines for FRR or iproute2")


def run(arguments: argparse.Namespace) -> int:
    """1 if a rule is violated; then there are no routes."""
    plan = plan_network(_network(arguments.file))
    if arguments.json:
        print(json.dumps(_as_json(plan), indent=2))
    elif not plan.is_possible:
        print("\n".join(f"violation: {finding}" for finding in plan.of_level(Level.VIOLATION)))
    else:
        print(commands(plan, arguments.words) if arguments.words else _as_text(plan))
    return 0 if plan.is_possible else 1


def _network(path: Path) -> ClusterNetwork:
    """Raises ConfigError."""
    documents = read_documents(path)
    if len(documents) != 1:
        raise ConfigError([f"{path}: holds {len(documents)} documents, expected one"])
    try:
        return read_network(documents[0])
    except ConfigError as error:
        raise ConfigError([f"{path}: {line}" for line in error.lines]) from None


def _as_text(plan: NetworkPlan) -> str:
    parts = [_ranges(plan.network)]
    for direction, heading in HEADINGS.items():
        rows = [_row(route) for route in plan.routes if route.direction is direction]
        parts.append(f"{heading}\n\n{table(('device', 'destination', 'next hop', 'how'), rows)}")
    parts += _capacity(plan)
    findings = [f"{level}: {finding}" for level in (Level.WARNING, Level.HINT) for finding in plan.of_level(level)]
    return "\n\n".join([*parts, "\n".join(findings)])


def _ranges(network: ClusterNetwork) -> str:
    lines = [
        ("Data center", network.data_center_cidrs),
        ("VPC", network.vpc_cidrs),
        ("Edge pod network", network.edge_container_cidrs),
        ("ENS network", network.ens_network_cidrs),
    ]
    return "\n".join(f"{name}: {', '.join(map(str, prefixes))}" for name, prefixes in lines if prefixes)


def _row(route: PlannedRoute) -> Sequence[object]:
    address = f" {route.address}" if route.address else ""
    next_hop = route.next_hop if route.how is How.BGP else f"{title(route.next_hop)}{address}" if route.next_hop else ""
    return title(route.device), route.destination, next_hop, _HOW[route.how]


_HOW = {How.STATIC: "static", How.BGP: "its parts by BGP", How.REJECT: "refused, unless BGP knows a part"}


def _capacity(plan: NetworkPlan) -> Iterator[str]:
    capacity = plan.capacity
    edge = [(item.prefix, capacity.pods_per_node, f"/{item.node_length}", item.nodes) for item in capacity.edge]
    yield table(("edge container CIDR", "pods per node", "CIDR of a node", "edge nodes"), edge)
    yield table(("zone", "addresses for nodes", "addresses for pods"), capacity.zones)
    if capacity.types:
        yield table(("instance type", "pods"), capacity.types)
    yield table(("service CIDR", "Services"), [(plan.network.service_cidr, capacity.services)])


def _as_json(plan: NetworkPlan) -> dict[str, Any]:
    capacity = plan.capacity
    return {
        **{f"{level}s": [_finding(finding) for finding in plan.of_level(level)] for level in Level},
        "capacity": {
            "pods_per_node": capacity.pods_per_node,
            "edge": [_texts(item) for item in capacity.edge],
            "edge_nodes": capacity.edge_nodes,
            "services": capacity.services,
            "zones": [_texts(item) for item in capacity.zones],
            "types": [_texts(item) for item in capacity.types],
        },
        "routes": [_texts(item) for item in plan.routes],
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {"where": finding.where, "message": finding.message}


def _texts(item: EdgeRange | Zone | TypePods | PlannedRoute) -> dict[str, Any]:
    """With addresses and prefixes as text."""
    values = item._asdict()
    return {key: str(value) if isinstance(value, Address | Prefix) else value for key, value in values.items()}
