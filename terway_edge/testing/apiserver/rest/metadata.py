"""metadata: what the server puts in, what it keeps, what it refuses."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterator

from terway_edge.testing.apiserver.errors import Cause, bad_request, conflict
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.store import Key

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
LONGEST_BASE = 58
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = re.compile(rf"{LABEL}(\.{LABEL})*")
QUALIFIED = re.compile(rf"({LABEL}(\.{LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
MOST_ANNOTATIONS = 256 * 1024  # bytes of keys and values
SERVERS_OWN = ("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "selfLink", "uid")


def place(kind: Kind, value: Object, namespace: str, name: str = "") -> None:
    """See that a body and its URL agree, and fill in what only the URL says. Raises ApiError 400."""
    meta = value["metadata"]
    if (given := meta.get("namespace") or namespace) != namespace:
        if not kind.namespaced:
            raise bad_request("namespace is not allowed on this type")
        raise bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request: {given}"
        )
    if kind.namespaced:
        meta["namespace"] = namespace
    if name and (meta.get("name") or name) != name:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    if name:
        meta["name"] = name


def begin(kind: Kind, value: Object, stamp: str) -> None:
    """Metadata of a new object."""
    meta = value["metadata"]
    for field in (*SERVERS_OWN, "resourceVersion"):
        meta.pop(field, None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"][:LONGEST_BASE] + "".join(random.choices(LETTERS, k=5))
    meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp}
    if kind.counts:
        meta["generation"] = 1


def carry(value: Object, old: Object) -> None:
    """Metadata of a changed object: what is the server's own stays as it was."""
    meta, before = value["metadata"], old["metadata"]
    is_reset = meta.get("managedFields") in ([], [{}])
    for field in (*SERVERS_OWN, *(() if is_reset else ("managedFields",))):
        if field in before:
            meta[field] = before[field]
        else:
            meta.pop(field, None)
    if is_reset:
        del meta["managedFields"]


def check_version(kind: Kind, value: Object, old: Object) -> None:
    """Optimistic locking. Raises ApiError 409."""
    meta, before, name = value["metadata"], old["metadata"], old["metadata"]["name"]
    if meta.get("uid", before["uid"]) != before["uid"]:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {before['uid']}"
        raise conflict(kind, name, why)
    if meta.get("resourceVersion") and meta["resourceVersion"] != before["resourceVersion"]:
        raise conflict(kind, name)


def mistakes(kind: Kind, meta: Object) -> Iterator[Cause]:
    """What is wrong with the metadata of an object that is to be stored."""
    yield from _name_mistakes(kind, meta.get("name", ""))
    for key, value in (meta.get("labels") or {}).items():
        if not QUALIFIED.fullmatch(key):
            yield Cause("metadata.labels", f'Invalid value: "{key}": must be a qualified name')
        if not LABEL_VALUE.fullmatch(value):
            yield Cause("metadata.labels", f'Invalid value: "{value}": must be a valid label value')
    annotations = meta.get("annotations") or {}
    for key in annotations:
        if not QUALIFIED.fullmatch(key.lower()):
            yield Cause("metadata.annotations", f'Invalid value: "{key}": must be a qualified name')
    if sum(len(f"{key}{value}".encode()) for key, value in annotations.items()) > MOST_ANNOTATIONS:
        text = f"Too long: may not be more than {MOST_ANNOTATIONS} bytes"
        yield Cause("metadata.annotations", text, "FieldValueTooLong")
    for each in meta.get("finalizers") or ():
        if "/" not in each or not QUALIFIED.fullmatch(each):
            yield Cause("metadata.finalizers", f'Invalid value: "{each}": must be a qualified name with a domain')


def _name_mistakes(kind: Kind, name: str) -> Iterator[Cause]:
    if not name:
        yield Cause("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")
    elif kind.group == "rbac.authorization.k8s.io":
        if name in (".", "..") or "/" in name or "%" in name:
            yield Cause("metadata.name", f'Invalid value: "{name}": may not be "." or "..", nor hold "/" or "%"')
    elif kind.name == "Namespace":
        if len(name) > 63 or not re.fullmatch(LABEL, name):
            yield Cause("metadata.name", f'Invalid value: "{name}": must be a lowercase RFC 1123 label')
    elif len(name) > 253 or not SUBDOMAIN.fullmatch(name):
        yield Cause("metadata.name", f'Invalid value: "{name}": must be a lowercase RFC 1123 subdomain')


def change_mistakes(meta: Object, before: Object) -> Iterator[Cause]:
    new = set(meta.get("finalizers") or ()) - set(before.get("finalizers") or ())
    if before.get("deletionTimestamp") and new:
        text = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers"
        yield Cause("metadata.finalizers", f"{text} {sorted(new)}", "FieldValueForbidden")


def key_of(value: Object) -> Key:
    return value["metadata"].get("namespace", ""), value["metadata"]["name"]
