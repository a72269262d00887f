"""OpenAPI documents: enough for kubectl's apply, explain and field validation. /openapi/v2 only names the kinds."""

from __future__ import annotations

import hashlib
from typing import Any

from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object, encode

INFO = {"title": "Kubernetes", "version": "v1.36.0"}
PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
OWN = "x-terway-edge-repeats"


def _root(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def index(kinds: list[Kind]) -> Object:
    """/openapi/v3: a document for each group and version."""
    paths = {}
    for root in dict.fromkeys(map(_root, kinds)):
        mark = hashlib.sha256(encode(document(kinds, root))).hexdigest()[:32].upper()
        paths[root] = {"serverRelativeURL": f"/openapi/v3/{root}?hash={mark}"}
    return {"paths": paths}


def document(kinds: list[Kind], root: str) -> Object | None:
    """:param root: `api/v1`, `apis/apps/v1`"""
    found = [each for each in kinds if _root(each) == root]
    if not found:
        return None
    paths: Object = {}
    for each in found:
        paths |= _paths(each)
    schemas = {_name(each): _schema(each) for each in found}
    return {"openapi": "3.0.0", "info": INFO, "paths": paths, "components": {"schemas": schemas}}


def swagger(kinds: list[Kind]) -> Object:
    """/openapi/v2."""
    definitions = {_name(each): {"type": "object", "x-kubernetes-group-version-kind": [_gvk(each)]} for each in kinds}
    return {"swagger": "2.0", "info": INFO, "paths": {}, "definitions": definitions}


def _name(kind: Kind) -> str:
    group = ".".join(reversed(kind.group.split("."))) if kind.group else "io.k8s.api.core"
    return f"{group}.{kind.version}.{kind.name}"


def _gvk(kind: Kind) -> Object:
    return {"group": kind.group, "kind": kind.name, "version": kind.version}


def _schema(kind: Kind) -> Object:
    return {**_public(kind.schema), "x-kubernetes-group-version-kind": [_gvk(kind)]}


def _public(value: Any) -> Any:
    """A schema without what is only ours, and with a type for all that may be anything."""
    if isinstance(value, list):
        return [_public(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _public(each) for key, each in value.items() if key != OWN}


def _paths(kind: Kind) -> Object:
    where = "/namespaces/{namespace}" if kind.namespaced else ""
    collection = f"/{_root(kind)}{where}/{kind.plural}"
    reference = {"$ref": f"#/components/schemas/{_name(kind)}"}
    content = {"application/json": {"schema": reference}}
    parameters = [{"name": each, "in": "query", "schema": {"type": "string"}} for each in PARAMETERS]

    def operation(action: str) -> Object:
        return {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(kind),
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": content}},
        }

    paths: Object = {collection: {"get": operation("list"), "post": operation("post")}}
    if kind.is_stored:
        verbs = ("get", "put", "patch", "delete")
        paths[collection + "/{name}"] = {verb: operation(verb) for verb in verbs}
    return paths
