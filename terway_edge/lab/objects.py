"""Cluster objects as `kubectl get KIND NAME -o yaml` prints them."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from typing import Any

from terway_edge.lab import clouds
from terway_edge.lab.hosts import Host
from terway_edge.lab.lans import LabNode
from terway_edge.lab.pods import LabPod
from terway_edge.lab.way import SERVICES

ENI_CONFIG = "eni-config"
EDGE_LABEL = "alibabacloud.com/is-edge-worker"
POOL_LABEL = "alibabacloud.com/nodepool-id"
ENS_LABEL = "alibabacloud.com/ens-instance-id"
CREATED = "2025-01-01T08:00:00Z"


def node_object(node: Host, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
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
                **_labels(node),
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
                **(labels or {}),
            },
            "name": node.name,
            "resourceVersion": str(1000 + node.index),
            "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{node.name}.lab.terway-edge.invalid")),
        },
        "spec": _spec(node),
        "status": _status(node),
    }


def eni_config_object(**more: str) -> dict[str, Any]:
    """Terway's ConfigMap, as the console writes it: where pods of each zone get their addresses, and how many are kept
    ready; and `more` of its keys."""
    eni_conf = {
        "version": "1",
        "max_pool_size": 5,
        "min_pool_size": 5,
        "eni_selection_policy": "least_ips",
        "service_cidr": SERVICES,
        "vswitches": clouds.pod_vswitch_ids(),
        "ip_stack": "ipv4",
        **more,
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": ENI_CONFIG, "namespace": "kube-system"},
        "data": {
            "eni_conf": json.dumps(eni_conf),
            "10-terway.conf": json.dumps({"cniVersion": "0.4.0", "name": "terway", "type": "terway"}),
        },
    }


def _labels(node: Host) -> dict[str, str]:
    """Those that tell what kind of node it is. On ENS the instance's id does."""
    if isinstance(node, LabNode):
        return {EDGE_LABEL: "true", POOL_LABEL: node.lan.pool}
    common = {POOL_LABEL: f"np-lab-{node.domain}", "topology.kubernetes.io/zone": node.zone}
    if node.domain == clouds.ENS:
        return {EDGE_LABEL: "true", ENS_LABEL: node.instance, **common}
    return {EDGE_LABEL: "false", "node.kubernetes.io/instance-type": str(clouds.INSTANCE_TYPE["id"]), **common}


def _spec(node: Host) -> dict[str, Any]:
    """Only nodes of the edge have pod CIDRs, only those of the VPC a provider."""
    if isinstance(node, LabNode):
        return {"podCIDR": node.pod_cidrs[0], "podCIDRs": list(node.pod_cidrs)}
    return {"providerID": f"{clouds.REGION}.{node.instance}"} if node.domain == clouds.CLOUD else {}


def _status(node: Host) -> dict[str, Any]:
    capacity = {
        "cpu": "4",
        "ephemeral-storage": "41151808Ki",
        "hugepages-2Mi": "0",
        "memory": "8009384Ki",
        "pods": "110",
    }
    return {
        "addresses": [
            *({"address": address, "type": "InternalIP"} for address in node.addresses if address),
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


def pod_object(pod: LabPod) -> dict[str, Any]:
    """A v1 Pod that its node runs already; nobody else is to start it or take it away."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": "default"},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"image": "registry.example.com/pause:3.9", "name": "pause"}],
            "nodeName": pod.node.name,
            "tolerations": [{"operator": "Exists"}],
        },
    }


def agent_object(node: Host) -> dict[str, Any]:
    """The pod that the agent of a node would be in, if this were no lab; by its readiness others know of the agent."""
    component = {clouds.CLOUD: "cloud-agent", clouds.ENS: "ens-agent"}.get(node.domain, "edge-agent")
    labels = {"app.kubernetes.io/name": "terway-edge", "app.kubernetes.io/component": component}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"terway-edge-{node.name}", "namespace": "kube-system", "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [{"image": "registry.example.com/terway-edge:lab", "name": "agent"}],
            "nodeName": node.name,
            "tolerations": [{"operator": "Exists"}],
        },
    }
