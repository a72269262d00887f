"""Check a value against its schema; the causes read as the server's do.

Keywords: the structural subset of apiextensions.k8s.io/v1 JSONSchemaProps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from terway_edge.testing.apiserver.cel import CelError, Rule
from terway_edge.testing.apiserver.errors import Cause
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.schema.formats import INTEGERS, STRINGS
from terway_edge.testing.apiserver.schema.paths import child, item
from terway_edge.testing.apiserver.schema.structure import identity, of_items, of_key

TYPE_WRONG = "FieldValueTypeInvalid"
ABSENT = object()
UNCHECKED = Cause(
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def validate(value: Any, schema: Object, old: Any = ABSENT) -> list[Cause]:
    """All that is wrong. The CEL rules come last, and only for a value that is otherwise right."""
    causes = list(_check(value, schema, ""))
    if any(each.kind == TYPE_WRONG for each in causes) and _has_rules(schema):
        return [*causes, UNCHECKED]
    return causes or list(_rules(value, schema, "", old))


def _check(value: Any, schema: Object, path: str) -> Iterator[Cause]:
    if value is None and schema.get("nullable"):
        return
    if not _has_type(value, schema):
        yield Cause(path, _wrong_type(value, schema, path), TYPE_WRONG)
        return
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(json.dumps(each) for each in schema["enum"])
        yield Cause(
            path, f"Unsupported value: {json.dumps(value)}: supported values: {known}", "FieldValueNotSupported"
        )
    match value:
        case bool():
            pass
        case int() | float():
            yield from _check_number(value, schema, path)
        case str():
            yield from _check_text(value, schema, path)
        case list():
            yield from _check_list(value, schema, path)
        case dict():
            yield from _check_mapping(value, schema, path)
    yield from _check_combined(value, schema, path)


def _has_type(value: Any, schema: Object) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    match schema.get("type"):
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names.get(type(value), "null")


def _wrong_type(value: Any, schema: Object, path: str) -> str:
    wanted = "integer,string" if schema.get("x-kubernetes-int-or-string") else schema["type"]
    return f'Invalid value: "{_name(value)}": {path} in body must be of type {wanted}: "{_name(value)}"'


def _body(path: str, value: Any, demand: str) -> Cause:
    return Cause(path, f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {path} in body {demand}")


def _check_number(value: float, schema: Object, path: str) -> Iterator[Cause]:
    low, high = INTEGERS.get(schema.get("format", ""), (None, None))
    if low is not None and high is not None and not low <= value <= high:
        yield _body(path, value, f"must be of type {schema['format']}: {value}")
    if (least := schema.get("minimum")) is not None:
        if schema.get("exclusiveMinimum") and value <= least:
            yield _body(path, value, f"should be greater than {least}")
        elif value < least:
            yield _body(path, value, f"should be greater than or equal to {least}")
    if (most := schema.get("maximum")) is not None:
        if schema.get("exclusiveMaximum") and value >= most:
            yield _body(path, value, f"should be less than {most}")
        elif value > most:
            yield _body(path, value, f"should be less than or equal to {most}")
    if (step := schema.get("multipleOf")) and value % step:
        yield _body(path, value, f"should be a multiple of {step}")


@lru_cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _check_text(value: str, schema: Object, path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minLength", 0):
        yield _body(path, value, f"should be at least {schema['minLength']} chars long")
    if (most := schema.get("maxLength")) is not None and len(value) > most:
        yield Cause(path, f"Too long: may not be more than {most} bytes", "FieldValueTooLong")
    if (pattern := schema.get("pattern")) and not _pattern(pattern).search(value):
        yield _body(path, value, f"should match '{pattern}'")
    test = STRINGS.get(schema.get("format", ""))
    if test and not test(value):
        yield _body(path, value, f'must be of type {schema["format"]}: "{value}"')


def _check_list(value: list[Any], schema: Object, path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minItems", 0):
        yield Cause(
            path, f"Invalid value: {len(value)}: {path} in body should have at least {schema['minItems']} items"
        )
    if (most := schema.get("maxItems")) is not None and len(value) > most:
        yield Cause(path, f"Too many: {len(value)}: must have at most {most} items", "FieldValueTooMany")
    for index, each in enumerate(value):
        yield from _check(each, of_items(schema), item(path, index))
    if schema.get("x-kubernetes-list-type") in ("set", "map") and not schema.get("x-terway-edge-repeats"):
        yield from _check_unique(value, schema, path)


def _check_unique(value: list[Any], schema: Object, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, each in enumerate(value):
        mark = identity(schema, each)
        if mark in seen:
            yield Cause(item(path, index), f"Duplicate value: {mark[2:]}", "FieldValueDuplicate")
        seen.add(mark)


def _check_mapping(value: Object, schema: Object, path: str) -> Iterator[Cause]:
    for key in schema.get("required") or ():
        if key not in value:
            yield Cause(child(path, key), "Required value", "FieldValueRequired")
    if len(value) < schema.get("minProperties", 0):
        yield _body(path, len(value), f"should have at least {schema['minProperties']} properties")
    if (most := schema.get("maxProperties")) is not None and len(value) > most:
        yield Cause(path, f"Too many: {len(value)}: must have at most {most} items", "FieldValueTooMany")
    for key, each in value.items():
        yield from _check(each, of_key(schema, key), child(path, key))


def _check_combined(value: Any, schema: Object, path: str) -> Iterator[Cause]:
    for each in schema.get("allOf") or ():
        yield from _check(value, each, path)
    choices = schema.get("anyOf")
    if choices and not any(_fits(value, each, path) for each in choices):
        yield _body(path, _shown(value), "must validate at least one schema (anyOf)")
    choices = schema.get("oneOf")
    if choices and sum(_fits(value, each, path) for each in choices) != 1:
        yield _body(path, _shown(value), "must validate one and only one schema (oneOf)")
    if "not" in schema and _fits(value, schema["not"], path):
        yield _body(path, _shown(value), "must not validate the schema (not)")


def _fits(value: Any, schema: Object, path: str) -> bool:
    return next(_check(value, schema, path), None) is None


def _shown(value: Any) -> Any:
    return _name(value) if isinstance(value, dict | list) else value


def _has_rules(schema: Object) -> bool:
    inner = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return bool(schema.get("x-kubernetes-validations")) or any(_has_rules(s) for s in inner if isinstance(s, dict))


def _rules(value: Any, schema: Object, path: str, old: Any) -> Iterator[Cause]:
    """Rules of the value and of all in it. A transition rule (`oldSelf`) wants an old value."""
    if value is None:
        return
    for each in schema.get("x-kubernetes-validations") or ():
        yield from _apply(Rule.of(each["rule"]), each, value, path, old)
    if isinstance(value, dict):
        for key, one in value.items():
            before = old.get(key, ABSENT) if isinstance(old, dict) else ABSENT
            yield from _rules(one, of_key(schema, key), child(path, key), before)
    elif isinstance(value, list):
        is_keyed = schema.get("x-kubernetes-list-type") == "map" and isinstance(old, list)
        found = {identity(schema, each): each for each in old} if is_keyed else {}
        for index, one in enumerate(value):
            yield from _rules(one, of_items(schema), item(path, index), found.get(identity(schema, one), ABSENT))


def _apply(rule: Rule, given: Object, value: Any, path: str, old: Any) -> Iterator[Cause]:
    if rule.is_transition and old is ABSENT:
        return
    field = path + given.get("fieldPath", "")
    shown = json.dumps(_shown(value), ensure_ascii=False)
    try:
        holds = rule.holds(value, old)
    except CelError as error:
        yield Cause(field, f"Invalid value: {shown}: rule evaluation error: {error}")
        return
    if not holds:
        message = given.get("message") or f"failed rule: {given['rule']}"
        yield _cause(given.get("reason", "FieldValueInvalid"), field, shown, message)


def _cause(reason: str, field: str, shown: str, message: str) -> Cause:
    text = {
        "FieldValueForbidden": f"Forbidden: {message}",
        "FieldValueRequired": f"Required value: {message}",
        "FieldValueDuplicate": f"Duplicate value: {shown}",
    }.get(reason, f"Invalid value: {shown}: {message}")
    return Cause(field, text, reason)
