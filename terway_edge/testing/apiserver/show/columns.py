"""Printer columns of the built-in kinds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from terway_edge.testing.apiserver.kinds import Column
from terway_edge.testing.apiserver.objects import Object, dig
from terway_edge.testing.apiserver.show.durations import UNKNOWN, age

NONE = "<none>"


def _at(*path: str, absent: Any = "") -> Callable[[Object, datetime], Any]:
    def cell(value: Object, _: datetime) -> Any:
        found = dig(value, *path)
        return absent if found is None or found == "" else found

    return cell


def _count(*path: str) -> Callable[[Object, datetime], Any]:
    return lambda value, _: len(dig(value, *path) or ())


def _age_of(*path: str) -> Callable[[Object, datetime], Any]:
    return lambda value, now: age(dig(value, *path), now)


def _stamp(value: Object, _: datetime) -> Any:
    return value["metadata"].get("creationTimestamp")


NAME = Column("Name", "string", _at("metadata", "name"), format="name")
AGE = Column("Age", "string", _age_of("metadata", "creationTimestamp"))
CREATED = Column("Created At", "date", _stamp)
DEFAULT = (NAME, CREATED)


def _node_state(value: Object, _: datetime) -> str:
    conditions = {each["type"]: each["status"] for each in dig(value, "status", "conditions") or ()}
    state = {"True": "Ready", None: "Unknown"}.get(conditions.get("Ready"), "NotReady")
    return state + (",SchedulingDisabled" if dig(value, "spec", "unschedulable") else "")


def _node_roles(value: Object, _: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = sorted(each[len(prefix) :] for each in value["metadata"].get("labels") or () if each.startswith(prefix))
    return ",".join(roles) or NONE


def _node_address(kind: str) -> Callable[[Object, datetime], str]:
    def cell(value: Object, _: datetime) -> str:
        found = [each["address"] for each in dig(value, "status", "addresses") or () if each["type"] == kind]
        return found[0] if found else NONE

    return cell


def _node_info(field: str) -> Callable[[Object, datetime], Any]:
    return _at("status", "nodeInfo", field, absent=UNKNOWN)


def _pod_ready(value: Object, _: datetime) -> str:
    states = dig(value, "status", "containerStatuses") or ()
    return f"{sum(bool(each.get('ready')) for each in states)}/{len(dig(value, 'spec', 'containers') or ())}"


def _pod_state(value: Object, _: datetime) -> str:
    if value["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return dig(value, "status", "reason") or dig(value, "status", "phase") or ""


def _pod_restarts(value: Object, _: datetime) -> str:
    return str(sum(each.get("restartCount", 0) for each in dig(value, "status", "containerStatuses") or ()))


def _event_object(value: Object, _: datetime) -> str:
    return f"{value['involvedObject'].get('kind', '').lower()}/{value['involvedObject'].get('name', '')}"


def _event_seen(field: str) -> Callable[[Object, datetime], str]:
    return lambda value, now: age(value.get(field) or value.get("eventTime"), now)


def _role_ref(value: Object, _: datetime) -> str:
    return f"{value['roleRef']['kind']}/{value['roleRef']['name']}"


def _node_selector(value: Object, _: datetime) -> str:
    labels = dig(value, "spec", "template", "spec", "nodeSelector") or {}
    return ",".join(f"{key}={each}" for key, each in sorted(labels.items())) or NONE


def _number(name: str, *path: str) -> Column:
    return Column(name, "integer", _at(*path, absent=0))


def _replicas(value: Object, _: datetime) -> str:
    return f"{dig(value, 'status', 'readyReplicas') or 0}/{dig(value, 'spec', 'replicas')}"


def _text(name: str, cell: Callable[[Object, datetime], Any], priority: int = 0) -> Column:
    return Column(name, "string", cell, priority)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "Namespace": (NAME, _text("Status", _at("status", "phase")), AGE),
    "Node": (
        NAME,
        _text("Status", _node_state),
        _text("Roles", _node_roles),
        AGE,
        _text("Version", _at("status", "nodeInfo", "kubeletVersion")),
        _text("Internal-IP", _node_address("InternalIP"), 1),
        _text("External-IP", _node_address("ExternalIP"), 1),
        _text("OS-Image", _node_info("osImage"), 1),
        _text("Kernel-Version", _node_info("kernelVersion"), 1),
        _text("Container-Runtime", _node_info("containerRuntimeVersion"), 1),
    ),
    "Pod": (
        NAME,
        _text("Ready", _pod_ready),
        _text("Status", _pod_state),
        _text("Restarts", _pod_restarts),
        AGE,
        _text("IP", _at("status", "podIP", absent=NONE), 1),
        _text("Node", _at("spec", "nodeName", absent=NONE), 1),
        _text("Nominated Node", _at("status", "nominatedNodeName", absent=NONE), 1),
    ),
    "Secret": (NAME, _text("Type", _at("type")), Column("Data", "string", _count("data")), AGE),
    "ConfigMap": (NAME, Column("Data", "string", _count("data")), AGE),
    "Event": (
        _text("Last Seen", _event_seen("lastTimestamp")),
        _text("Type", _at("type")),
        _text("Reason", _at("reason")),
        _text("Object", _event_object),
        _text("Subobject", _at("involvedObject", "fieldPath"), 1),
        _text("Source", _at("source", "component"), 1),
        _text("Message", _at("message")),
        _text("First Seen", _event_seen("firstTimestamp"), 1),
        _text("Count", _at("count", absent=1), 1),
        _text("Name", _at("metadata", "name"), 1),
    ),
    "ServiceAccount": (NAME, AGE),
    "Service": (
        NAME,
        _text("Type", _at("spec", "type")),
        _text("Cluster-IP", _at("spec", "clusterIP", absent=NONE)),
        AGE,
    ),
    "DaemonSet": (
        NAME,
        _number("Desired", "status", "desiredNumberScheduled"),
        _number("Current", "status", "currentNumberScheduled"),
        _number("Ready", "status", "numberReady"),
        _number("Up-to-date", "status", "updatedNumberScheduled"),
        _number("Available", "status", "numberAvailable"),
        _text("Node Selector", _node_selector),
        AGE,
    ),
    "Deployment": (
        NAME,
        _text("Ready", _replicas),
        _number("Up-to-date", "status", "updatedReplicas"),
        _number("Available", "status", "availableReplicas"),
        AGE,
    ),
    "Lease": (NAME, _text("Holder", _at("spec", "holderIdentity")), AGE),
    "PriorityClass": (NAME, _number("Value", "value"), AGE),
    "RoleBinding": (NAME, _text("Role", _role_ref), AGE),
    "ClusterRoleBinding": (NAME, _text("Role", _role_ref), AGE),
}
