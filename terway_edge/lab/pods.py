"""A pod of the lab: a namespace, the identity a kubelet would give it, and what the shim answered."""

from __future__ import annotations

import hashlib
import ipaddress
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terway_edge.lab.hosts import Host
from terway_edge.lab.layout import Layout

IFNAME = "eth0"


@dataclass(slots=True)
class LabPod:
    """`result` is the CNI result of ADD; empty before it."""

    node: Host
    number: int
    netns: str
    container_id: str
    uid: str
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"pod-{self.node.tag}-{self.number}"

    @property
    def addresses(self) -> list[str]:
        return result_addresses(self.result)

    def address(self, family: int) -> str:
        """The pod's address of a family, empty if it has none."""
        return next((a for a in self.addresses if ipaddress.ip_address(a).version == family), "")


def lab_pod(layout: Layout, node: Host, number: int) -> LabPod:
    netns = layout.netns(f"pod-{node.name}-{number}")
    return LabPod(node, number, netns, hashlib.sha256(netns.encode()).hexdigest(), str(uuid.uuid4()))


def result_addresses(result: Mapping[str, Any]) -> list[str]:
    """The addresses of a CNI result, without prefix lengths (CNI specification 1.1.0, "ADD Success")."""
    return [str(ip["address"]).partition("/")[0] for ip in result.get("ips", [])]
