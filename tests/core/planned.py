"""Networks to plan. SEED has the CIDRs of the product's page."""

from __future__ import annotations

from typing import Any

from terway_edge.core.planner.findings import Level
from terway_edge.core.planner.network import ClusterNetwork, read_network
from terway_edge.core.planner.plan import NetworkPlan, plan_network

SEED: dict[str, Any] = {
    "vpc_cidrs": ["192.168.0.0/16"],
    "node_vswitches": [
        {"id": "vsw-node-h", "zone": "cn-hangzhou-h", "cidr": "192.168.0.0/24"},
        {"id": "vsw-node-i", "zone": "cn-hangzhou-i", "cidr": "192.168.1.0/24"},
        {"id": "vsw-node-j", "zone": "cn-hangzhou-j", "cidr": "192.168.2.0/24"},
    ],
    "pod_vswitches": [
        {"id": "vsw-pod-h", "zone": "cn-hangzhou-h", "cidr": "192.168.64.0/19"},
        {"id": "vsw-pod-i", "zone": "cn-hangzhou-i", "cidr": "192.168.96.0/19"},
        {"id": "vsw-pod-j", "zone": "cn-hangzhou-j", "cidr": "192.168.128.0/19"},
    ],
    "edge_container_cidrs": ["10.0.0.0/8"],
    "service_cidr": "172.21.0.0/20",
    "pods_per_node": 256,
    "data_center_cidrs": ["172.16.0.0/16"],
}
SEVERAL_LANS = [
    {"switch": "switch-a", "cidrs": ["172.16.1.0/24"]},
    {"switch": "switch-b", "cidrs": ["172.16.2.0/24", "172.16.3.0/24"]},
]


def network(**changes: Any) -> ClusterNetwork:
    return read_network({**SEED, **changes})


def plan(**changes: Any) -> NetworkPlan:
    return plan_network(network(**changes))


def told(level: Level, **changes: Any) -> list[str]:
    """The findings of a level that the unchanged network does not have."""
    before = set(map(str, plan().of_level(level)))
    return [text for text in map(str, plan(**changes).of_level(level)) if text not in before]


def vswitch(name: str, zone: str, cidr: str) -> dict[str, str]:
    return {"id": name, "zone": zone, "cidr": cidr}
