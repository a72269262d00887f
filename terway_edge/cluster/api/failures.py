"""What goes wrong with an API server, and what an operator is told about it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, TOO_MANY = 401, 403, 404, 409, 410, 429
WHERE = "Kubernetes API"
"""What such problems are about."""


class ApiError(Exception):
    """An answer that is an error. `retry_after` in seconds, 0 if the server does not say."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}" if reason else f"{status}: {message}")
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after


class GoneError(Exception):
    """What a watch or the next page of a listing builds on is no longer there: list again."""


class UnreachableError(Exception):
    """No answer, or half of one."""


class UnansweredError(UnreachableError):
    """The request was sent, and the answer did not come in time: it may be about this request alone."""


class MalformedError(Exception):
    """An answer that is not what the API answers."""


class Reason(StrEnum):
    """Reasons of conditions about the API."""

    UNREACHABLE = "ClusterUnreachable"
    FORBIDDEN = "ClusterForbidden"
    NO_CRD = "CRDMissing"
    CACHE = "ClusterCacheDamaged"


class Trouble(NamedTuple):
    """Why a resource is not followed. `is_lasting`: it will not go away by waiting, so tell it at once."""

    reason: Reason
    message: str
    is_lasting: bool = False


def trouble(error: Exception, right: str, verb: str) -> Trouble:
    """:param right: the resource as a role calls it.
    :param verb: of the role, one or several."""
    match error:
        case ApiError(status=401):
            text = (
                f"does not accept the agent's credentials: {error.message or 'Unauthorized'}; "
                f"check its ServiceAccount, or the user in cluster.kubeconfig"
            )
            return Trouble(Reason.FORBIDDEN, text, is_lasting=True)
        case ApiError(status=403):
            text = f"does not let the agent {verb} {right}: {error.message}; grant it that right"
            return Trouble(Reason.FORBIDDEN, text, is_lasting=True)
        case ApiError():
            return Trouble(Reason.UNREACHABLE, f"answers {error} to {verb} {right}")
        case UnreachableError():
            return Trouble(Reason.UNREACHABLE, f"cannot be reached: {error}")
        case _:
            return Trouble(Reason.UNREACHABLE, f"cannot be understood: {error}")


def missing_crd(right: str) -> Trouble:
    text = f"has no {right}: no BGP until its CustomResourceDefinition is applied"
    return Trouble(Reason.NO_CRD, text, is_lasting=True)
