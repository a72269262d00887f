"""The routes a node should have, worked out from the manifests alone, against those its kernel has.

Deliberately knows nothing of the agent's own route model: it reads the same Node objects and `ip -j route`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from terway_edge.lab.clouds import ENS_CIDR, VPC_CIDR
from terway_edge.lab.lans import LabNode
from terway_edge.lab.objects import POOL_LABEL
from terway_edge.lab.pods import LabPod
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import UPLINK

PROTO = "158"
DEFAULT = "default"
POD_LINK = "tw*"
"""Stands for any link whose name starts with our prefix."""


class LabRoute(NamedTuple):
    """A route as `ip route` tells it; `via` is empty on-link, `link` is empty for unreachable."""

    prefix: str
    via: str = ""
    link: str = ""
    kind: str = "unicast"

    def __str__(self) -> str:
        words = [self.kind if self.kind != "unicast" else "", self.prefix]
        words += ["via", self.via] if self.via else []
        words += ["dev", self.link] if self.link else []
        return " ".join(filter(None, words))


class RouteTable(NamedTuple):
    """What a node has, and how that differs from what it should have."""

    node: str
    actual: tuple[LabRoute, ...]
    missing: tuple[LabRoute, ...]
    unexpected: tuple[LabRoute, ...]

    @property
    def ok(self) -> bool:
        return not self.missing and not self.unexpected


def expected(own: LabNode, manifests: Iterable[Mapping[str, Any]], pods: Iterable[LabPod]) -> set[LabRoute]:
    """The own pod CIDRs' cover and own pods; others' pod CIDRs via their InternalIPs, in other LANs via the switch, as
    is what lies beyond the edge."""
    routes = {LabRoute(cidr, own.lan.gateways[0], UPLINK) for cidr in (VPC_CIDR, ENS_CIDR)}
    for manifest in manifests:
        metadata = manifest["metadata"]
        internal = [a["address"] for a in manifest["status"]["addresses"] if a["type"] == "InternalIP"]
        is_near = metadata["labels"][POOL_LABEL] == own.lan.pool
        for cidr in manifest["spec"]["podCIDRs"]:
            if metadata["name"] == own.name:
                routes.add(LabRoute(cidr, kind="unreachable"))
            else:
                routes.add(LabRoute(cidr, _same_family(cidr, internal if is_near else own.lan.gateways), UPLINK))
    for pod in pods:
        if pod.node == own:
            routes |= {LabRoute(str(ipaddress.ip_network(address)), link=POD_LINK) for address in pod.addresses}
    return routes


def read(netns: str, processes: Processes) -> set[LabRoute]:
    """The agent's routes in a node's main tables. Raises LabError."""
    found: set[LabRoute] = set()
    for family in ("-4", "-6"):
        text = processes.must(["ip", "-j", family, "route", "show", "proto", PROTO], netns=netns)
        found |= parse(text)
    return found


def parse(text: str) -> set[LabRoute]:
    """Read `ip -j route show`; pod links are told by their prefix, as their names are the agent's own choice."""
    routes: set[LabRoute] = set()
    for entry in json.loads(text or "[]"):
        kind = entry.get("type", "unicast")
        link = entry.get("dev", "") if kind == "unicast" else ""
        if link.startswith("tw"):
            link = POD_LINK
        prefix = entry["dst"] if entry["dst"] == DEFAULT else str(ipaddress.ip_network(entry["dst"]))
        routes.add(LabRoute(prefix, entry.get("gateway", ""), link, kind))
    return routes


def compare(node: str, wanted: set[LabRoute], actual: set[LabRoute]) -> RouteTable:
    return RouteTable(node, ordered(actual), ordered(wanted - actual), ordered(actual - wanted))


def ordered(routes: Iterable[LabRoute]) -> tuple[LabRoute, ...]:
    """In numeric order of the prefix, v4 first."""
    return tuple(sorted(routes, key=_order))


def _order(route: LabRoute) -> tuple[int, int, int, str]:
    if route.prefix == DEFAULT:
        return (0, 0, 0, route.via)
    network = ipaddress.ip_network(route.prefix)
    return (network.version, int(network.network_address), network.prefixlen, route.via)


def _same_family(cidr: str, addresses: Sequence[str]) -> str:
    version = ipaddress.ip_network(cidr).version
    return next((a for a in addresses if ipaddress.ip_address(a).version == version), "")
