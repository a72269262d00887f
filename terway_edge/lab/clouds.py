"""The cloud on paper: a VPC in three zones with two nodes and the control plane, and an ENS site with one node.

Cloud nodes get ENIs as they need them; the ENS node has two, bound before it starts. Both have IPv4 only, as in the
product guide's example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from terway_edge.lab.layout import Layout

CLOUD, ENS, CONTROL = "cloud", "ens", "control"
REGION, ENS_REGION = "cn-hangzhou", "cn-hangzhou-44"
VPC_CIDR, ENS_CIDR = "192.168.0.0/16", "172.20.0.0/16"
VPC_ID, ENS_NETWORK_ID = "vpc-lab", "n-lab"
ZONES = ("h", "i", "j")
ROLE = "lab-node"
INSTANCE_TYPE: Mapping[str, int | str] = {"id": "ecs.lab.2xlarge", "enis": 10, "ipv4_per_eni": 6}
"""Six addresses of an ENI are few enough for a second ENI, ten ENIs enough for the most pods that the lab makes."""
BOUND_ENIS = 2
ATTACH_SECONDS = 0.3  # until an ENI is in use; the real cloud takes some seconds
ENS_VSWITCH = {"id": "vsw-ens", "cidr": "172.20.0.0/24"}
CONTROL_ADDRESS = "192.168.2.10"
API_PORT = 8080
METADATA = "100.100.100.200"
"""Where every ECS instance finds the metadata service."""


@dataclass(frozen=True, slots=True)
class CloudNode:
    """A host in the VPC or at the ENS site; `domain` says which. The control plane is one without pods."""

    index: int
    name: str
    netns: str
    domain: str
    instance: str
    vswitch: str
    address: str

    @property
    def addresses(self) -> tuple[str, str]:
        """InternalIPs, v4 and v6, which it has not."""
        return self.address, ""

    @property
    def families(self) -> tuple[int, ...]:
        """Of its pods' addresses."""
        return (4,)

    @property
    def zone(self) -> str:
        return ENS_REGION if self.domain == ENS else f"{REGION}-{self.vswitch.rpartition('-')[2]}"

    @property
    def tag(self) -> str:
        """Stands for it in the names of its pods."""
        return f"{self.domain[0]}{self.name.rpartition('-')[2]}"


def cloud_nodes(layout: Layout) -> tuple[CloudNode, CloudNode, CloudNode]:
    """Two of the VPC, in different zones, and the one at the ENS site."""

    def node(index: int, name: str, domain: str, vswitch: str, address: str) -> CloudNode:
        return CloudNode(index, name, layout.netns(name), domain, f"i-{name}", vswitch, address)

    return (
        node(11, "cloud-1", CLOUD, "vsw-node-h", "192.168.0.11"),
        node(12, "cloud-2", CLOUD, "vsw-node-i", "192.168.1.12"),
        node(13, "ens-1", ENS, "vsw-ens", "172.20.0.13"),
    )


def control_plane(layout: Layout) -> CloudNode:
    """A host that stands in for the control plane, in the third zone; the cloud's API is served there too."""
    return CloudNode(20, CONTROL, layout.netns(CONTROL), CONTROL, "i-control", "vsw-node-j", CONTROL_ADDRESS)


def node_vswitches() -> list[dict[str, str]]:
    return [_vswitch("node", zone, f"192.168.{n}.0/24") for n, zone in enumerate(ZONES)]


def pod_vswitches() -> list[dict[str, str]]:
    return [_vswitch("pod", zone, f"192.168.{64 + 32 * n}.0/19") for n, zone in enumerate(ZONES)]


def pod_vswitch_ids() -> dict[str, list[str]]:
    """By zone, as `eni_conf` has them."""
    return {vswitch["zone"]: [vswitch["id"]] for vswitch in pod_vswitches()}


def site(layout: Layout, key: tuple[str, str]) -> dict[str, Any]:
    """What the emulator is founded on; `key` is the account's AccessKey pair."""
    vpc = {
        "id": VPC_ID,
        "cidr": VPC_CIDR,
        "security_groups": ["sg-lab"],
        "vswitches": [*node_vswitches(), *pod_vswitches()],
    }
    network = {
        "id": ENS_NETWORK_ID,
        "cidr": ENS_CIDR,
        "security_groups": ["sg-ens"],
        "vswitches": [ENS_VSWITCH],
    }
    return {
        "keys": [{"id": key[0], "secret": key[1]}],
        "roles": [ROLE],
        "regions": [{"id": REGION, "vpcs": [vpc]}],
        "ens_sites": [{"id": ENS_REGION, "networks": [network]}],
        "instance_types": [dict(INSTANCE_TYPE)],
        "instances": [_instance(host) for host in (*cloud_nodes(layout), control_plane(layout))],
        "pace": {"attach": {"seconds": ATTACH_SECONDS}},
    }


def _instance(host: CloudNode) -> dict[str, Any]:
    common = {"id": host.instance, "vswitch": host.vswitch, "address": host.address}
    if host.domain == ENS:
        return {**common, "enis": [{}] * BOUND_ENIS}
    return {**common, "type": INSTANCE_TYPE["id"], "role": ROLE, "hardened_metadata": True}


def _vswitch(use: str, zone: str, cidr: str) -> dict[str, str]:
    return {"id": f"vsw-{use}-{zone}", "zone": f"{REGION}-{zone}", "cidr": cidr}
