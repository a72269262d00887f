"""The answers of faults that prevent a request."""

from __future__ import annotations

from terway_edge.testing.apiserver.errors import ApiError, expired
from terway_edge.testing.apiserver.faults.script import Error, Gone, Overload, Page, Preventing, Throttle
from terway_edge.testing.apiserver.reply import Reply, as_status

TOO_MANY = "Too many requests, please try again later."
FLOW = ("X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID")
NO_UID = "00000000-0000-0000-0000-000000000000"


def prevented(fault: Preventing) -> Reply:
    match fault:
        case Throttle():
            return as_status(ApiError(429, "TooManyRequests", TOO_MANY, retry_after=fault.retry_after))
        case Overload():
            headers = (("Retry-After", str(fault.retry_after)), *((name, NO_UID) for name in FLOW))
            return Reply(429, TOO_MANY.encode(), "text/plain; charset=utf-8", headers)
        case Error():
            return as_status(ApiError(fault.code, fault.reason, fault.message, retry_after=fault.retry_after))
        case Gone():
            return as_status(expired("the resourceVersion or continue token that was asked for is too old"))
        case Page():
            body = b"<html><body><h1>Bad Gateway</h1></body></html>"
            return Reply(fault.status, body, "text/html")
