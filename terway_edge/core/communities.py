"""BGP communities as text: `65010:100` (RFC 1997), `65010:1:2` (large, RFC 8092), and three well-known names."""

from __future__ import annotations

LargeCommunity = tuple[int, int, int]

WELL_KNOWN = {
    "graceful-shutdown": 0xFFFF_0000,  # RFC 8326
    "no-export": 0xFFFF_FF01,
    "no-advertise": 0xFFFF_FF02,
}
_WIDTHS = {2: 16, 3: 32}
"""Bits of each part, by the number of parts."""


def parse_community(text: str) -> int | LargeCommunity:
    """A 32-bit number, or the triple of a large community. Raises ValueError."""
    if text in WELL_KNOWN:
        return WELL_KNOWN[text]
    parts = text.split(":")
    bits = _WIDTHS.get(len(parts), 0)
    if not bits or not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(f"expected a community such as 65010:100, 65010:1:2 or {', '.join(WELL_KNOWN)}")
    numbers = [int(part) if len(part) <= 10 else 1 << bits for part in parts]
    if max(numbers) >> bits:
        raise ValueError(f"expected {len(parts)} numbers of at most {(1 << bits) - 1}")
    return (numbers[0] << 16) | numbers[1] if len(numbers) == 2 else (numbers[0], numbers[1], numbers[2])
