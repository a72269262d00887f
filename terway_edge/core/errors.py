"""What can go wrong, as four errors that tell the caller what to do next.

    EdgeError
    ├── Retry      passing trouble: the same call may succeed after `after` seconds
    ├── Refused    this request can never succeed as it is: the caller must change it
    ├── Conflict   somebody else holds what is needed: an operator must decide
    └── Bug        an internal invariant is broken: report it

Each carries its CNI error code (CNI specification 1.1.0, "Error"; 100 and above are ours) and one sentence for the
operator. go-cni takes any DEL error that contains "not found" for success, so no message may contain these words.
"""

from __future__ import annotations

# CNI specification 1.1.0, section "Error".
INCOMPATIBLE_VERSION = 1
INVALID_ENVIRONMENT = 4
IO_FAILURE = 5
DECODE_FAILURE = 6
INVALID_CONFIG = 7
INVALID_NETNS = 8
TRY_AGAIN = 11
NOT_AVAILABLE = 50
INTERNAL = 999
# Ours.
CONFLICTING_STATE = 104
DATAPATH = 105


class EdgeError(Exception):
    """Base of the errors a backend may raise; `code` is the CNI code, `details` a longer explanation."""

    code = INTERNAL

    def __init__(self, message: str, *, code: int | None = None, details: str = "") -> None:
        if "not found" in message.lower() or "not found" in details.lower():
            message, details = _without_not_found(message), _without_not_found(details)
        super().__init__(message)
        self.details = details
        if code is not None:
            self.code = code


class Retry(EdgeError):
    """Try the same call again, `after` seconds from now at the earliest."""

    code = TRY_AGAIN

    def __init__(self, message: str, *, after: float = 1.0, code: int | None = None, details: str = "") -> None:
        super().__init__(message, code=code, details=details)
        self.after = after


class Refused(EdgeError):
    """The request is wrong and will stay wrong; the message says what to change."""

    code = INVALID_CONFIG


class Conflict(EdgeError):
    """Another owner holds the name, address or route; nothing of theirs was touched."""

    code = CONFLICTING_STATE


class Bug(EdgeError):
    """An invariant of ours is broken."""

    code = INTERNAL


class KernelError(EdgeError):
    """The kernel refused a change; `errno` is its reason and `item` what it was asked to change."""

    code = DATAPATH

    def __init__(self, message: str, *, errno: int, item: object = None) -> None:
        super().__init__(message)
        self.errno = errno
        self.item = item


def _without_not_found(text: str) -> str:
    return text.replace("not found", "absent").replace("Not found", "Absent").replace("NOT FOUND", "ABSENT")
