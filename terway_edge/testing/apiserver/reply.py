"""What the server answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from terway_edge.testing.apiserver.errors import ApiError
from terway_edge.testing.apiserver.objects import encode


class Cut(Exception):
    """The connection ends here, without a good end of the answer."""


@dataclass(frozen=True)
class Reply:
    """`delay` in seconds; a dropped one is never sent, a held one neither, but its connection stays open."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    is_dropped: bool = False
    is_held: bool = False
    stream: Iterator[bytes] | None = None
    """Pieces of a body without end; an empty piece asks whether the client is still there. May raise Cut."""
    reason: str = ""
    """Of a Status."""

    def warned(self, warnings: list[str]) -> Reply:
        quoted = [each.replace("\\", "\\\\").replace('"', '\\"') for each in warnings]
        return replace(self, headers=(*self.headers, *(("Warning", f'299 - "{each}"') for each in quoted)))


def as_json(value: object) -> Reply:
    return Reply(200, encode(value))


def as_status(error: ApiError) -> Reply:
    headers = (("Retry-After", str(error.retry_after)),) if error.retry_after else ()
    return Reply(error.code, encode(error.status), headers=headers, reason=error.reason)
