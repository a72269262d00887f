"""What is read of the Kubernetes API, and under which paths things are."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

NAMESPACE = "kube-system"
"""Where the Secrets and ConfigMaps are that concern networking."""
ENI_CONFIG, CONFIG_LABEL = "eni-config", "terway-config"
"""The ConfigMap of all nodes on ENIs, and the label by which a node names one of its own (`core.eni_config`)."""
PEER_VERSION = "network.openyurt.io/v1alpha1"

_NODES = "/api/v1/nodes"
_PEERS = f"/apis/{PEER_VERSION}/bgppeers"
_NAMESPACED = f"/api/v1/namespaces/{NAMESPACE}"
EVENTS_PATH = "/api/v1/namespaces/default/events"
"""Of objects that are in no namespace: in another one the API server refuses them, or nobody finds them."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A list that can be watched. `right` is what a role calls it. `is_optional`: the cluster may not have its CRD."""

    kind: str
    right: str
    path: str
    field_selector: str = ""
    is_optional: bool = False
    label_selector: str = ""


NODES = Resource("Node", "nodes", _NODES)
PEERS = Resource("BGPPeer", "bgppeers.network.openyurt.io", _PEERS, is_optional=True)


def config_map(name: str) -> Resource:
    """One ConfigMap by its name: no other is ever asked for, or held in memory."""
    return Resource("ConfigMap", f"configmaps/{name}", f"{_NAMESPACED}/configmaps", f"metadata.name={name}")


def secret_path(name: str) -> str:
    return f"{_NAMESPACED}/secrets/{quote(name, safe='')}"


def object_path(kind: str, name: str, namespace: str = "") -> str:
    """Raises LookupError for a kind of which nothing is ever written."""
    if kind == "Pod":
        return f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(name, safe='')}"
    return f"{ {'Node': _NODES, 'BGPPeer': _PEERS}[kind] }/{quote(name, safe='')}"
