"""A switch with BIRD for an edge node, with which it speaks over a signed session."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from terway_edge.lab.bird import Bird
from terway_edge.lab.processes import Processes
from tests.system.machine import POD_CIDR, Machine

CONFIG = """\
router id 192.0.2.99;
protocol device {{}}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; }}
protocol bgp n1 {{
  local 192.0.2.99 as 65001;
  neighbor 192.0.2.10 as 65010;
  password "{password}";
  ipv4 {{ import all; export none; }};
}}
"""
PEER = {
    "apiVersion": "network.openyurt.io/v1alpha1",
    "kind": "BGPPeer",
    "metadata": {"name": "lan"},
    "spec": {
        "localSpeakers": ["n1"],
        "localAsNumber": 65010,
        "peerIP": "192.0.2.99",
        "peerAsNumber": 65001,
        "nodeSelector": "all()",
        "authPassword": {"secretKeyRef": {"name": "bgp-secret", "key": "password"}},
    },
}


def password_secret(password: bytes) -> dict[str, Any]:
    metadata = {"name": "bgp-secret", "namespace": "kube-system"}
    data = {"password": base64.b64encode(password).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def new_switch(machine: Machine, directory: Path, password: str) -> Bird:
    """At the peer, which has no other way to the node's pods than what it learns; for the caller to stop."""
    machine.ip(f"route del {POD_CIDR}", netns=machine.peer)
    directory.mkdir()
    switch = Bird("switch", machine.peer, directory, Processes("of the tests"), CONFIG.format(password=password))
    switch.start()
    switch.wait_ready()
    machine.write("secret", password_secret(password.encode()))
    machine.write("peer", PEER)
    return switch
