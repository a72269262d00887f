"""Unsigned numbers in network order, with refusals that name the field."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from terway_edge.backends.bgp.errors import LocalError


def unsigned(value: int, octets: int, field: str) -> bytes:
    """`value` in `octets` octets; LocalError if it does not fit."""
    try:
        return value.to_bytes(octets, "big")
    except OverflowError:
        raise LocalError(f"{field} {value} does not fit {octets} octets") from None


def words(values: Sequence[int], field: str) -> bytes:
    """Numbers of four octets each; LocalError if one does not fit."""
    try:
        return struct.pack(f"!{len(values)}I", *values)
    except struct.error:
        raise LocalError(f"{field} {values!r}: a number does not fit four octets") from None
