"""An edge node: a LAN, its BGP switch, another node of the LAN on paper, and a few beyond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from terway_edge.backends.bgp.switch_config import render
from terway_edge.lab import routes, topology
from terway_edge.lab.bird import Bird
from terway_edge.lab.cluster import Manifests
from terway_edge.lab.configuring import settings
from terway_edge.lab.fabric import bird_site, switch_side
from terway_edge.lab.lans import LabNode, lab_node
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import POOL_LABEL
from terway_edge.lab.peers import peer_object
from terway_edge.lab.processes import Processes
from terway_edge.torture.node import DISK, TorturedNode

OWN, OTHERS = 4, (1, 2, 5)
"""The node's number, a speaker of the second LAN, which has no password; and those that are objects only."""
WIDE_DISK = "16m"
FICKLE = 5
"""The other node of the LAN, which comes and goes where that is wanted."""


class SmallNode(LabNode):
    """So few addresses that they are used again and again, and run out."""

    @property
    def pod_cidrs(self) -> tuple[str, str]:
        return f"10.64.{self.index}.0/28", f"fd00:64:0:{self.index}::/124"


class WideNode(LabNode):
    """Addresses for hundreds of pods that come and go without a pause."""

    @property
    def pod_cidrs(self) -> tuple[str, str]:
        return f"10.64.{16 * self.index}.0/20", f"fd00:64:0:{self.index}::/116"


class EdgeNode(TorturedNode):
    kind = "edge"
    host: LabNode

    def __init__(
        self, layout: Layout, processes: Processes, token: str, make: type[LabNode] = SmallNode, disk: str = DISK
    ) -> None:
        """:param make: which addresses the nodes have for pods"""
        self._make = make
        self._there = {OWN, *OTHERS}
        super().__init__(self._other(OWN, layout), layout, processes, token, disk)
        self._cluster: Manifests
        self._switch: Bird

    def build_surroundings(self) -> None:
        topology.build([self.host], self.processes)
        self._cluster = Manifests(self.layout.manifests)
        for index in (OWN, *OTHERS):
            self._cluster.put(self._other(index))
        lan = self.host.lan
        self._cluster.put_object(lan.peer, peer_object(lan, POOL_LABEL))
        side = replace(switch_side(lan, [self.host]), longest=(28, 124))
        text = bird_site(lan) + render(side, "bird")
        directory = self.layout.router_dir(lan.switch)
        self._switch = Bird(lan.switch, lan.netns, directory, self.processes, text)
        self._switch.start()
        self._switch.wait_ready()

    def settings(self) -> dict[str, Any]:
        return settings(self.host, self.directory, self._cluster.section(self.host, self.directory))

    def surroundings(self, shown: list[str]) -> Mapping[str, Any]:
        """The switch learns of the pod CIDRs of all nodes of the LAN."""
        near = [node for node in map(self._other, sorted(self._there)) if node.lan == self.host.lan]
        told = {path.prefix for version in (4, 6) for path in self._switch.paths(version)}
        return {"owned": frozenset(cidr for node in near for cidr in node.pod_cidrs), "advertised": frozenset(told)}

    def faults(self) -> list[str]:
        """Routes to other nodes."""
        wanted = routes.expected(self.host, self._cluster.nodes(), ())
        actual = {route for route in routes.read(self.host.netns, self.processes) if route.link != routes.POD_LINK}
        found = routes.compare(self.host.name, wanted, actual)
        return [f"route {route} is missing" for route in found.missing] + [
            f"route {route} is not wanted" for route in found.unexpected
        ]

    def turn_neighbour(self) -> None:
        """The other node of the LAN goes, or comes back: a withdrawal or an announcement."""
        if FICKLE in self._there:
            self._cluster.remove(self._other(FICKLE))
        else:
            self._cluster.put(self._other(FICKLE))
        self._there ^= {FICKLE}

    def _other(self, index: int, layout: Layout | None = None) -> LabNode:
        node = lab_node(layout or self.layout, index)
        return self._make(node.index, node.netns, node.lan)


class WideEdgeNode(EdgeNode):
    """For modes in which nothing fails: the agent is as it is elsewhere."""

    has_failpoints = False

    def __init__(self, layout: Layout, processes: Processes, token: str) -> None:
        super().__init__(layout, processes, token, WideNode, WIDE_DISK)
