"""Documents to Nodes."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

from terway_edge.cluster.fields import Wrong, read_list, read_name, read_section, read_text
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.brief import shown
from terway_edge.core.models import Node
from terway_edge.core.unusable import unusable

INSTANCE_TYPE_INFO = "alibabacloud.com/instance-type-info"


def read_node(item: Mapping[Any, Any]) -> Node:
    """Raises Wrong."""
    metadata, spec, status = (read_section(item, key) for key in ("metadata", "spec", "status"))
    return Node(
        read_name(metadata, "node name such as edge-1.example"),
        _labels(read_section(metadata, "labels", "metadata.labels")),
        _internal_addresses(status.get("addresses")),
        _pod_cidrs(spec),
        read_text(metadata, "uid", "metadata.uid"),
        read_text(spec, "providerID", "spec.providerID"),
        read_text(
            read_section(metadata, "annotations", "metadata.annotations"),
            INSTANCE_TYPE_INFO,
            f"metadata.annotations[{INSTANCE_TYPE_INFO}]",
        ),
    )


def _labels(labels: Mapping[str, Any]) -> dict[str, str]:
    for key, value in labels.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise Wrong(f"metadata.labels[{key}]", f"expected text; got {shown(value)}; write both in quotes")
    return {intern(key): intern(value) for key, value in labels.items()}


def _internal_addresses(entries: Any) -> tuple[Address, ...]:
    found: list[Address] = []
    for index, entry in enumerate(read_list(entries, "status.addresses")):
        field = f"status.addresses[{index}]"
        if not isinstance(entry, Mapping):
            raise Wrong(field, f"expected type and address; got {shown(entry)}")
        if entry.get("type") != "InternalIP":
            continue
        text = read_text(entry, "address", f"{field}.address")
        try:
            address = Address.parse(text)
        except ValueError:
            raise Wrong(f"{field}.address", f"{shown(text)} is no address; write one such as 192.0.2.1") from None
        _refuse_unusable(address.host, f"{field}.address", text)
        found.append(address)
    return tuple(found)


def _pod_cidrs(spec: Mapping[str, Any]) -> tuple[Prefix, ...]:
    """`podCIDRs`, else `podCIDR`; the API server keeps the first of one equal to the other."""
    single = read_text(spec, "podCIDR", "spec.podCIDR")
    texts = read_list(spec.get("podCIDRs"), "spec.podCIDRs")
    if not texts:
        return (_pod_cidr(single, "spec.podCIDR"),) if single else ()
    if single and single != texts[0]:
        raise Wrong("spec.podCIDR", f"is {shown(single)} but podCIDRs[0] is {shown(texts[0])}; make them equal")
    found = tuple(_pod_cidr(text, f"spec.podCIDRs[{index}]") for index, text in enumerate(texts))
    if len({prefix.family for prefix in found}) < len(found):
        raise Wrong("spec.podCIDRs", f"{shown(texts)} has two of one family; leave at most one IPv4 and one IPv6")
    return found


def _pod_cidr(text: Any, field: str) -> Prefix:
    if not isinstance(text, str):
        raise Wrong(field, f"expected a CIDR in quotes; got {shown(text)}")
    try:
        prefix = Prefix.parse(text)
    except ValueError as error:
        raise Wrong(field, f"{error}; write a CIDR such as 10.1.0.0/24") from None
    _refuse_unusable(prefix, field, text)
    return prefix


def _refuse_unusable(prefix: Prefix, field: str, text: str) -> None:
    if around := unusable(prefix):
        raise Wrong(field, f"{shown(text)} lies in or covers {around}, which nodes and pods cannot use")
