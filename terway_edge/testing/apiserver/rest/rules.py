"""What single kinds demand beyond their schemas, and what is filled into a new object of theirs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from terway_edge.testing.apiserver import crds
from terway_edge.testing.apiserver.errors import Cause
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object, clone, dig

FREE_IN_PODS = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")
IMMUTABLE = "field is immutable"


def prepare(kind: Kind, value: Object, *, is_new: bool) -> None:
    """Fill in what the server itself sets in an object of this kind."""
    if is_new and kind.has_status and kind.name not in ("Node", "Pod"):
        value.pop("status", None)
    match kind.name:
        case "Secret" if not kind.group:
            _encode(value)
        case "Node":
            _fill_cidrs(value.setdefault("spec", {}))
        case "Namespace":
            value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = value["metadata"]["name"]
            value["spec"].setdefault("finalizers", ["kubernetes"])
            value.setdefault("status", {}).setdefault("phase", "Active")
        case "Pod" if is_new:
            value["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        case "CustomResourceDefinition":
            names = value["spec"]["names"]
            names.setdefault("singular", names["kind"].lower())
            names.setdefault("listKind", f"{names['kind']}List")
            value["spec"].setdefault("conversion", {"strategy": "None"})


def _encode(secret: Object) -> None:
    for key, text in (secret.pop("stringData", None) or {}).items():
        secret.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _fill_cidrs(spec: Object) -> None:
    """podCIDR and the first of podCIDRs are one."""
    if spec.get("podCIDR"):
        spec.setdefault("podCIDRs", [spec["podCIDR"]])
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]


def mistakes(kind: Kind, value: Object) -> Iterator[Cause]:
    """Of an object, whatever it was before."""
    check = CHECKS.get(kind.name)
    if check and not kind.is_custom:
        yield from check(value)


def change_mistakes(kind: Kind, value: Object, old: Object) -> Iterator[Cause]:
    check = CHANGES.get(kind.name)
    if check and not kind.is_custom:
        yield from check(value, old)


def _event(value: Object) -> Iterator[Cause]:
    """An Event lies in the namespace of its object; those about cluster-scoped objects in `default`."""
    involved, namespace = value["involvedObject"].get("namespace", ""), value["metadata"]["namespace"]
    if (involved and involved != namespace) or (not involved and namespace not in ("", "default")):
        yield Cause("involvedObject.namespace", f'Invalid value: "{involved}": does not match event.namespace')


def _node(value: Object) -> Iterator[Cause]:
    cidr, cidrs = dig(value, "spec", "podCIDR"), dig(value, "spec", "podCIDRs")
    if cidr and cidrs and cidrs[0] != cidr:
        yield Cause("spec.podCIDR", f'Invalid value: "{cidr}": must be the first of spec.podCIDRs')
    seen = set()
    for each in dig(value, "spec", "taints") or ():
        mark = (each["key"], each["effect"])
        if mark in seen:
            yield Cause("spec.taints", f'Duplicate value: "{each["key"]}:{each["effect"]}"', "FieldValueDuplicate")
        seen.add(mark)


def _node_change(value: Object, old: Object) -> Iterator[Cause]:
    for field in ("podCIDRs", "providerID"):
        before = dig(old, "spec", field)
        if before and dig(value, "spec", field) != before:
            text = f"Forbidden: node updates may not change {field} once it is set"
            yield Cause(f"spec.{field}", text, "FieldValueForbidden")


def _pod_change(value: Object, old: Object) -> Iterator[Cause]:
    if _fixed(value["spec"]) != _fixed(old["spec"]):
        text = "Forbidden: pod updates may not change fields other than images, tolerations and times to end by"
        yield Cause("spec", text, "FieldValueForbidden")


def _fixed(spec: Object) -> Object:
    fixed: Object = clone({key: each for key, each in spec.items() if key not in FREE_IN_PODS})
    for each in (*fixed["containers"], *fixed.get("initContainers", ())):
        each.pop("image", None)
    return fixed


def _workload(value: Object) -> Iterator[Cause]:
    wanted = dig(value, "spec", "selector", "matchLabels") or {}
    labels = dig(value, "spec", "template", "metadata", "labels") or {}
    if not wanted.items() <= labels.items():
        text = "Invalid value: `selector` does not match template `labels`"
        yield Cause("spec.template.metadata.labels", text)
    if not dig(value, "spec", "template", "spec", "containers"):
        yield Cause("spec.template.spec.containers", "Required value", "FieldValueRequired")
    yield from _pod_spec(dig(value, "spec", "template", "spec") or {}, "spec.template.spec")


def _pod(value: Object) -> Iterator[Cause]:
    yield from _pod_spec(value.get("spec") or {}, "spec")


def _pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    """Mounts name volumes, containers have images."""
    volumes = {each["name"] for each in spec.get("volumes") or ()}
    for at, each in enumerate(spec.get("containers") or ()):
        for index, mount in enumerate(each.get("volumeMounts") or ()):
            if mount["name"] not in volumes:
                field = f"{path}.containers[{at}].volumeMounts[{index}].name"
                yield Cause(field, f'Not found: "{mount["name"]}"', "FieldValueNotFound")
        if not each.get("image"):
            yield Cause(f"{path}.containers[{at}].image", "Required value", "FieldValueRequired")


def _selector_change(value: Object, old: Object) -> Iterator[Cause]:
    if value["spec"].get("selector") != old["spec"].get("selector"):
        yield Cause("spec.selector", f"Invalid value: {value['spec']['selector']}: {IMMUTABLE}")


def _sealed(value: Object, old: Object) -> Iterator[Cause]:
    """Secrets and ConfigMaps."""
    if old.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if value.get(field) != old.get(field):
                text = f"Forbidden: {IMMUTABLE} when `immutable` is set"
                yield Cause(field, text, "FieldValueForbidden")
    if value.get("type") != old.get("type"):
        yield Cause("type", f'Invalid value: "{value.get("type")}": {IMMUTABLE}')


def _role_change(value: Object, old: Object) -> Iterator[Cause]:
    if value["roleRef"] != old["roleRef"]:
        yield Cause("roleRef", f"Invalid value: {value['roleRef']}: cannot change roleRef")


def _lease(value: Object) -> Iterator[Cause]:
    for field, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        found = dig(value, "spec", field)
        if found is not None and found < least:
            yield Cause(f"spec.{field}", f"Invalid value: {found}: must be at least {least}")


def _crd_change(value: Object, old: Object) -> Iterator[Cause]:
    for field in ("group", "scope"):
        if value["spec"][field] != old["spec"][field]:
            yield Cause(f"spec.{field}", f'Invalid value: "{value["spec"][field]}": {IMMUTABLE}')


CHECKS: dict[str, Callable[[Object], Iterator[Cause]]] = {
    "CustomResourceDefinition": crds.mistakes,
    "DaemonSet": _workload,
    "Deployment": _workload,
    "Event": _event,
    "Lease": _lease,
    "Node": _node,
    "Pod": _pod,
}
CHANGES: dict[str, Callable[[Object, Object], Iterator[Cause]]] = {
    "ClusterRoleBinding": _role_change,
    "ConfigMap": _sealed,
    "CustomResourceDefinition": _crd_change,
    "DaemonSet": _selector_change,
    "Deployment": _selector_change,
    "Node": _node_change,
    "Pod": _pod_change,
    "RoleBinding": _role_change,
    "Secret": _sealed,
}
