"""Documents to objects: strict about every field that is used, blind to all others.

Manifests may be single objects, a `List` (what `kubectl get -o yaml` prints) or a list of one kind such as `NodeList`
(what the API returns). Kinds other than Node, BGPPeer, Secret and ConfigMap are left alone if they are well-formed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from terway_edge.cluster.config_maps import ConfigMapManifest, read_config_map
from terway_edge.cluster.fields import Wrong, read_text
from terway_edge.cluster.nodes import read_node
from terway_edge.cluster.peers import read_peer
from terway_edge.cluster.secrets import SecretManifest, read_secret
from terway_edge.core.bgp_peer import BgpPeer
from terway_edge.core.brief import shown
from terway_edge.core.models import Node
from terway_edge.core.ports import Problem

Object = Node | BgpPeer | SecretManifest | ConfigMapManifest

KINDS: Mapping[type, str] = {Node: "Node", BgpPeer: "BGPPeer", SecretManifest: "Secret", ConfigMapManifest: "ConfigMap"}
_PEER_GROUP, _PEER_VERSION = "network.openyurt.io/", "v1alpha1"
_READERS: Mapping[str, Callable[[Mapping[Any, Any]], Object | None]] = {
    "v1 Node": read_node,
    "v1 Secret": read_secret,
    "v1 ConfigMap": read_config_map,
    f"{_PEER_GROUP}{_PEER_VERSION} BGPPeer": read_peer,
}
"""By apiVersion and kind."""
_LISTS = {"List": "", **{f"{full.rpartition(' ')[2]}List": full for full in _READERS}}
"""Kinds of lists, and apiVersion and kind of their items where they need not tell."""


class Reading(NamedTuple):
    """What a text holds: `objects` in its order, what cannot be used, and the kinds of which some may be missing."""

    objects: Sequence[Object] = ()
    problems: Sequence[Problem] = ()
    doubtful: frozenset[type] = frozenset()


EVERYTHING = frozenset(KINDS)
"""The kinds of which something may be missing if nothing could be read."""


def read(document: Any, where: str) -> Reading:
    """The objects of one document; `where` (a file) stands before each place of a problem."""
    found: list[Object] = []
    problems: list[Problem] = []
    doubtful: frozenset[type] = frozenset()
    for place, item, known in _items(document, where):
        try:
            made = _object(item, known)
        except Wrong as wrong:
            place = _place(place, item, known)
            problems += (Problem(f"{place}: {field}" if field else place, message) for field, message in wrong.faults)
            doubtful |= _doubtful(item, known)
        else:
            if made is not None:
                found.append(made)
    return Reading(found, problems, doubtful)


def _items(document: Any, where: str) -> list[tuple[str, Any, str]]:
    """(place, object, its apiVersion and kind if the list tells) of a document: one object or a list of them."""
    kind = document.get("kind") if isinstance(document, Mapping) else None
    if isinstance(kind, str) and kind in _LISTS and isinstance(items := document.get("items"), list):
        return [(f"{where}: items[{index}]", item, _LISTS[kind]) for index, item in enumerate(items)]
    return [(where, document, "")]


def _object(item: Any, known: str) -> Object | None:
    """None for a kind that is not ours. Raises Wrong."""
    if not isinstance(item, Mapping):
        kind = known.rpartition(" ")[2]
        expected = f"a {kind}" if kind else "an object, a mapping with apiVersion and kind"
        raise Wrong("", f"expected {expected}; got {shown(item)}")
    read_object = _READERS.get(known or _version_and_kind(item))
    return read_object(item) if read_object else None


def _version_and_kind(item: Mapping[Any, Any]) -> str:
    version, kind = (read_text(item, key, key) for key in ("apiVersion", "kind"))
    if not version or not kind:
        raise Wrong("kind" if version else "apiVersion", "is missing; an object starts with apiVersion and kind")
    if kind in _LISTS:
        raise Wrong("items", "expected a list of objects, and no list inside another")
    if kind == "BGPPeer" and version.startswith(_PEER_GROUP) and version != _PEER_GROUP + _PEER_VERSION:
        raise Wrong("apiVersion", f"expected {_PEER_GROUP}{_PEER_VERSION}; got {shown(version)}")
    return f"{version} {kind}"


def _doubtful(item: Any, known: str) -> frozenset[type]:
    """The kind of an object that cannot be used; every kind if it does not even say what it is."""
    version, kind = (item.get("apiVersion"), item.get("kind")) if isinstance(item, Mapping) else (None, None)
    full = known or (f"{version} {kind}" if isinstance(version, str) and isinstance(kind, str) else "")
    named = frozenset(each for each, name in KINDS.items() if full.rpartition(" ")[2] == name)
    return named or EVERYTHING


def _place(place: str, item: Any, known: str) -> str:
    """The place with kind and name of the object, as far as it has such."""
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    kind = known.rpartition(" ")[2] or (isinstance(item, Mapping) and item.get("kind"))
    return f"{place}: {kind}/{name}" if isinstance(kind, str) and isinstance(name, str) else place
