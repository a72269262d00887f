"""Refusals, each with the HTTP code, the reason and the details of its `Status` object.

Shapes: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from terway_edge.testing.apiserver.kinds import Kind
from terway_edge.testing.apiserver.objects import Object


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong. `kind` as in StatusCause.reason, `text` what follows the field's name."""

    field: str
    text: str
    kind: str = "FieldValueInvalid"

    @property
    def sentence(self) -> str:
        return f"{self.field}: {self.text}"


class ApiError(Exception):
    """:param retry_after: seconds, sent as the header and in the details"""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Object | None = None,
        *,
        retry_after: int = 0,
        remaining: str = "",
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.retry_after = code, reason, message, retry_after
        self._details = dict(details or {}) | ({"retryAfterSeconds": retry_after} if retry_after else {})
        self._remaining = remaining

    @property
    def status(self) -> Object:
        """The Status object."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self._remaining} if self._remaining else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self._details:
            body["details"] = self._details
        if not self.reason:
            del body["reason"]
        return body


def _details(kind: Kind, name: str) -> Object:
    return {"name": name, **({"group": kind.group} if kind.group else {}), "kind": kind.plural}


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(kind: Kind, name: str, why: str = MODIFIED) -> ApiError:
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def invalid(kind_name: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    sentences = [each.sentence for each in causes]
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    owner = f"{kind_name}.{group}" if group else kind_name
    details = {
        "name": name,
        **({"group": group} if group else {}),
        "kind": kind_name,
        "causes": [{"reason": each.kind, "message": each.text, "field": each.field} for each in causes],
    }
    return ApiError(422, "Invalid", f'{owner} "{name}" is invalid: {text}', details)


def invalid_object(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    return invalid(kind.name, kind.group, name, causes)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def wrong_method() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def unsupported_media(accepted: Sequence[str]) -> ApiError:
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return ApiError(415, "UnsupportedMediaType", text)


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    return ApiError(406, "NotAcceptable", f"only the following media types are accepted: {', '.join(accepted)}")


def expired(message: str, remaining: str = "") -> ApiError:
    """:param remaining: a continue token with which the rest can be had, though not of the same moment"""
    return ApiError(410, "Expired", message, remaining=remaining)


def too_old(asked: int, oldest: int) -> ApiError:
    return expired(f"too old resource version: {asked} ({oldest})")


def too_new(asked: int, current: int) -> ApiError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    text = f"Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", text, {"causes": [cause]}, retry_after=1)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")
