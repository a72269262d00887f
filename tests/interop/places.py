"""The site on paper: a LAN with a switch, three nodes and a second switch, and a host behind the first switch.

Addresses are of the ranges of RFC 2544 and RFC 4193.
"""

from __future__ import annotations

from terway_edge.core.addresses import Address, Prefix

LAN = ("198.18.0.0/24", "fd00:18::/64")
BEHIND = ("198.19.0.0/24", "fd00:19::/64")
"""Where the host is: the switch's other side."""
SWITCH = ("198.18.0.1", "fd00:18::1")
SECOND_SWITCH = ("198.18.0.2", "fd00:18::2")
SWITCH_BEHIND = ("198.19.0.1", "fd00:19::1")
HOST = ("198.19.0.2", "fd00:19::2")
NODES = (1, 2, 3)
PODS = (Prefix.parse("10.64.0.0/16"), Prefix.parse("fd00:64::/48"))
POD_LENGTHS = (30, 64)
NOBODY = "198.18.0.99"
"""An address of the LAN that nobody has."""


def node(index: int) -> tuple[str, str]:
    """The addresses of a node, v4 and v6."""
    return f"198.18.0.{10 + index}", f"fd00:18::{10 + index}"


def pod_cidrs(index: int) -> tuple[str, str]:
    return f"10.64.{index}.0/24", f"fd00:64:0:{index:x}::/64"


def pod(index: int) -> tuple[str, str]:
    """The addresses of a pod of a node."""
    return f"10.64.{index}.1", f"fd00:64:0:{index:x}::1"


def address(text: str) -> Address:
    return Address.parse(text)
