"""The way from the LANs to the cloud on paper: the network that is planned, and the links between its devices.

What the plan's lines need is here once: `terway-edge plan` gets this network, and the cables get these addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from terway_edge.core.planner.commands import device_commands
from terway_edge.core.planner.network import GATEWAY, read_network
from terway_edge.core.planner.plan import plan_network
from terway_edge.lab.clouds import ENS_CIDR, INSTANCE_TYPE, VPC_CIDR, node_vswitches, pod_vswitches
from terway_edge.lab.errors import LabError
from terway_edge.lab.lans import CORE, SITE, Lan
from terway_edge.lab.layout import Layout

EDGE_PODS = "10.0.0.0/8"
SERVICES = "198.19.0.0/16"
VBR, ECR, CEN, VPC, ENS = "vbr", "ecr", "cen", "vpc", "ens"
CHAIN = (GATEWAY, VBR, ECR, CEN, VPC, ENS)
"""Devices of the plan from the data center on, each linked to the next one. The gateway is the lab's core."""


class Link(NamedTuple):
    """A link of two devices of the chain and the last bytes of their IPv4 addresses."""

    near: str
    far: str
    network: str
    first: int

    @property
    def addresses(self) -> tuple[str, str]:
        return f"{self.network}.{self.first + 1}", f"{self.network}.{self.first + 2}"


class Applied(NamedTuple):
    """A device of the plan, its namespace, and the lines that it got, as `terway-edge plan --for generic` has them."""

    device: str
    netns: str
    lines: tuple[str, ...]


def chain() -> list[Link]:
    """The first one is the Express Connect circuit, with addresses of the data center; the cloud's own are its own
    affair."""
    networks = ["172.16.255", *["169.254.255"] * (len(CHAIN) - 2)]
    return [Link(*ends, networks[n], 4 * n) for n, ends in enumerate(pairwise(CHAIN))]


def device_netns(layout: Layout, device: str) -> str:
    """The namespace that plays a device of the plan."""
    return layout.netns(CORE if device == GATEWAY else device)


def document(lans: Sequence[Lan]) -> dict[str, Any]:
    """What `terway-edge plan` reads."""
    to_switches = [{lan.switch: lan.link_to_core(2)[0], GATEWAY: lan.link_to_core(1)[0]} for lan in lans]
    return {
        "vpc_cidrs": [VPC_CIDR],
        "node_vswitches": node_vswitches(),
        "pod_vswitches": pod_vswitches(),
        "edge_container_cidrs": [EDGE_PODS],
        "service_cidr": SERVICES,
        "pods_per_node": 256,
        "data_center_cidrs": [SITE[0]],
        "ens_network_cidrs": [ENS_CIDR],
        "instance_types": [{**{k: v for k, v in INSTANCE_TYPE.items() if k != "id"}, "name": INSTANCE_TYPE["id"]}],
        "lans": [{"switch": lan.switch, "cidrs": [lan.prefixes[0]]} for lan in lans],
        "links": [*to_switches, *(dict(zip(link[:2], link.addresses, strict=True)) for link in chain())],
    }


def planned(layout: Layout, lans: Sequence[Lan]) -> list[Applied]:
    """Every device with its lines, from the LANs on. Raises LabError if the plan has a violation."""
    plan = plan_network(read_network(document(lans)))
    if not plan.is_possible:
        raise LabError(f"the plan of the lab is not possible: {'; '.join(map(str, plan.findings))}")
    devices = (device for level in plan.network.path for device in level)
    return [
        Applied(device, device_netns(layout, device), tuple(device_commands(plan, device, "generic")))
        for device in devices
    ]


def by_next_hop(lines: Sequence[str]) -> Iterator[str]:
    """`A, B via HOP` and `unreachable C`: a device's lines in fewer words."""
    hops: dict[str, list[str]] = {}
    for line in lines:
        words = line.split()[line.split().index("replace") + 1 :]
        if words[0] == "unreachable":
            hops.setdefault("", []).append(f"unreachable {words[1]}")
        else:
            hops.setdefault(words[words.index("via") + 1], []).append(words[0])
    for hop, prefixes in hops.items():
        yield f"{', '.join(prefixes)} via {hop}" if hop else ", ".join(prefixes)
