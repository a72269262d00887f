"""Keywords and formats of schemas; what is cut and filled in."""

from __future__ import annotations

import pytest

from terway_edge.testing.apiserver.schema.fitting import drop_nulls, fill, prune
from terway_edge.testing.apiserver.schema.validation import validate

FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def of(**keywords):
    return {"type": "object", "properties": {"x": keywords}}


@pytest.mark.parametrize(
    ("schema", "good", "bad", "said"),
    [
        (of(type="integer", minimum=1, maximum=9), 1, 0, "should be greater than or equal to 1"),
        (of(type="integer", minimum=1, exclusiveMinimum=True), 2, 1, "should be greater than 1"),
        (of(type="number", maximum=1.5), 1, 1.6, "should be less than or equal to 1.5"),
        (of(type="number", maximum=1, exclusiveMaximum=True), 0.9, 1, "should be less than 1"),
        (of(type="integer", multipleOf=3), 9, 10, "should be a multiple of 3"),
        (of(type="integer", format="int32"), 2**31 - 1, 2**31, "must be of type int32"),
        (of(type="integer"), 1, 1.5, 'must be of type integer: "number"'),
        (of(type="integer"), 1, True, 'must be of type integer: "boolean"'),
        (of(type="boolean"), True, 1, 'must be of type boolean: "integer"'),
        (of(type="string"), "", None, 'must be of type string: "null"'),
        (of(type="string", minLength=2), "ab", "a", "should be at least 2 chars long"),
        (of(type="string", maxLength=2), "ab", "abc", "Too long: may not be more than 2 bytes"),
        (of(type="string", pattern="^a+$"), "aa", "ab", "should match '^a+$'"),
        (of(type="string", enum=["a", "b"]), "a", "c", 'supported values: "a", "b"'),
        (of(type="string", format="ipv4"), "010.0.0.1", "10.0.0.256", "must be of type ipv4"),
        (of(type="string", format="ipv6"), "fd00::1", "10.0.0.1", "must be of type ipv6"),
        (of(type="string", format="cidr"), "10.0.0.1/8", "10.0.0.1", "must be of type cidr"),
        (of(type="string", format="date-time"), "2026-01-01T00:00:00.5Z", "2026-13-01T00:00:00Z", "date-time"),
        (of(type="string", format="byte"), "YQ==", "YQ", "must be of type byte"),
        (of(type="string", format="hostname"), "a.b", "a..b", "must be of type hostname"),
        (of(type="string", format="uuid"), "123e4567-e89b-12d3-a456-426614174000", "1", "must be of type uuid"),
        (of(type="array", items={}, minItems=1), [1], [], "should have at least 1 items"),
        (of(type="array", items={}, maxItems=1), [1], [1, 2], "Too many: 2: must have at most 1 items"),
        (of(type="object", minProperties=1), {"a": 1}, {}, "should have at least 1 properties"),
        (of(type="object", maxProperties=1), {"a": 1}, {"a": 1, "b": 2}, "Too many: 2"),
        (of(**{"x-kubernetes-int-or-string": True}), "80%", 1.5, "must be of type integer,string"),
        (of(allOf=[{"minimum": 2}]), 2, 1, "should be greater than or equal to 2"),
        (of(anyOf=[{"enum": [1]}, {"enum": [2]}]), 2, 3, "(anyOf)"),
        (of(oneOf=[{"enum": [1, 2]}, {"enum": [2]}]), 1, 2, "(oneOf)"),
        (of(**{"not": {"enum": [1]}}), 2, 1, "(not)"),
    ],
)
def test_keywords(schema, good, bad, said):
    assert validate({"x": good}, schema) == []
    (cause,) = validate({"x": bad}, schema)
    assert cause.field == "x"
    assert said in cause.text


def test_keyed_lists_hold_each_key_once():
    item = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "default": "x"}}}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"]}
    schema = of(type="array", items=item, **keyed)
    assert validate({"x": [{"a": "1"}, {"a": "1", "b": "y"}]}, schema) == []
    (cause,) = validate({"x": [{"a": "1"}, {"a": "1", "b": "x"}]}, schema)
    assert (cause.field, cause.kind) == ("x[1]", "FieldValueDuplicate")


def test_rules_of_wrong_types_are_not_checked():
    schema = of(type="integer", **{"x-kubernetes-validations": [{"rule": "self > 1"}]})
    assert [each.field for each in validate({"x": "a"}, schema)] == ["x", "<nil>"]
    assert [each.text for each in validate({"x": 1}, schema)] == ["Invalid value: 1: failed rule: self > 1"]


def test_a_rule_says_where_and_why():
    rule = {"rule": "self.a < self.b", "message": "a is below b", "reason": "FieldValueForbidden", "fieldPath": ".a"}
    schema = of(type="object", properties={}, **{"x-kubernetes-validations": [rule]})
    (cause,) = validate({"x": {"a": 2, "b": 1}}, schema)
    assert (cause.field, cause.text, cause.kind) == ("x.a", "Forbidden: a is below b", "FieldValueForbidden")
    (cause,) = validate({"x": {}}, schema)
    assert "rule evaluation error: no such key: a" in cause.text


def test_a_transition_rule_follows_the_keys_of_a_list():
    item = {"type": "object", "x-kubernetes-validations": [{"rule": "self.n >= oldSelf.n"}]}
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}
    schema = of(type="array", items=item, **keyed)
    old = {"x": [{"a": 1, "n": 5}, {"a": 2, "n": 1}]}
    assert validate({"x": [{"a": 2, "n": 1}, {"a": 3, "n": 0}]}, schema, old) == []
    assert len(validate({"x": [{"a": 2, "n": 0}]}, schema, old)) == 1


def test_unknown_fields_are_cut_where_the_schema_is_closed():
    schema = {
        "type": "object",
        "properties": {
            "closed": {"type": "array", "items": of(type="string")},
            "free": FREE,
            "map": {"type": "object", "additionalProperties": of(type="string")},
        },
    }
    value = {"kind": "K", "closed": [{"x": "a", "y": 1}], "free": {"z": 1}, "map": {"k": {"y": 1}}, "odd": 1}
    assert prune(value, schema) == ["closed[0].y", "map.k.y", "odd"]
    assert value == {"kind": "K", "closed": [{"x": "a"}], "free": {"z": 1}, "map": {"k": {}}}


def test_defaults_fill_what_is_absent_or_null():
    schema = of(type="object", default={}, properties={"y": {"type": "integer", "default": 7}})
    for value in ({}, {"x": None}, {"x": {"y": None}}):
        fill(value, schema)
        assert value == {"x": {"y": 7}}
    kept = {"x": None}
    fill(kept, of(type="object", nullable=True, default={}))
    assert kept == {"x": None}


def test_nulls_go_where_they_may_not_be():
    value = {"x": None, "y": None, "free": {"z": None}}
    drop_nulls(value, {"properties": {"x": {"type": "string"}, "y": {"nullable": True}, "free": FREE}})
    assert value == {"y": None, "free": {"z": None}}
