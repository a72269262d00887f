"""Label and field selectors of lists and watches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from terway_edge.testing.apiserver.errors import bad_request
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object, dig

Predicate = Callable[[Object], bool]

KEY = r"(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)?"
_EQUAL = re.compile(rf"({KEY})\s*(==|=|!=)\s*({VALUE})")
_AMONG = re.compile(rf"({KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({KEY})")
_ORDER = re.compile(rf"({KEY})\s*([<>])\s*(-?[0-9]+)")
_FIELD = re.compile(r"([^=!]+)(==|=|!=)(.*)")


class Selection(NamedTuple):
    """Which objects of a kind are meant."""

    labels: tuple[Predicate, ...]
    fields: tuple[Predicate, ...]

    def picks(self, value: Object) -> bool:
        return all(holds(value) for holds in (*self.labels, *self.fields))

    @property
    def is_everything(self) -> bool:
        return not self.labels and not self.fields


def parse_selection(kind: Kind, labels: str, fields: str) -> Selection:
    """Raises ApiError 400."""
    terms = [_field_term(kind, each) for each in re.split(r"(?<!\\),", fields) if each]
    return Selection(tuple(map(_label_term, _split(labels))), tuple(terms))


def named_by(fields: str) -> str:
    """The name in `metadata.name=...`, which authorisation takes for the object's name."""
    for term in fields.split(","):
        match = _FIELD.fullmatch(term)
        if match and match[1] == "metadata.name" and match[2] != "!=":
            return match[3]
    return ""


def _split(labels: str) -> list[str]:
    return [each.strip() for each in re.split(r",(?![^()]*\))", labels) if labels.strip()]


def _label_term(term: str) -> Predicate:
    if match := _EQUAL.fullmatch(term):
        key, value, wants = match[1], match[3], match[2] != "!="
        return lambda each: (_labels(each).get(key) == value) == wants
    if match := _AMONG.fullmatch(term):
        key, values, wants = match[1], {each.strip() for each in match[3].split(",")}, match[2] == "in"
        return lambda each: (_labels(each).get(key) in values) == wants
    if match := _ORDER.fullmatch(term):
        key, bound, is_less = match[1], int(match[3]), match[2] == "<"
        return lambda each: _compares(_labels(each).get(key), bound, is_less)
    if match := _EXISTS.fullmatch(term):
        key, wants = match[2], not match[1]
        return lambda each: (key in _labels(each)) == wants
    raise bad_request(f'unable to parse requirement: "{term}" is no label selector')


def _compares(value: str | None, bound: int, is_less: bool) -> bool:
    if value is None or not re.fullmatch("-?[0-9]+", value):
        return False
    return int(value) < bound if is_less else int(value) > bound


def _labels(value: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = value["metadata"].get("labels") or {}
    return labels


def _field_term(kind: Kind, term: str) -> Predicate:
    match = _FIELD.fullmatch(term)
    if not match:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    label, wants, wanted = match[1], match[2] != "!=", re.sub(r"\\(.)", r"\1", match[3])
    path = {"metadata.name": ("metadata", "name"), "metadata.namespace": ("metadata", "namespace")}.get(
        label, kind.selectable.get(label, ())
    )
    if not path or (label == "metadata.namespace" and not kind.namespaced):
        raise bad_request(f"field label not supported: {label}")
    return lambda each: (_as_text(dig(each, *path)) == wanted) == wants


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
