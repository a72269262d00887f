"""The cluster as a directory of manifests: Node objects as `kubectl get node NAME -o yaml` prints them."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import yaml

from terway_edge.lab.topology import LabNode

EDGE_LABEL = "alibabacloud.com/is-edge-worker"
POOL_LABEL = "alibabacloud.com/nodepool-id"
POOL = "np-lab"
CREATED = "2025-01-01T08:00:00Z"


class Manifests:
    """Writes and removes Node manifests, each replaced in one go as `kubectl` output moved into place would be."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o755)

    def put(self, node: LabNode, pool: str = POOL) -> None:
        path = self._path(node)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(yaml.safe_dump(node_object(node, pool), sort_keys=False))
        os.replace(temporary, path)

    def remove(self, node: LabNode) -> None:
        self._path(node).unlink()

    def nodes(self) -> list[dict[str, Any]]:
        """The Node objects as they are in the files now."""
        return [yaml.safe_load(path.read_text()) for path in sorted(self.directory.glob("node-*.yaml"))]

    def _path(self, node: LabNode) -> Path:
        return self.directory / f"{node.name}.yaml"


def node_object(node: LabNode, pool: str = POOL) -> dict[str, Any]:
    """A whole v1 Node: much more than an agent needs, because that is what it meets in a real cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
            "creationTimestamp": CREATED,
            "labels": {
                EDGE_LABEL: "true",
                POOL_LABEL: pool,
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
            },
            "name": node.name,
            "resourceVersion": str(1000 + node.index),
            "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{node.name}.lab.terway-edge.invalid")),
        },
        "spec": {"podCIDR": node.pod_cidrs[0], "podCIDRs": list(node.pod_cidrs)},
        "status": _status(node),
    }


def _status(node: LabNode) -> dict[str, Any]:
    capacity = {
        "cpu": "4",
        "ephemeral-storage": "41151808Ki",
        "hugepages-2Mi": "0",
        "memory": "8009384Ki",
        "pods": "110",
    }
    return {
        "addresses": [
            *({"address": address, "type": "InternalIP"} for address in node.addresses),
            {"address": node.name, "type": "Hostname"},
        ],
        "allocatable": dict(capacity),
        "capacity": capacity,
        "conditions": [
            _condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
            _condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
            _condition("PIDPressure", "False", "KubeletHasSufficientPID"),
            _condition("Ready", "True", "KubeletReady"),
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": [
            {"names": ["registry.example.com/pause:3.9"], "sizeBytes": 321520},
            {"names": ["registry.example.com/coredns:v1.11.1"], "sizeBytes": 18182961},
        ],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"boot.{node.name}.lab.terway-edge.invalid")),
            "containerRuntimeVersion": "containerd://1.7.24",
            "kernelVersion": os.uname().release,
            "kubeProxyVersion": "v1.31.4",
            "kubeletVersion": "v1.31.4",
            "machineID": f"{node.index:032x}",
            "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 12 (bookworm)",
            "systemUUID": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"system.{node.name}.lab.terway-edge.invalid")),
        },
    }


def _condition(kind: str, status: str, reason: str) -> dict[str, str]:
    return {
        "lastHeartbeatTime": CREATED,
        "lastTransitionTime": CREATED,
        "message": reason,
        "reason": reason,
        "status": status,
        "type": kind,
    }
