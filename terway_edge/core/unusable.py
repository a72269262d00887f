"""Addresses that no node, pod or peer can have."""

from __future__ import annotations

from terway_edge.core.addresses import Prefix

UNUSABLE = tuple(
    Prefix.parse(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/127",
        "::ffff:0:0/96",
        "fe80::/10",
        "ff00::/8",
    )
)
"""Unspecified, loopback, link-local, multicast and broadcast; IPv4 addresses written as IPv6."""


def unusable(prefix: Prefix) -> Prefix | None:
    """The range of unusable addresses that `prefix` lies in or covers."""
    return next((other for other in UNUSABLE if other.covers(prefix) or prefix.covers(other)), None)
