"""Namespaces and cables: each LAN is a bridge in its switch's namespace, with a cable to each node and one to the core.

Everything is made inside the lab's own namespaces; no link ever appears in the host's. Nodes have no default route, as
on an edge site without an uplink: they know the way to their own site, and where pods are is the agents' business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from terway_edge.lab.lans import CORE, SITE, LabNode, Lan
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes

UPLINK = "uplink"
BRIDGE = "lan0"
POD_LINK = re.compile(r"tw[0-9a-f]{13}")
FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")


def build(nodes: Sequence[LabNode], processes: Processes) -> None:
    """Make the nodes and their LANs. Raises LabError naming the command that failed."""
    lans = sorted({node.lan for node in nodes}, key=lambda lan: lan.number)
    make_namespaces([*(lan.netns for lan in lans), *(node.netns for node in nodes)], processes)
    for lan in lans:
        _make_switch(lan, processes)
    for node in nodes:
        _plug_in(node, processes)


def join(layout: Layout, lans: Sequence[Lan], processes: Processes) -> None:
    """Make the core and a link from it to each LAN's switch. Raises LabError naming the command that failed."""
    core = layout.netns(CORE)
    make_namespaces([core], processes)
    forward(core, processes)
    for lan in lans:
        link = f"to-{lan.switch}"
        batch(core, [f"link add {link} type veth peer name {CORE} netns {lan.netns}"], processes)
        batch(core, _addressed(link, lan.link_to_core(1), (30, 64), 1), processes)
        batch(lan.netns, _addressed(CORE, lan.link_to_core(2), (30, 64), 2), processes)


def _make_switch(lan: Lan, processes: Processes) -> None:
    forward(lan.netns, processes)
    # A bridge without an address of its own takes that of a port, and another one when a port comes.
    mac = f"02:00:5e:00:00:{lan.number + 1:02x}"
    batch(lan.netns, [f"link add {BRIDGE} address {mac} type bridge"], processes)
    batch(lan.netns, _addressed(BRIDGE, lan.gateways, (24, 64), 1), processes)


def _plug_in(node: LabNode, processes: Processes) -> None:
    lan, host = node.lan, 10 + node.index
    cable = f"link add {UPLINK} type veth peer name port{node.index} netns {lan.netns}"
    site = [f"route add {prefix} via {gateway}" for prefix, gateway in zip(SITE, lan.gateways, strict=True)]
    batch(node.netns, [cable, *_addressed(UPLINK, node.addresses, (24, 64), host), *site], processes)
    batch(lan.netns, [f"link set port{node.index} master {BRIDGE} up"], processes)


def _addressed(link: str, addresses: Sequence[str], lengths: Sequence[int], host: int) -> list[str]:
    """Lines that bring a link up with its addresses and fe80::HOST."""
    return [
        # Duplicate address detection would hold back the first neighbour solicitations for a second or more.
        f"link set {link} addrgenmode none",
        f"address add fe80::{host}/64 dev {link} nodad",
        f"address add {addresses[0]}/{lengths[0]} dev {link}",
        f"address add {addresses[1]}/{lengths[1]} dev {link} nodad",
        f"link set {link} up",
    ]


def forward(netns: str, processes: Processes) -> None:
    """Make it a router."""
    processes.must(["tee", *FORWARDING], netns=netns, stdin="1\n")


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
