"""JSON Patch (RFC 6902)."""

from __future__ import annotations

from typing import Any

from terway_edge.testing.apiserver.errors import ApiError, bad_request
from terway_edge.testing.apiserver.objects import canonical, clone


def apply_json_patch(value: Any, operations: Any) -> Any:
    """:returns: a new value. Raises ApiError 400 for what is no patch, 422 for one that does not fit."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal the body into an array of operations")
    result = clone(value)
    for each in operations:
        if not isinstance(each, dict) or not isinstance(each.get("path"), str):
            raise bad_request("error decoding patch: an operation is an object with op and path")
        result = _operate(result, each)
    return result


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation["path"])
    match operation.get("op"):
        case "add":
            return _add(document, path, clone(_value(operation)))
        case "remove":
            return _remove(document, path)
        case "replace":
            _look(document, path)
            return _add(_remove(document, path), path, clone(_value(operation))) if path else clone(_value(operation))
        case "move":
            source = _pointer(operation.get("from"))
            moved = _look(document, source)
            return _add(_remove(document, source), path, moved)
        case "copy":
            return _add(document, path, clone(_look(document, _pointer(operation.get("from")))))
        case "test":
            if canonical(_look(document, path)) != canonical(operation.get("value")):
                raise _unfit()
            return document
    raise _unfit()


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise _unfit()
    return operation["value"]


def _pointer(text: Any) -> list[str]:
    """RFC 6901."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise _unfit()
    return [each.replace("~1", "/").replace("~0", "~") for each in text.split("/")[1:]]


def _look(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list):
            document = document[_index(step, len(document) - 1)]
        else:
            raise _unfit()
    return document


def _index(step: str, most: int) -> int:
    if not step.isdecimal() or int(step) > most:
        raise _unfit()
    return int(step)


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _look(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent)), value)
    else:
        raise _unfit()
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise _unfit()
    parent, last = _look(document, path[:-1]), path[-1]
    _look(parent, [last])
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[int(last)]
    return document


def _unfit() -> ApiError:
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})
