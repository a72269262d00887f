"""Query parameters and DeleteOptions."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from terway_edge.testing.apiserver.call import Call, Target
from terway_edge.testing.apiserver.errors import Cause, bad_request, invalid
from terway_edge.testing.apiserver.objects import Object, dig

_LIST = (
    "allowWatchBookmarks continue fieldSelector labelSelector limit resourceVersion resourceVersionMatch "
    "sendInitialEvents timeoutSeconds watch"
)
_WRITE = "dryRun fieldManager fieldValidation"
_DELETE = "dryRun gracePeriodSeconds orphanDependents propagationPolicy"
KNOWN = {
    verb: frozenset(f"pretty timeout {names}".split())
    for verb, names in {
        "get": "resourceVersion includeObject",
        "list": f"{_LIST} includeObject",
        "watch": f"{_LIST} includeObject",
        "create": _WRITE,
        "update": _WRITE,
        "patch": f"{_WRITE} force",
        "delete": _DELETE,
        "deletecollection": f"{_DELETE} {_LIST}",
    }.items()
}
FRESH = "NotOlderThan"


def unknown_parameters(call: Call, target: Target) -> tuple[str, ...]:
    """Parameters that a server ignores."""
    return tuple(sorted(call.query.keys() - KNOWN.get(target.verb, call.query.keys())))


@dataclass(frozen=True)
class Position:
    """Where a list goes on: the revision it began at (-1: the newest) and the key that it ended with."""

    revision: int
    namespace: str
    name: str

    @property
    def token(self) -> str:
        text = json.dumps({"rv": self.revision, "start": [self.namespace, self.name]})
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @staticmethod
    def parse(token: str) -> Position:
        """Raises ApiError 400."""
        try:
            made = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            return Position(int(made["rv"]), str(made["start"][0]), str(made["start"][1]))
        except (binascii.Error, ValueError, KeyError, TypeError, IndexError):
            raise bad_request(f"continue key is not valid: {token!r}") from None


@dataclass(frozen=True)
class ListOptions:
    """`revision` is None for the newest state; `timeout` in seconds, 0 for the server's own choice."""

    labels: str
    fields: str
    limit: int
    position: Position | None
    revision: int | None
    match: str
    bookmarks: bool
    initial_events: bool | None
    timeout: int

    @staticmethod
    def of(call: Call, *, is_watch: bool) -> ListOptions:
        """Raises ApiError 400 or 422."""
        query = call.query
        _check_listing(query, is_watch)
        token = query.get("continue", "")
        sends = call.flag("sendInitialEvents") if "sendInitialEvents" in query else None
        return ListOptions(
            labels=query.get("labelSelector", ""),
            fields=query.get("fieldSelector", ""),
            limit=_number(query, "limit"),
            position=Position.parse(token) if token else None,
            revision=parse_revision(query.get("resourceVersion", "")),
            match=query.get("resourceVersionMatch", ""),
            bookmarks=call.flag("allowWatchBookmarks"),
            initial_events=sends,
            timeout=_number(query, "timeoutSeconds"),
        )


def parse_revision(text: str) -> int | None:
    """Raises ApiError 400."""
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,19}", text):
        raise bad_request(f"invalid resource version {text!r}: must be a whole number")
    return int(text)


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if not re.fullmatch("-?[0-9]{1,18}|", text):
        raise bad_request(f'unable to decode {name}: parsing "{text}": invalid syntax')
    return int(text or 0)


def _check_listing(query: Mapping[str, str], is_watch: bool) -> None:
    """What ListOptions may not combine. Raises ApiError 422."""
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    sends = "sendInitialEvents" in query
    problem = ""
    if match and is_watch and not sends:
        problem = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    elif match and not is_watch and not version:
        problem = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match and query.get("continue"):
        problem = "resourceVersionMatch is forbidden when continue is provided"
    elif match not in ("", "Exact", FRESH):
        raise _refused("ListOptions", "resourceVersionMatch", f'Unsupported value: "{match}"')
    elif match == "Exact" and version == "0":
        problem = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if problem:
        raise _refused("ListOptions", "resourceVersionMatch", f"Forbidden: {problem}")
    if sends and not is_watch:
        raise _refused("ListOptions", "sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
    if sends and match != FRESH:
        text = f"Forbidden: sendInitialEvents requires setting resourceVersionMatch to {FRESH}"
        raise _refused("ListOptions", "resourceVersionMatch", text)


@dataclass(frozen=True)
class WriteOptions:
    """`validation` of unknown fields: Ignore, Warn or Strict."""

    is_dry: bool
    manager: str
    validation: str
    force: bool | None

    @staticmethod
    def of(call: Call) -> WriteOptions:
        """Raises ApiError 422."""
        name = {"POST": "CreateOptions", "PUT": "UpdateOptions"}.get(call.method, "PatchOptions")
        validation = call.query.get("fieldValidation") or "Warn"
        if validation not in ("Ignore", "Warn", "Strict"):
            text = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
            raise _refused(name, "fieldValidation", text)
        manager = call.query.get("fieldManager", "")
        if len(manager) > 128 or not manager.isprintable():
            raise _refused(name, "fieldManager", "Invalid value: must be at most 128 printable characters")
        force = call.flag("force") if "force" in call.query else None
        return WriteOptions(_is_dry(call.query.get("dryRun", ""), name), manager, validation, force)


def _is_dry(text: str, options: str) -> bool:
    if text not in ("", "All"):
        raise _refused(options, "dryRun", f'Unsupported value: "{text}": supported values: "All"')
    return text == "All"


@dataclass(frozen=True)
class DeleteOptions:
    """`grace` in seconds, None for the object's own; `uid` and `version` are preconditions, empty for none."""

    is_dry: bool
    grace: int | None
    uid: str
    version: str

    @staticmethod
    def of(call: Call, body: Object) -> DeleteOptions:
        """Raises ApiError 400 or 422."""
        policy = body.get("propagationPolicy") or call.query.get("propagationPolicy") or "Background"
        if policy not in ("Background", "Foreground", "Orphan"):
            raise _refused("DeleteOptions", "propagationPolicy", f'Unsupported value: "{policy}"')
        grace = body.get("gracePeriodSeconds")
        if grace is None and "gracePeriodSeconds" in call.query:
            grace = _number(call.query, "gracePeriodSeconds")
        if grace is not None and (not isinstance(grace, int) or grace < 0):
            raise _refused("DeleteOptions", "gracePeriodSeconds", f"Invalid value: {grace}: must not be negative")
        dry = ",".join(body.get("dryRun") or ()) or call.query.get("dryRun", "")
        return DeleteOptions(
            _is_dry(dry, "DeleteOptions"),
            grace,
            dig(body, "preconditions", "uid") or "",
            dig(body, "preconditions", "resourceVersion") or "",
        )


def refused_options(field: str, text: str) -> Exception:
    return _refused("PatchOptions", field, text)


def _refused(options: str, field: str, text: str) -> Exception:
    return invalid(options, "meta.k8s.io", "", [Cause(field, text)])
