"""An object that a client sent, on its way to being stored."""

from __future__ import annotations

from terway_edge.testing.apiserver.errors import Cause, bad_request, invalid_object
from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object
from terway_edge.testing.apiserver.schema.fitting import drop_nulls, fill, prune
from terway_edge.testing.apiserver.schema.validation import ABSENT, TYPE_WRONG, validate

MISSHAPEN = " must be of type "
"""What is said of a string that has not its format: Base64, a time."""


def identify(kind: Kind, value: Object) -> None:
    """See that the object is of this kind and version. Raises ApiError 400."""
    if not value.get("kind") or not value.get("apiVersion"):
        if kind.is_custom:
            raise bad_request("Object 'Kind' is missing" if not value.get("kind") else "Object 'apiVersion' is missing")
        value["kind"], value["apiVersion"] = value.get("kind") or kind.name, value.get("apiVersion") or kind.api_version
    if value["kind"] != kind.name:
        text = f'{value["kind"]} in version "{kind.version}" cannot be handled as a {kind.name}: no kind'
        raise bad_request(f'{text} "{value["kind"]}" is registered for version "{value["apiVersion"]}"')
    if value["apiVersion"] != kind.api_version:
        text = f"the API version in the data ({value['apiVersion']}) does not match the expected API version"
        raise bad_request(f"{text} ({kind.api_version})")
    if not isinstance(value.setdefault("metadata", {}), dict):
        raise bad_request(f"{kind.name}.metadata: the object's metadata is no object")


def fit(kind: Kind, value: Object) -> list[str]:
    """Cut unknown fields and fill in defaults; the paths of the unknown ones. Raises ApiError 400 for wrong types."""
    meta = value["metadata"]
    drop_nulls(meta, kind.schema["properties"]["metadata"])
    if not kind.is_custom:
        drop_nulls(value, kind.schema)
    unknown = prune(value, kind.schema)
    _check_types(kind, value)
    fill(value, kind.schema)
    return unknown


def _check_types(kind: Kind, value: Object) -> None:
    """The fields of built-in kinds, and all metadata, have Go types: other JSON cannot be decoded."""
    schema = kind.schema if not kind.is_custom else {"properties": {"metadata": kind.schema["properties"]["metadata"]}}
    for each in validate(value, schema):
        if each.kind == TYPE_WRONG or MISSHAPEN in each.text:
            text = f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: json: cannot unmarshal'
            raise bad_request(f"{text} into the Go type of field {each.field}: {each.text}")


def report(kind: Kind, unknown: list[str], mode: str) -> list[str]:
    """Warnings about unknown fields. Raises ApiError 400 if they are forbidden."""
    complaints = [f'unknown field "{each}"' for each in unknown]
    if complaints and mode == "Strict":
        text = f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: strict decoding error'
        raise bad_request(f"{text}: {', '.join(complaints)}")
    return complaints if mode == "Warn" else []


def check(kind: Kind, value: Object, old: Object | None, more: list[Cause]) -> None:
    """Raises ApiError 422."""
    causes = [*more, *validate(value, kind.schema, old if old is not None else ABSENT)]
    if causes:
        raise invalid_object(kind, value["metadata"].get("name", ""), causes)
