"""Records as coordination.k8s.io/v1 Leases. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.json import Decoder

from terway_edge.cluster.api.resources import NAMESPACE
from terway_edge.controlplane.election import Record
from terway_edge.core.ports import Json

NAME = "terway-edge-controlplane"
VERSION = "coordination.k8s.io/v1"
COLLECTION = f"/apis/{VERSION}/namespaces/{NAMESPACE}/leases"
PATH = f"{COLLECTION}/{NAME}"


class _Metadata(Struct, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Spec(Struct, rename="camel"):
    """All may be null."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None


class _Lease(Struct):
    metadata: _Metadata
    spec: _Spec = field(default_factory=_Spec)


_decode = Decoder(_Lease).decode


def read_lease(text: bytes) -> Record:
    """Raises msgspec.MsgspecError."""
    lease = _decode(text)
    spec = lease.spec
    return Record(
        spec.holder_identity or "",
        float(spec.lease_duration_seconds or 0),
        spec.lease_transitions or 0,
        spec.acquire_time or "",
        spec.renew_time or "",
        lease.metadata.annotations or {},
        lease.metadata.resource_version,
    )


def lease_body(record: Record) -> Mapping[str, Json]:
    """The whole object; its version makes the API refuse what is not based on the newest one."""
    metadata: dict[str, Json] = {"name": NAME, "namespace": NAMESPACE, "annotations": dict(record.notes)}
    if record.version:
        metadata["resourceVersion"] = record.version
    return {
        "apiVersion": VERSION,
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": max(round(record.duration), 1),
            "leaseTransitions": record.transitions,
            "acquireTime": record.acquired or None,
            "renewTime": record.renewed or None,
        },
    }


def micro_time(seconds: float) -> str:
    """As the API has the times of a Lease (MicroTime); of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
