"""Objects of the tests: a small CRD that has all the server must know of CRDs, and what lies in a cluster."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP, PLURAL = "double.test.terway-edge.io", "links"
LINKS = f"/apis/{GROUP}/v1/{PLURAL}"
NODES, LEASES = "/api/v1/nodes", "/apis/coordination.k8s.io/v1/namespaces/default/leases"
RESERVED = "AS 23456 is reserved"

CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Cluster",
        "names": {"kind": "Link", "listKind": "LinkList", "plural": PLURAL, "singular": "link", "shortNames": ["lnk"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "selectableFields": [{"jsonPath": ".spec.peer"}],
                "additionalPrinterColumns": [
                    {"name": "Speakers", "type": "string", "jsonPath": ".spec.speakers"},
                    {"name": "Number", "type": "integer", "jsonPath": ".spec.number"},
                    {
                        "name": "Up",
                        "type": "string",
                        "jsonPath": '.status.conditions[?(@.type=="Up")].status',
                        "priority": 1,
                    },
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["speakers", "number"],
                                "properties": {
                                    "speakers": {
                                        "type": "array",
                                        "minItems": 1,
                                        "maxItems": 8,
                                        "x-kubernetes-list-type": "set",
                                        "items": {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9-]+$"},
                                    },
                                    "number": {
                                        "type": "integer",
                                        "format": "int64",
                                        "minimum": 1,
                                        "maximum": 4294967294,
                                        "x-kubernetes-validations": [{"rule": "self != 23456", "message": RESERVED}],
                                    },
                                    "peer": {"type": "string", "format": "ipv4", "maxLength": 15},
                                    "hold": {"type": "integer", "default": 90},
                                    "mode": {"type": "string", "enum": ["active", "passive"]},
                                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                                },
                            },
                            "status": {
                                "type": "object",
                                "properties": {
                                    "conditions": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["type"],
                                        "items": {
                                            "type": "object",
                                            "required": ["type", "status"],
                                            "properties": {
                                                "type": {"type": "string"},
                                                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                                            },
                                        },
                                    },
                                    "speakers": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["node"],
                                        "items": {
                                            "type": "object",
                                            "required": ["node"],
                                            "properties": {"node": {"type": "string"}, "state": {"type": "string"}},
                                        },
                                    },
                                },
                            },
                        },
                    }
                },
            }
        ],
    },
}


def crd(**changes: Any) -> dict[str, Any]:
    """:param changes: of the spec of its version's `spec` property, by name"""
    made = deepcopy(CRD)
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"] |= changes
    return made


def link(name: str = "one", **spec: Any) -> dict[str, Any]:
    whole = {"speakers": ["node-1", "node-2"], "number": 65010, "peer": "192.0.2.1"} | spec
    return {"apiVersion": f"{GROUP}/v1", "kind": "Link", "metadata": {"name": name}, "spec": whole}


def link_status(name: str = "one", **status: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Link", "metadata": {"name": name}, "status": status}


def node(name: str = "double-1", **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def config(name: str, namespace: str = "default", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def lease(name: str, holder: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default"}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


def pod(name: str, node_name: str = "", **meta: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"schedulerName": "nobody", "containers": [{"name": "c", "image": "i"}]}
    if node_name:
        spec["nodeName"] = node_name
    meta = {"name": name, "namespace": "default"} | meta
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
