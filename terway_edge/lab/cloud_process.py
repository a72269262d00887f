"""The process that plays the cloud: started by the lab, asked over a socket. It is none of what is shipped to nodes."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from terway_edge.lab import clouds
from terway_edge.lab.clouds import CloudNode
from terway_edge.lab.control import ask
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes
from terway_edge.lab.routers import Daemon
from terway_edge.lab.way import ENS, VPC, device_netns

MODULE = "terway_edge.testing.lab_cloud"
ENS_GATEWAY, VPC_GATEWAY = 1, -3
"""Places in a vSwitch: the first address that a host may have at an edge site, the last but two in a VPC."""


class Eni(NamedTuple):
    """An ENI as the cloud has it; `link` is its name on the node, empty while it is attached to none."""

    id: str
    instance: str
    type: str
    status: str
    vswitch: str
    mac: str
    link: str
    addresses: tuple[str, ...]


class CloudReport(NamedTuple):
    """Calls by `product:Action`, those that failed by error code, and what is wrong with the cloud."""

    calls: Mapping[str, int]
    failed: Mapping[str, int]
    metadata_calls: int
    violations: Sequence[str]
    orphans: Sequence[str]
    enis: Sequence[Eni]

    @property
    def made(self) -> int:
        return sum(self.calls.values())


class CloudProcess:
    """`key` is the account's AccessKey pair."""

    def __init__(self, layout: Layout, key: tuple[str, str], processes: Processes) -> None:
        directory = layout.root / "cloud"
        directory.mkdir(mode=0o700)
        self._stage = directory / "stage.json"
        self._control = directory / "control"
        self._daemon = Daemon("cloud", "", directory, processes)
        self._stage.touch(mode=0o600)
        self._stage.write_text(json.dumps(stage(layout, key, str(self._control))))

    @property
    def log(self) -> str:
        return str(self._daemon.log)

    def start(self) -> None:
        self._daemon.start([sys.executable, "-m", MODULE, str(self._stage)])

    def wait_ready(self) -> None:
        """Until ENIs that are attached from the beginning are links, and the API answers. Raises LabError."""
        self._daemon.wait_until(self._control.is_socket)

    def report(self) -> CloudReport:
        """Raises LabError."""
        answer = self._ask({"report": True})
        enis = [Eni(**{**eni, "addresses": tuple(eni["addresses"])}) for eni in answer.pop("enis")]
        return CloudReport(**answer, enis=enis)

    def load_faults(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Instead of those there were; none is an end of them. Raises LabError."""
        self._ask({"faults": {"faults": list(faults)}})

    def stop(self) -> None:
        """SIGTERM, and wait. Raises LabError."""
        self._daemon.stop()

    def tail(self) -> str:
        return self._daemon.tail()

    def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        return ask("the cloud", self._control, question, self.log)


def stage(layout: Layout, key: tuple[str, str], control: str) -> dict[str, Any]:
    """What the process is told: see its module."""
    plane = clouds.control_plane(layout)
    return {
        "site": clouds.site(layout, key),
        "places": {host.instance: _place(layout, host) for host in (*clouds.cloud_nodes(layout), plane)},
        "listeners": [
            {"netns": plane.netns, "address": plane.address, "port": clouds.API_PORT},
            {"netns": device_netns(layout, VPC), "address": clouds.METADATA, "port": 80},
        ],
        "control": control,
    }


def network_addresses(device: str) -> list[str]:
    """What a cloud network has itself: gateways of its vSwitches, in a VPC the metadata service too."""
    if device == ENS:
        return [_gateway(clouds.ENS_VSWITCH["cidr"], ENS_GATEWAY)]
    vswitches = (*clouds.node_vswitches(), *clouds.pod_vswitches())
    return [*(_gateway(vswitch["cidr"], VPC_GATEWAY) for vswitch in vswitches), clouds.METADATA]


def _place(layout: Layout, host: CloudNode) -> dict[str, Any]:
    is_ens = host.domain == clouds.ENS
    known = {vswitch["id"]: vswitch["cidr"] for vswitch in (*clouds.node_vswitches(), clouds.ENS_VSWITCH)}
    cidr = known[host.vswitch]
    return {
        "name": host.name,
        "netns": host.netns,
        "network": device_netns(layout, ENS if is_ens else VPC),
        "gateway": _gateway(cidr, ENS_GATEWAY if is_ens else VPC_GATEWAY),
        "length": ipaddress.ip_network(cidr).prefixlen,
    }


def _gateway(cidr: str, place: int) -> str:
    return str(ipaddress.ip_network(cidr)[place])
