"""The cluster of the watch bench: Nodes as kubelets leave them, in LANs of 250, and what happens to them in turn.

Node 1 is the agent's own. Most changes are what a kubelet writes about its node all the time. A few are real, that is
of what networking uses: a node of the agent's LAN goes, another one comes back, a node elsewhere gets another label.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from benchmarks.bgp_load import NODE, NODE_ASN, SWITCH, SWITCH_ASN
from terway_edge.core.addresses import Prefix

NODES = 5000
IN_LAN = 250
CHANGES = 100  # a second
AWAY = 5  # nodes that are gone at a time: what comes back at once would be no change
NODE6, SWITCH6, LAN6_LENGTH = "fd98::2", "fd98::1", 64
IMAGES = 25
OWN = "node-1"

Object = dict[str, Any]


class What(StrEnum):
    HEARTBEAT = "heartbeat"
    GOES = "goes"
    COMES = "comes"
    LABEL = "label"


class Change(NamedTuple):
    """What happens to which node."""

    what: What
    number: int


def heartbeats(nodes: int) -> Iterator[Change]:
    """For ever, of all nodes but those that come and go."""
    return itertools.cycle(Change(What.HEARTBEAT, number) for number in (1, *range(min(IN_LAN, nodes) + 1, nodes + 1)))


def reals(nodes: int) -> Iterator[Change]:
    """For ever: of the nodes of the agent's LAN `AWAY` are away in the end."""
    near = min(IN_LAN, nodes)
    for count in itertools.count():
        yield Change(What.GOES, 2 + count % (near - 1))
        if count >= AWAY:
            yield Change(What.COMES, 2 + (count - AWAY) % (near - 1))
        if nodes > near:
            yield Change(What.LABEL, nodes - count % (nodes - near))


def name(number: int) -> str:
    return f"node-{number}"


def prefixes(number: int) -> tuple[Prefix, ...]:
    """Its pod CIDRs."""
    return tuple(map(Prefix.parse, _pod_cidrs(number)))


def node(number: int) -> Object:
    """Some 6 KB in JSON, most of it status."""
    lan, host = divmod(number - 1, IN_LAN)
    cidrs = _pod_cidrs(number)
    site = "10.98.1" if lan == 0 else f"10.120.{lan}"
    addresses = [NODE, NODE6] if number == 1 else [f"{site}.{host + 1}", f"fd98:0:0:{lan:x}::{number + 2:x}"]
    labels = {
        "alibabacloud.com/is-edge-worker": "true",
        "alibabacloud.com/nodepool-id": f"np-{lan}",
        "beta.kubernetes.io/arch": "amd64",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name(number),
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": "edge",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name(number), "labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs, "providerID": f"edge://{name(number)}"},
        "status": {
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in addresses),
                {"type": "Hostname", "address": name(number)},
            ],
            "capacity": {"cpu": "4", "ephemeral-storage": "102350Mi", "memory": "8007508Ki", "pods": "250"},
            "allocatable": {"cpu": "4", "ephemeral-storage": "96589578081", "memory": "7905108Ki", "pods": "250"},
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": f"00000000-0000-4000-9000-{number:012x}",
                "containerRuntimeVersion": "containerd://1.7.24",
                "kernelVersion": "6.1.0",
                "kubeProxyVersion": "v1.30.1",
                "kubeletVersion": "v1.30.1",
                "machineID": f"{number:032x}",
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 12",
                "systemUUID": f"00000000-0000-4000-a000-{number:012x}",
            },
            "images": [
                {"names": [f"registry.example/app-{image}@sha256:{image:064x}"], "sizeBytes": 12345678}
                for image in range(IMAGES)
            ],
            **heartbeat(0)["status"],
        },
    }


def heartbeat(count: int) -> Object:
    """A patch of the status."""
    time = f"2026-01-01T{count // 3600 % 24:02}:{count // 60 % 60:02}:{count % 60:02}Z"
    conditions = [
        {
            "type": kind,
            "status": "True" if kind == "Ready" else "False",
            "lastHeartbeatTime": time,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": f"KubeletHas{kind}",
            "message": f"kubelet says {kind}",
        }
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    return {"status": {"conditions": conditions}}


def peer() -> Object:
    """The agent speaks for its LAN."""
    return {
        "apiVersion": "network.openyurt.io/v1alpha1",
        "kind": "BGPPeer",
        "metadata": {"name": "peer"},
        "spec": {
            "localSpeakers": [OWN],
            "localAsNumber": NODE_ASN,
            "peerIP": SWITCH,
            "peerAsNumber": SWITCH_ASN,
            "nodeSelector": "alibabacloud.com/nodepool-id=np-0",
        },
    }


def _pod_cidrs(number: int) -> list[str]:
    return [f"10.{64 + number // 256}.{number % 256}.0/24", f"fd64:0:0:{number:x}::/64"]
