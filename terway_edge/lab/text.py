"""Tables of the lab. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

Row = Sequence[str]


def table(head: Row, rows: Sequence[Row]) -> str:
    """Columns as wide as their widest cell, two blanks between them."""
    widths = [max(map(len, column)) for column in zip_longest(head, *rows, fillvalue="")]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in chain([head, ["-" * width for width in widths]], rows)
    )
    return "\n".join(lines)
