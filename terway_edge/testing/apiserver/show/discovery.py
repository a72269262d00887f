"""Which resources there are: /api, /apis and the documents below, plain and aggregated (apidiscovery.k8s.io/v2)."""

from __future__ import annotations

import re
from itertools import groupby

from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object

AGGREGATED = "APIGroupDiscoveryList"
_VERSION = re.compile(r"v([0-9]+)(?:(alpha|beta)([0-9]+))?")
STABILITY = {"alpha": 0, "beta": 1, None: 2}
STATUS_VERBS = ("get", "patch", "update")


def by_priority(version: str) -> tuple[int, int, int]:
    """Sorts v1 over v1beta1 over v1alpha1; what is no such version comes last."""
    match = _VERSION.fullmatch(version)
    return (STABILITY[match[2]], int(match[1]), int(match[3] or 0)) if match else (-1, 0, 0)


def _groups(kinds: list[Kind]) -> list[tuple[str, list[str]]]:
    """Groups and their versions, the preferred one first."""
    ordered = sorted(kinds, key=lambda each: each.group)
    return [
        (group, sorted({each.version for each in found}, key=by_priority, reverse=True))
        for group, found in groupby(ordered, key=lambda each: each.group)
    ]


def core_versions() -> Object:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(kinds: list[Kind]) -> Object:
    groups = [_group(group, versions) for group, versions in _groups(kinds) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def one_group(kinds: list[Kind], group: str) -> Object | None:
    found = dict(_groups(kinds)).get(group)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, found)} if found else None


def _group(group: str, versions: list[str]) -> Object:
    written = [{"groupVersion": f"{group}/{each}", "version": each} for each in versions]
    return {"name": group, "versions": written, "preferredVersion": written[0]}


def resource_list(kinds: list[Kind], group: str, version: str) -> Object | None:
    found = [each for each in kinds if (each.group, each.version) == (group, version)]
    if not found:
        return None
    resources = [entry for each in found for entry in _resources(each)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].api_version,
        "resources": resources,
    }


def _resources(kind: Kind) -> list[Object]:
    entry: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": sorted(kind.verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    below = [
        {**entry, "name": f"{kind.plural}/{name}", "singularName": "", "kind": of, "verbs": list(verbs)}
        for name, of, verbs in _subresources(kind)
    ]
    for each in below:
        each.pop("shortNames", None)
        each.pop("categories", None)
    return [entry, *below]


def _subresources(kind: Kind) -> list[tuple[str, str, tuple[str, ...]]]:
    found: list[tuple[str, str, tuple[str, ...]]] = []
    if kind.has_status:
        found.append(("status", kind.name, STATUS_VERBS))
    if kind.name == "ServiceAccount" and not kind.group:
        found.append(("token", "TokenRequest", ("create",)))
    return found


def aggregated(kinds: list[Kind], *, core: bool) -> Object:
    """All groups at once: the core group below /api, all others below /apis."""
    items = [
        {"metadata": {"name": group} if group else {}, "versions": [_version(kinds, group, each) for each in versions]}
        for group, versions in _groups(kinds)
        if core != bool(group)
    ]
    return {"kind": AGGREGATED, "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _version(kinds: list[Kind], group: str, version: str) -> Object:
    found = [each for each in kinds if (each.group, each.version) == (group, version)]
    return {"version": version, "resources": [_aggregated(each) for each in found], "freshness": "Current"}


def _aggregated(kind: Kind) -> Object:
    entry: Object = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.name},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": sorted(kind.verbs),
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
        "subresources": [
            {
                "subresource": name,
                "responseKind": {"group": kind.group, "version": kind.version, "kind": of},
                "verbs": list(verbs),
            }
            for name, of, verbs in _subresources(kind)
        ],
    }
    return {key: each for key, each in entry.items() if each != []}
