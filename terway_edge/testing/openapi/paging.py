"""One page of a listing: by token, or by number."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from terway_edge.testing.openapi.arguments import Arguments
from terway_edge.testing.openapi.errors import invalid
from terway_edge.testing.openapi.fields import Field, Number, Text

Item = TypeVar("Item")
FIRST_PAGE, PAGE_SIZE = 1, 10


def by_number_fields(largest: int = 50) -> tuple[Field, ...]:
    return Number("PageNumber", 1), Number("PageSize", 1, largest)


def by_token_fields(largest: int, *, smallest: int = 10) -> tuple[Field, ...]:
    """A size out of range is moved into it, as ECS does."""
    return Text("NextToken"), Number("MaxResults", smallest, largest, clamps=True)


def by_number(items: Sequence[Item], arguments: Arguments) -> tuple[list[Item], dict[str, object]]:
    """The page, and PageNumber, PageSize and TotalCount of the answer."""
    number, size = arguments.number("PageNumber", FIRST_PAGE), arguments.number("PageSize", PAGE_SIZE)
    page = items[(number - 1) * size : number * size]
    return list(page), {"PageNumber": number, "PageSize": size, "TotalCount": len(items)}


def by_token(
    items: Sequence[Item],
    arguments: Arguments,
    key: Callable[[Item], str],
    size_name: str = "MaxResults",
    size: int = PAGE_SIZE,
) -> tuple[list[Item], str]:
    """The page and NextToken, which is empty after the last page.

    The token holds the last key shown: what comes and goes between two pages neither hides nor repeats another item.
    """
    after = _read(arguments.text("NextToken"))
    rest = sorted((item for item in items if key(item) > after), key=key)
    page = rest[: arguments.number(size_name, size)]
    return page, _written(key(page[-1])) if len(page) < len(rest) else ""


def _written(key: str) -> str:
    return base64.urlsafe_b64encode(f"page:{key}".encode()).decode()


def _read(token: str) -> str:
    if not token:
        return ""
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith("page:"):
        raise invalid("NextToken", "it is not one of this listing")
    return text.removeprefix("page:")
