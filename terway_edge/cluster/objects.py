"""Documents to Nodes: strict about every field that is used, blind to all others.

Manifests may be single objects, a `List` (what `kubectl get -o yaml` prints) or a `NodeList` (what the API returns).
Kinds other than Node are left alone if they are well-formed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from reprlib import Repr
from sys import intern
from typing import Any

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Node
from terway_edge.core.ports import Problem

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")  # DNS-1123 subdomain
_MAX_NAME = 253
_UNUSABLE = tuple(
    Prefix.parse(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::/127", "fe80::/10", "ff00::/8")
)
"""Unspecified, loopback, link-local and multicast: no node's address and no pod's."""

_BRIEF = Repr()  # bounded also for what YAML aliases blow up
_BRIEF.maxlevel, _BRIEF.maxstring = 1, 80


class _Wrong(ValueError):
    """A field that cannot be used: `field` is its path in the object."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def read(document: Any, where: str) -> tuple[list[Node], list[Problem]]:
    """The Nodes of one document, in its order, and what cannot be used, with `where` (a file) before each place."""
    nodes: list[Node] = []
    problems: list[Problem] = []
    for place, item, kind in _items(document, where):
        try:
            if (kind or _kind(item)) == "Node":
                nodes.append(_node(item))
        except _Wrong as wrong:
            problems.append(Problem(f"{_place(place, item)}: {wrong.field}" if wrong.field else place, str(wrong)))
    return nodes, problems


def _items(document: Any, where: str) -> list[tuple[str, Any, str]]:
    """(place, object, its kind if the list tells) of a document, which is one object or a list of them."""
    if isinstance(document, Mapping) and document.get("kind") in ("List", "NodeList"):
        items = document.get("items")
        if not isinstance(items, list):
            return [(where, document, "")]
        kind = "Node" if document["kind"] == "NodeList" else ""
        return [(f"{where}: items[{index}]", item, kind) for index, item in enumerate(items)]
    return [(where, document, "")]


def _kind(item: Any) -> str:
    """The kind if it is one of ours; raises _Wrong if the item is no Kubernetes object."""
    if not isinstance(item, Mapping):
        raise _Wrong("", f"expected an object, a mapping with apiVersion and kind; got {_shown(item)}")
    version, kind = (_text(item, key, key) for key in ("apiVersion", "kind"))
    if not version or not kind:
        raise _Wrong("kind" if version else "apiVersion", "is missing; an object starts with apiVersion and kind")
    if kind in ("List", "NodeList"):
        raise _Wrong("items", "expected a list of objects, and no list inside another")
    return kind if version == "v1" else f"{version} {kind}"


def _node(item: Any) -> Node:
    if not isinstance(item, Mapping):
        raise _Wrong("", f"expected a Node; got {_shown(item)}")
    metadata, spec, status = (_section(item, key) for key in ("metadata", "spec", "status"))
    name = _text(metadata, "name", "metadata.name")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise _Wrong("metadata.name", f"expected a node name such as edge-1.example; got {_shown(name)}")
    return Node(
        name,
        _labels(_section(metadata, "labels", "metadata.labels")),
        _internal_addresses(status.get("addresses")),
        _pod_cidrs(spec),
        _text(metadata, "uid", "metadata.uid"),
    )


def _labels(labels: Mapping[str, Any]) -> dict[str, str]:
    for key, value in labels.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise _Wrong(f"metadata.labels[{key}]", f"expected text; got {_shown(value)}; write both in quotes")
    return {intern(key): intern(value) for key, value in labels.items()}


def _internal_addresses(entries: Any) -> tuple[Address, ...]:
    found: list[Address] = []
    for index, entry in enumerate(_list(entries, "status.addresses")):
        field = f"status.addresses[{index}]"
        if not isinstance(entry, Mapping):
            raise _Wrong(field, f"expected type and address; got {_shown(entry)}")
        if entry.get("type") != "InternalIP":
            continue
        text = _text(entry, "address", f"{field}.address")
        try:
            address = Address.parse(text)
        except ValueError:
            raise _Wrong(f"{field}.address", f"{_shown(text)} is no address; write one such as 192.0.2.1") from None
        _refuse_unusable(address.host, f"{field}.address", text)
        found.append(address)
    return tuple(found)


def _pod_cidrs(spec: Mapping[str, Any]) -> tuple[Prefix, ...]:
    """`podCIDRs`, else `podCIDR`; the API server keeps the first of one equal to the other."""
    single = _text(spec, "podCIDR", "spec.podCIDR")
    texts = _list(spec.get("podCIDRs"), "spec.podCIDRs")
    if not texts:
        return (_pod_cidr(single, "spec.podCIDR"),) if single else ()
    if single and single != texts[0]:
        raise _Wrong("spec.podCIDR", f"is {_shown(single)} but podCIDRs[0] is {_shown(texts[0])}; make them equal")
    found = tuple(_pod_cidr(text, f"spec.podCIDRs[{index}]") for index, text in enumerate(texts))
    if len({prefix.family for prefix in found}) < len(found):
        raise _Wrong("spec.podCIDRs", f"{_shown(texts)} has two of one family; leave at most one IPv4 and one IPv6")
    return found


def _pod_cidr(text: Any, field: str) -> Prefix:
    if not isinstance(text, str):
        raise _Wrong(field, f"expected a CIDR in quotes; got {_shown(text)}")
    try:
        prefix = Prefix.parse(text)
    except ValueError as error:
        raise _Wrong(field, f"{error}; write a CIDR such as 10.1.0.0/24") from None
    _refuse_unusable(prefix, field, text)
    return prefix


def _refuse_unusable(prefix: Prefix, field: str, text: str) -> None:
    for other in _UNUSABLE:
        if other.covers(prefix) or prefix.covers(other):
            raise _Wrong(field, f"{_shown(text)} lies in or covers {other}, which nodes and pods cannot use")


def _section(item: Mapping[Any, Any], key: str, field: str = "") -> Mapping[Any, Any]:
    found = item.get(key)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise _Wrong(field or key, f"expected a mapping; got {_shown(found)}")
    return found


def _list(found: Any, field: str) -> list[Any]:
    if found is None:
        return []
    if not isinstance(found, list):
        raise _Wrong(field, f"expected a list; got {_shown(found)}")
    return found


def _text(item: Mapping[Any, Any], key: str, field: str) -> str:
    """A text, empty if it is absent or null."""
    found = item.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _Wrong(field, f"expected text; got {_shown(found)}; write it in quotes")
    return found


def _place(place: str, item: Any) -> str:
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"{place}: Node/{name}" if isinstance(name, str) else place


def _shown(value: Any) -> str:
    return _BRIEF.repr(value)
