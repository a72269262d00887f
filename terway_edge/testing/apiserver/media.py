"""Content types: what a body is written in, and what the client wants to read."""

from __future__ import annotations

import json
from typing import Any

import yaml

from terway_edge.testing.apiserver import protobuf
from terway_edge.testing.apiserver.call import Call
from terway_edge.testing.apiserver.errors import bad_request, not_acceptable, unsupported_media
from terway_edge.testing.apiserver.objects import Object

JSON, YAML = "application/json", "application/yaml"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH, APPLY_PATCH = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
BODIES = (JSON, YAML)


class _Loader(yaml.CSafeLoader):
    """A safe loader; dates stay the text that they are in JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in each if tag != "tag:yaml.org,2002:timestamp"]
    for first, each in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def read_json(body: bytes) -> Any:
    """Raises ApiError 400."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        text = f"couldn't get version/kind; json parse error: {error}"
        raise bad_request(f"the object provided is unrecognized (must be of type Object): {text}") from None


def read_yaml(body: bytes) -> Any:
    """Raises ApiError 400."""
    try:
        return yaml.load(body, _Loader)  # noqa: S506
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding YAML: {error}") from None


def read_object(call: Call) -> Object:
    """The object in a body. Raises ApiError 400 or 415."""
    if call.content_type == protobuf.MEDIA_TYPE:
        return protobuf.read_protobuf(call.body)
    if call.content_type not in (*BODIES, ""):
        raise unsupported_media(BODIES)
    value = read_yaml(call.body) if call.content_type == YAML else read_json(call.body)
    if not isinstance(value, dict):
        raise bad_request("couldn't get version/kind; json parse error: the body is no object")
    return value


def wanted(call: Call, shapes: tuple[str, ...], version: str = "v1") -> str:
    """The first media type of Accept that can be given. Raises ApiError 406.

    :param shapes: what can be given instead of the thing itself, in which version
    :returns: one of these, or empty for the thing itself
    """
    accept = call.headers.get("accept", "*/*")
    for each in accept.split(","):
        kind, *parameters = (part.strip() for part in each.split(";"))
        known = dict(part.partition("=")[::2] for part in parameters)
        if kind not in (JSON, "*/*", "application/*") or known.get("stream", "watch") != "watch":
            continue
        shape = known.get("as", "")
        if not shape or (shape in shapes and known.get("v", version) == version):
            return shape
    raise not_acceptable(BODIES[:1])
