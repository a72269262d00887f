"""The kinds that every cluster has, as far as this server serves them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.schema.shorthand import Types
from terway_edge.testing.apiserver.show.columns import COLUMNS

REVIEW = ("create",)
_EVENT = (
    *(f"involvedObject.{each}" for each in ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion")),
    *("involvedObject.uid", "reason", "reportingComponent", "type"),
)
_POD = (
    *(f"spec.{each}" for each in ("hostNetwork", "nodeName", "restartPolicy", "schedulerName", "serviceAccountName")),
    *("status.nominatedNodeName", "status.phase", "status.podIP"),
)


@cache
def _types() -> Types:
    return Types(yaml.safe_load(Path(__file__).with_name("types.yaml").read_text()))


@cache
def meta_schema() -> Object:
    """What metadata looks like, in all kinds."""
    schema = _types().schema("ObjectMeta")
    schema["properties"]["ownerReferences"] |= {"x-terway-edge-repeats": True}
    return schema


def _schema(name: str) -> Object:
    schema = _types().schema(name)
    for field in ("apiVersion", "kind"):
        schema["properties"][field] = {"type": "string"}
    schema["properties"]["metadata"] = meta_schema()
    _allow_repeats(schema)
    return schema


def _allow_repeats(schema: Object) -> None:
    """Keyed lists of built-in kinds may repeat a key, as a Node's InternalIPs of two families do."""
    if schema.get("x-kubernetes-list-type") == "map":
        schema["x-terway-edge-repeats"] = True
    inner = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for each in inner:
        if isinstance(each, dict):
            _allow_repeats(each)


def _kind(
    api: str,
    name: str,
    plural: str,
    short: str = "",
    *,
    namespaced: bool = True,
    status: bool = False,
    counts: bool = False,
    needs_version: bool = False,
    fields: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
) -> Kind:
    group, _, version = api.rpartition("/")
    return Kind(
        group=group,
        version=version,
        name=name,
        plural=plural,
        namespaced=namespaced,
        schema=_schema(name),
        singular=name.lower(),
        short_names=tuple(short.split()),
        categories=categories,
        has_status=status,
        counts=counts,
        needs_version=needs_version,
        columns=COLUMNS.get(name, ()),
        selectable={each: tuple(each.split(".")) for each in fields},
    )


def _review(api: str, name: str, *, namespaced: bool = False) -> Kind:
    group, _, version = api.rpartition("/")
    plural = name.lower() + "s"
    return Kind(group, version, name, plural, namespaced, _schema(name), name.lower(), verbs=REVIEW, is_stored=False)


@cache
def builtin_kinds() -> tuple[Kind, ...]:
    rbac, reviews = "rbac.authorization.k8s.io/v1", "authorization.k8s.io/v1"
    return (
        _kind("v1", "Namespace", "namespaces", "ns", namespaced=False, status=True, fields=("status.phase",)),
        _kind("v1", "Node", "nodes", "no", namespaced=False, status=True, fields=("spec.unschedulable",)),
        _kind("v1", "Pod", "pods", "po", status=True, counts=True, fields=_POD, categories=("all",)),
        _kind("v1", "Secret", "secrets", fields=("type",)),
        _kind("v1", "ConfigMap", "configmaps", "cm"),
        _kind("v1", "Event", "events", "ev", fields=_EVENT),
        _kind("v1", "ServiceAccount", "serviceaccounts", "sa"),
        _kind("v1", "Service", "services", "svc", status=True, fields=("spec.clusterIP", "spec.type")),
        _kind("apps/v1", "DaemonSet", "daemonsets", "ds", status=True, counts=True, categories=("all",)),
        _kind("apps/v1", "Deployment", "deployments", "deploy", status=True, counts=True, categories=("all",)),
        _kind("batch/v1", "Job", "jobs", status=True, counts=True, categories=("all",)),
        _kind("coordination.k8s.io/v1", "Lease", "leases", needs_version=True),
        _kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", namespaced=False),
        _kind(rbac, "Role", "roles"),
        _kind(rbac, "RoleBinding", "rolebindings"),
        _kind(rbac, "ClusterRole", "clusterroles", namespaced=False),
        _kind(rbac, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
        _kind(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
            "crd crds",
            namespaced=False,
            status=True,
            counts=True,
            needs_version=True,
            categories=("api-extensions",),
        ),
        _review(reviews, "SelfSubjectAccessReview"),
        _review(reviews, "SubjectAccessReview"),
        _review(reviews, "SelfSubjectRulesReview"),
        _review("authentication.k8s.io/v1", "SelfSubjectReview"),
    )
