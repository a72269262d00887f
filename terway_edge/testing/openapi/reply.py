"""What goes back over HTTP."""

from __future__ import annotations

import json
from typing import NamedTuple

from terway_edge.testing.openapi.action import Body
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.faults import Empty, ErrorInOk, NotJson, Preventing

JSON = "application/json;charset=utf-8"


class Reply(NamedTuple):
    """After `delay` seconds; nothing but a cut connection if `is_dropped`. `code` is the error's, empty for success."""

    status: int
    body: bytes
    content_type: str = JSON
    code: str = ""
    request_id: str = ""
    delay: float = 0.0
    is_dropped: bool = False

    @property
    def json(self) -> Body:
        """Raises ValueError if the body is none."""
        found = json.loads(self.body)
        if not isinstance(found, dict):
            raise ValueError(f"the body is no JSON object: {self.body!r}")
        return found


DROPPED = Reply(0, b"", code="dropped", is_dropped=True)


def success(body: Body, request_id: str) -> Reply:
    return Reply(200, json.dumps({"RequestId": request_id, **body}).encode(), request_id=request_id)


def failure(error: ApiError, product: str, host: str, request_id: str) -> Reply:
    query = f"q={error.code}&product={product.capitalize()}&requestId={request_id}"
    body = {
        "RequestId": request_id,
        "HostId": host,
        "Code": error.code,
        "Message": error.message,
        "Recommend": f"https://api.alibabacloud.com/troubleshoot?{query}",
    }
    return Reply(error.status, json.dumps(body).encode(), code=error.code, request_id=request_id)


def prevented(fault: Preventing, product: str, host: str, request_id: str) -> Reply:
    """Instead of the call."""
    if isinstance(fault, NotJson):
        page = b"<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
        return Reply(fault.status, page, "text/html", code="not JSON")
    if isinstance(fault, Empty):
        return Reply(200, b"", code="empty")
    message = getattr(fault, "message", "") or f"the service answers {fault.code} for now"
    status = 200 if isinstance(fault, ErrorInOk) else fault.status
    return failure(ApiError(fault.code, message, status), product, host, request_id)
