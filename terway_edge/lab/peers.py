"""The BGPPeer of each LAN and the Secret with its password, as `kubectl apply` would take them."""

from __future__ import annotations

import base64
from typing import Any

from terway_edge.lab.lans import Lan

SECRET, KEY = "bgp-secret", "password"
NAMESPACE = "kube-system"


def peer_object(lan: Lan, pool_label: str) -> dict[str, Any]:
    """Two speakers of a LAN and its switch. The switch's IPv4 address is the nodes' way to the other LAN as well."""
    spec: dict[str, Any] = {
        "localSpeakers": list(lan.speakers),
        "localAsNumber": lan.asn,
        "peerIP": lan.gateways[0],
        "peerAsNumber": lan.switch_asn,
        "nodeSelector": f"{pool_label}={lan.pool}",
    }
    if lan.has_password:
        spec["authPassword"] = {"secretKeyRef": {"name": SECRET, "key": KEY}}
    return {
        "apiVersion": "network.openyurt.io/v1alpha1",
        "kind": "BGPPeer",
        "metadata": {"name": lan.peer},
        "spec": spec,
    }


def secret_object(password: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "type": "Opaque",
        "data": {KEY: base64.b64encode(password.encode()).decode()},
    }
