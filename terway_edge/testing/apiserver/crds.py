"""CustomResourceDefinitions: what is refused, and the kinds that one gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from terway_edge.testing.apiserver.builtin import meta_schema
from terway_edge.testing.apiserver.cel import CelError, Rule
from terway_edge.testing.apiserver.errors import Cause
from terway_edge.testing.apiserver.kinds import Column, Kind
from terway_edge.testing.apiserver.objects import Object, canonical, clone, dig
from terway_edge.testing.apiserver.schema.paths import child, item, keyed
from terway_edge.testing.apiserver.show import json_path
from terway_edge.testing.apiserver.show.columns import AGE, NAME
from terway_edge.testing.apiserver.show.durations import age

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
FORBIDDEN = (
    "$ref",
    "$schema",
    "additionalItems",
    "definitions",
    "dependencies",
    "deprecated",
    "id",
    "patternProperties",
)
KNOWN = frozenset(
    (
        *("additionalProperties", "allOf", "anyOf", "default", "description", "enum", "example", "exclusiveMaximum"),
        *("exclusiveMinimum", "externalDocs", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum"),
        *("minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "nullable", "oneOf", "pattern"),
        *("properties", "required", "title", "type", "uniqueItems", "x-kubernetes-embedded-resource"),
        *("x-kubernetes-int-or-string", "x-kubernetes-list-map-keys", "x-kubernetes-list-type"),
        *("x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"),
    )
)
RULE = frozenset(("fieldPath", "message", "reason", "rule"))


def mistakes(crd: Object) -> Iterator[Cause]:
    """What is wrong with a definition that has the right fields."""
    spec, name = crd["spec"], crd["metadata"]["name"]
    if name != (wanted := f"{spec['names']['plural']}.{spec['group']}"):
        yield Cause("metadata.name", f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group ({wanted})')
    if sum(each["storage"] for each in spec["versions"]) != 1:
        yield Cause("spec.versions", "Invalid value: must have exactly one version marked as storage version")
    for index, version in enumerate(spec["versions"]):
        yield from _version_mistakes(version, item("spec.versions", index))


def _version_mistakes(version: Object, path: str) -> Iterator[Cause]:
    schema = dig(version, "schema", "openAPIV3Schema")
    where = f"{path}.schema.openAPIV3Schema"
    if schema is None:
        yield Cause(where, "Required value: schemas are required", "FieldValueRequired")
    elif schema.get("type") != "object":
        yield Cause(f"{where}.type", 'Invalid value: must be "object" at the root')
    else:
        yield from _schema_mistakes(schema, where)
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        yield from _column_mistakes(column, item(f"{path}.additionalPrinterColumns", index))
    for index, each in enumerate(version.get("selectableFields") or ()):
        yield from _parse_mistake(json_path.simple_path, each["jsonPath"], item(f"{path}.selectableFields", index))


def _column_mistakes(column: Object, path: str) -> Iterator[Cause]:
    if column["type"] not in COLUMN_TYPES:
        text = f'Invalid value: "{column["type"]}": must be one of {",".join(COLUMN_TYPES)}'
        yield Cause(f"{path}.type", text)
    yield from _parse_mistake(json_path.parse, column["jsonPath"], path)


def _parse_mistake(parse: Callable[[str], object], text: str, path: str) -> Iterator[Cause]:
    try:
        parse(text)
    except ValueError as error:
        yield Cause(f"{path}.jsonPath", f"Invalid value: {error}")


def _schema_mistakes(schema: Object, path: str) -> Iterator[Cause]:
    """A structural schema has a type everywhere, and nothing that this server would leave out in silence."""
    for key in schema:
        if key in FORBIDDEN:
            yield Cause(child(path, key), "Forbidden: must not be used in a structural schema", "FieldValueForbidden")
        elif key not in KNOWN:
            yield Cause(child(path, key), "Invalid value: this server does not know it")
    is_free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not schema.get("type") and not is_free:
        yield Cause(child(path, "type"), "Required value: must not be empty", "FieldValueRequired")
    if schema.get("properties") and schema.get("additionalProperties"):
        yield Cause(child(path, "additionalProperties"), "Forbidden: excludes properties", "FieldValueForbidden")
    yield from _list_mistakes(schema, path)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        yield from _rule_mistakes(rule, item(f"{path}.x-kubernetes-validations", index))
    if pattern := schema.get("pattern"):
        yield from _pattern_mistake(pattern, path)
    for key, each in (schema.get("properties") or {}).items():
        yield from _schema_mistakes(each, keyed(f"{path}.properties", key))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _schema_mistakes(schema[key], child(path, key))


def _pattern_mistake(pattern: str, path: str) -> Iterator[Cause]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield Cause(child(path, "pattern"), f"Invalid value: must be a valid regular expression: {error}")


def _list_mistakes(schema: Object, path: str) -> Iterator[Cause]:
    if schema.get("type") == "array" and not schema.get("items"):
        yield Cause(child(path, "items"), "Required value: must be specified", "FieldValueRequired")
    if schema.get("uniqueItems"):
        yield Cause(child(path, "uniqueItems"), "Forbidden: cannot be set to true", "FieldValueForbidden")
    if schema.get("x-kubernetes-list-type") != "map":
        return
    keys, items = schema.get("x-kubernetes-list-map-keys") or (), schema.get("items") or {}
    if not keys:
        yield Cause(child(path, "x-kubernetes-list-map-keys"), "Required value", "FieldValueRequired")
    for key in keys:
        known = (items.get("properties") or {}).get(key, {})
        if not known:
            yield Cause(child(path, "x-kubernetes-list-map-keys"), f'Invalid value: "{key}": no property of the items')
        elif key not in (items.get("required") or ()) and "default" not in known:
            text = f"Required value: {key} is a key of the list, and must be required or have a default"
            yield Cause(f"{path}.items", text, "FieldValueRequired")


def _rule_mistakes(rule: Object, path: str) -> Iterator[Cause]:
    for key in rule.keys() - RULE:
        yield Cause(child(path, key), "Invalid value: this server does not know it")
    try:
        Rule.of(rule.get("rule", ""))
    except CelError as error:
        yield Cause(f"{path}.rule", f'Invalid value: "{rule.get("rule", "")}": compilation failed: ERROR: {error}')


def kinds_of(crd: Object) -> list[Kind]:
    """One kind for each version that is served; the storage version last, so that it comes first for clients."""
    versions = [each for each in crd["spec"]["versions"] if each["served"]]
    return [_kind(crd["spec"], each) for each in sorted(versions, key=lambda each: bool(each["storage"]))]


def _kind(spec: Object, version: Object) -> Kind:
    names = spec["names"]
    written = version.get("additionalPrinterColumns")
    columns = [NAME, *map(_column, written)] if written else [NAME, AGE]
    selectable = {}
    for each in version.get("selectableFields") or ():
        path = json_path.simple_path(each["jsonPath"])
        selectable[".".join(path)] = path
    return Kind(
        group=spec["group"],
        version=version["name"],
        name=names["kind"],
        plural=names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        schema=_whole_schema(version["schema"]["openAPIV3Schema"]),
        singular=names.get("singular") or names["kind"].lower(),
        list_name=names.get("listKind") or "",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in (version.get("subresources") or {}),
        counts=True,
        is_custom=True,
        needs_version=True,
        columns=tuple(columns),
        selectable=selectable,
    )


def _whole_schema(written: Object) -> Object:
    schema = clone(written)
    text = {"type": "string"}
    schema["properties"] = (schema.get("properties") or {}) | {"apiVersion": text, "kind": text}
    schema["properties"]["metadata"] = meta_schema()
    return schema  # type: ignore[no-any-return]


def _column(written: Object) -> Column:
    steps, kind = json_path.parse(written["jsonPath"]), written["type"]

    def cell(value: Object, now: datetime) -> Any:
        found = json_path.find(steps, value)
        return _shown(found[0], kind, now) if found else None

    return Column(
        written["name"],
        kind,
        cell,
        written.get("priority", 0),
        written.get("format", ""),
        written.get("description", ""),
    )


def _shown(value: Any, kind: str, now: datetime) -> Any:
    if value is None:
        return None
    if kind == "date":
        return age(value, now) if isinstance(value, str) else None
    if kind == "string":
        return value if isinstance(value, str) else canonical(value)
    wanted = {"integer": int, "number": (int, float), "boolean": bool}[kind]
    return value if isinstance(value, wanted) else None  # type: ignore[arg-type]


def accepted(crd: Object, stamp: str, problem: str) -> Object:
    """The status of a definition: established, unless its names are taken."""
    names = crd["spec"]["names"]
    names = {**names, "singular": names.get("singular") or names["kind"].lower()}
    names["listKind"] = names.get("listKind") or f"{names['kind']}List"
    good = "False" if problem else "True"
    stored = {each["name"] for each in crd["spec"]["versions"] if each["storage"]}
    return {
        "acceptedNames": names,
        "storedVersions": sorted({*(dig(crd, "status", "storedVersions") or ()), *stored}),
        "conditions": [
            _condition("NamesAccepted", good, "NoConflicts" if not problem else "NamesConflict", problem, stamp),
            _condition("Established", good, "InitialNamesAccepted" if not problem else "NotAccepted", problem, stamp),
        ],
    }


def _condition(kind: str, status: str, reason: str, message: str, stamp: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": stamp}
