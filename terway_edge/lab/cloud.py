"""The cloud's side of the lab: the way to it, its networks and nodes, the process that plays it, and what it says."""

from __future__ import annotations

import secrets

import yaml

from terway_edge.lab import border, pings, spoofing, vpc
from terway_edge.lab.cloud_process import CloudProcess, CloudReport, network_addresses
from terway_edge.lab.clouds import CloudNode, cloud_nodes, control_plane
from terway_edge.lab.configuring import write_key
from terway_edge.lab.domains import CONTROL_PLANE, DATA_CENTER
from terway_edge.lab.lans import lab_lans
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import make_namespaces
from terway_edge.lab.way import CEN, ENS, VPC, Applied, device_netns, document, planned

NETWORKS = {VPC: (CEN, ENS), ENS: (VPC,)}
"""The cloud's networks and their links that are no ENI's."""


class CloudSide:
    """`nodes` have agents; the control plane is one more host."""

    def __init__(self, layout: Layout, processes: Processes) -> None:
        self.nodes = cloud_nodes(layout)
        self.control_plane = control_plane(layout)
        self._layout = layout
        self._processes = processes
        self._key = (f"LTAI{secrets.token_hex(8)}", secrets.token_hex(15))
        self.process: CloudProcess

    def build(self) -> None:
        """Networks, and the process, which plugs their nodes in. Raises LabError."""
        self.build_networks()
        self.process = CloudProcess(self._layout, self._key, self._processes)
        self.process.start()

    def build_networks(self) -> None:
        """The way from the core, which must be there, and nodes that nobody has plugged in."""
        border.build(self._layout, self._processes)
        make_namespaces([host.netns for host in (*self.nodes, self.control_plane)], self._processes)
        for device, uplinks in NETWORKS.items():
            vpc.prepare(device_netns(self._layout, device), network_addresses(device), uplinks, self._processes)

    def apply_plan(self) -> list[Applied]:
        """Give every device what `terway-edge plan` prints for it. Raises LabError."""
        lans = lab_lans(self._layout)
        self._layout.plan.write_text(yaml.safe_dump(document(lans), sort_keys=False))
        plan = planned(self._layout, lans)
        border.apply(plan, self._processes)
        return plan

    def give_key(self, node: str) -> None:
        """The account's AccessKey for a node without a RAM role."""
        write_key(self._layout.node_dir(node), self._key)

    def hosts(self) -> list[pings.End]:
        """Hosts without pods that others ping."""
        plane = self.control_plane
        return [
            pings.End(border.HOST, self._layout.netns(border.HOST), (border.HOST_ADDRESS, ""), DATA_CENTER),
            pings.End(plane.name, plane.netns, plane.addresses, CONTROL_PLANE),
        ]

    def foreign(self) -> int:
        """Packets that the cloud's networks have thrown away for their source. Raises LabError."""
        return sum(vpc.spoofed(device_netns(self._layout, device), self._processes) for device in NETWORKS)

    def spoof(self, source: str) -> list[tuple[str, int, int]]:
        """Have a node of each network send packets with a source that is not its own: (network, sent, dropped)."""
        target = self._end(self.control_plane)
        found = []
        for device, sender in ((VPC, self.nodes[0]), (ENS, self.nodes[-1])):
            network = device_netns(self._layout, device)
            dropped = spoofing.dropped(network, self._end(sender), source, target, self._processes)
            found.append((device, spoofing.COUNT, dropped))
        return found

    def report(self) -> CloudReport:
        return self.process.report()

    @staticmethod
    def _end(host: CloudNode) -> pings.End:
        return pings.End(host.name, host.netns, host.addresses)
