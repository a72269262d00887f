"""Nodes with ENIs: one in the VPC, which gets them as it needs them, and one at the ENS site, which was born with them.

Both stand on the lab's cloud: the emulator, with signatures, behind the nodes' own network.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from terway_edge.lab import vpc
from terway_edge.lab.cloud_process import CloudProcess, Eni, network_addresses
from terway_edge.lab.clouds import ENS_CIDR, VPC_CIDR, CloudNode, cloud_nodes, control_plane
from terway_edge.lab.cluster import Manifests
from terway_edge.lab.configuring import settings, write_key
from terway_edge.lab.layout import Layout
from terway_edge.lab.objects import ENI_CONFIG, eni_config_object
from terway_edge.lab.processes import Processes
from terway_edge.lab.topology import batch, forward, make_namespaces
from terway_edge.lab.way import ENS as ENS_NETWORK
from terway_edge.lab.way import VPC, device_netns
from terway_edge.testing.oracle.node import links
from terway_edge.testing.oracle.sights import IP
from terway_edge.torture.case import ENS
from terway_edge.torture.node import TorturedNode

WAY = {VPC: ("way", "169.254.9.1"), ENS_NETWORK: ("way", "169.254.9.2")}
"""The link between both networks: its name, and the address of its end."""
FIRST_TABLE = 1000
TRIM_AFTER = "3s"
"""How long more addresses than wanted are idle until they go back to the cloud: pods must not lose theirs then."""
DEFAULTS = "ip -j -4 route show table all proto 158 default"
PRIMARY = "Primary"


class CloudyNode(TorturedNode):
    host: CloudNode

    def __init__(self, kind: str, layout: Layout, processes: Processes, token: str) -> None:
        host = next(node for node in cloud_nodes(layout) if node.domain == kind)
        super().__init__(host, layout, processes, token)
        self.kind = kind
        self._key = (f"LTAI{secrets.token_hex(8)}", secrets.token_hex(15))
        self._tables: Mapping[str, int] = {}
        self._cluster: Manifests
        self.cloud: CloudProcess

    def build_surroundings(self) -> None:
        layout, processes = self.layout, self.processes
        hosts = [*cloud_nodes(layout), control_plane(layout)]
        networks = {device: device_netns(layout, device) for device in WAY}
        make_namespaces([*(host.netns for host in hosts), *networks.values()], processes)
        self._join(networks)
        for device, netns in networks.items():
            forward(netns, processes)
            vpc.prepare(netns, network_addresses(device), [WAY[device][0]], processes)
        self.cloud = CloudProcess(layout, self._key, processes)
        self.cloud.start()
        self._cluster = Manifests(layout.manifests)
        for node in cloud_nodes(layout):
            self._cluster.put(node)
        self._cluster.put_object(ENI_CONFIG, eni_config_object(ip_pool_sync_period=TRIM_AFTER))
        self.cloud.wait_ready()

    def _join(self, networks: Mapping[str, str]) -> None:
        (near, near_address), (far, far_address) = WAY[VPC], WAY[ENS_NETWORK]
        cable = f"link add {near} type veth peer name {far} netns {networks[ENS_NETWORK]}"
        batch(networks[VPC], [cable], self.processes)
        for device, via, cidr in ((VPC, far_address, ENS_CIDR), (ENS_NETWORK, near_address, VPC_CIDR)):
            name, address = WAY[device]
            lines = [f"address add {address}/30 dev {name}", f"link set {name} up", f"route add {cidr} via {via}"]
            batch(networks[device], lines, self.processes)

    def settings(self) -> dict[str, Any]:
        return settings(self.host, self.directory, self._cluster.section(self.host, self.directory))

    def build(self) -> None:
        super().build()
        if self.kind == ENS:
            write_key(self.directory, self._key)

    def surroundings(self, shown: list[str]) -> Mapping[str, Any]:
        """By which table packets from each address of the node's ENIs leave."""
        indexes = dict(links(shown))
        enis = [eni for eni in self._enis() if eni.link in indexes]
        self._tables = {address: FIRST_TABLE + indexes[eni.link] for eni in enis for address in eni.addresses}
        return {"cloud": self._tables}

    def faults(self) -> list[str]:
        """What the emulator finds wrong with what it was asked, and tables that lead nowhere."""
        addresses = {address for pod in self.books.live() for address in pod.addresses}
        used = {self._tables[address] for address in addresses & self._tables.keys()}  # of the others I6 tells
        shown = self.processes.must([*DEFAULTS.split()], netns=self.host.netns)
        there = {int(route["table"]) for route in json.loads(shown or "[]") if "linkdown" not in route["flags"]}
        nowhere = [f"table {table}, of live pods, has no default route" for table in sorted(used - there)]
        return [*self.cloud.report().violations, *nowhere]

    def pod_links(self) -> list[tuple[str, int]]:
        """Names and indexes of the links of ENIs that pods use."""
        mine = {eni.link for eni in self._enis()}
        shown = self.processes.must([*IP[0].split()], netns=self.host.netns)
        return [(name, index) for name, index in links([shown]) if name in mine]

    def _enis(self) -> list[Eni]:
        """Those of the node that pods use."""
        enis = self.cloud.report().enis
        return [eni for eni in enis if eni.instance == self.host.instance and eni.type != PRIMARY]
