"""The LAN: one namespace with a bridge, one namespace per node, a cable between each node and the bridge.

Everything is made inside the lab's own namespaces; no link ever appears in the host's. Nodes have no default route, as
on an edge site without an uplink.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes

UPLINK = "uplink"
BRIDGE = "lan0"
POD_LINK = re.compile(r"tw[0-9a-f]{13}")


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node of the lab: number `index` (from 1) gets addresses and pod CIDRs made of its index."""

    index: int
    netns: str

    @property
    def name(self) -> str:
        return f"node-{self.index}"

    @property
    def addresses(self) -> tuple[str, str]:
        """InternalIPs, v4 (RFC 2544 range) and v6 (RFC 4193)."""
        return f"198.18.0.{10 + self.index}", f"fd00:18::{10 + self.index}"

    @property
    def pod_cidrs(self) -> tuple[str, str]:
        return f"10.64.{self.index}.0/24", f"fd00:64:0:{self.index}::/64"


def lab_node(layout: Layout, index: int) -> LabNode:
    return LabNode(index, layout.netns(f"node-{index}"))


def build(layout: Layout, nodes: Sequence[LabNode], processes: Processes) -> None:
    """Make the LAN. Raises LabError naming the command that failed."""
    lan = layout.netns("lan")
    make_namespaces([lan, *(node.netns for node in nodes)], processes)
    batch(lan, [f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up"], processes)
    for node in nodes:
        v4, v6 = node.addresses
        cable = f"link add {UPLINK} type veth peer name port{node.index} netns {lan}"
        batch(
            node.netns,
            [
                cable,
                # Duplicate address detection would hold back the first neighbour solicitations for a second or more.
                f"link set {UPLINK} addrgenmode none",
                f"address add fe80::{10 + node.index}/64 dev {UPLINK} nodad",
                f"address add {v4}/24 dev {UPLINK}",
                f"address add {v6}/64 dev {UPLINK} nodad",
                f"link set {UPLINK} up",
            ],
            processes,
        )
        batch(lan, [f"link set port{node.index} master {BRIDGE} up"], processes)


def make_namespaces(names: Sequence[str], processes: Processes) -> None:
    """With loopback up, which for pods is the runtime's business."""
    processes.must(["ip", "-batch", "-"], stdin="".join(f"netns add {name}\n" for name in names))
    for name in names:
        batch(name, ["link set lo up"], processes)


def delete_namespace(name: str, processes: Processes) -> None:
    processes.must(["ip", "netns", "delete", name])


def pod_links(netns: str, processes: Processes) -> list[str]:
    """Links of a node that can only be host ends of pods (`tw` and 13 hexadecimal digits)."""
    links = json.loads(processes.must(["ip", "-j", "link", "show"], netns=netns))
    return [link["ifname"] for link in links if POD_LINK.fullmatch(link["ifname"])]


def batch(netns: str, lines: Sequence[str], processes: Processes) -> None:
    """Run `ip` commands, one per line, in a namespace."""
    processes.must(["ip", "-batch", "-"], netns=netns, stdin="".join(f"{line}\n" for line in lines))
