"""The edge on paper: two LANs, a switch each, and a core router between the switches. Names and numbers only.

IPv4 addresses are those of the product guide's example, IPv6 ones of RFC 4193, AS numbers private.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from terway_edge.lab.layout import Layout

LAST_OF_FIRST_LAN = 3
"""Nodes up to this index are in the first LAN, all others in the second."""

CORE = "core"
CORE_ASN = 65000
SITE = ("172.16.0.0/16", "fd00:18::/32")
"""The data center: holds every edge node and router; where pods are is for BGP to tell."""
POD_RANGES = ("10.64.0.0/16", "fd00:64::/48")
POD_CIDR_LENGTHS = (24, 64)


@dataclass(frozen=True, slots=True)
class Lan:
    """A LAN (`number` from 0); `netns` is the one of its switch, which is its bridge and its router."""

    number: int
    netns: str

    @property
    def letter(self) -> str:
        return "ab"[self.number]

    @property
    def name(self) -> str:
        return f"lan-{self.letter}"

    @property
    def switch(self) -> str:
        return f"switch-{self.letter}"

    @property
    def pool(self) -> str:
        """The node pool of its nodes."""
        return f"np-lab-{self.letter}"

    @property
    def peer(self) -> str:
        """The name of its BGPPeer object."""
        return f"peer-{self.letter}"

    @property
    def has_password(self) -> bool:
        return self.number == 0

    @property
    def asn(self) -> int:
        """The AS of its speakers."""
        return 65010 + 10 * self.number

    @property
    def switch_asn(self) -> int:
        return 65001 + self.number

    @property
    def prefixes(self) -> tuple[str, str]:
        return f"172.16.{self.number}.0/24", _v6(f"fd00:18:0:{self.number}::/64")

    def addresses(self, host: int) -> tuple[str, str]:
        """The addresses of a host, v4 and v6; host 1 is the switch."""
        return f"172.16.{self.number}.{host}", _v6(f"fd00:18:0:{self.number}::{host}")

    @property
    def gateways(self) -> tuple[str, str]:
        return self.addresses(1)

    @property
    def speakers(self) -> tuple[str, str]:
        """Names of the nodes that speak BGP with the switch."""
        return ("node-4", "node-5") if self.number else ("node-1", "node-2")

    def link_to_core(self, end: int) -> tuple[str, str]:
        """The addresses on the link between core (end 1) and switch (end 2)."""
        return f"172.16.254.{4 * self.number + end}", f"fd00:18:0:fe{self.number}::{end}"


@dataclass(frozen=True, slots=True)
class LabNode:
    """A node of the lab: number `index` (from 1) gets addresses and pod CIDRs made of its index."""

    index: int
    netns: str
    lan: Lan

    @property
    def name(self) -> str:
        return f"node-{self.index}"

    @property
    def addresses(self) -> tuple[str, str]:
        """InternalIPs, v4 and v6."""
        return self.lan.addresses(10 + self.index)

    @property
    def pod_cidrs(self) -> tuple[str, str]:
        return f"10.64.{self.index}.0/24", f"fd00:64:0:{self.index}::/64"

    @property
    def families(self) -> tuple[int, ...]:
        """Of its pods' addresses."""
        return (4, 6)

    @property
    def domain(self) -> str:
        return self.lan.name

    @property
    def tag(self) -> str:
        """Stands for it in the names of its pods."""
        return str(self.index)

    @property
    def is_speaker(self) -> bool:
        return self.name in self.lan.speakers


def lab_lans(layout: Layout) -> tuple[Lan, Lan]:
    return Lan(0, layout.netns("switch-a")), Lan(1, layout.netns("switch-b"))


def lab_node(layout: Layout, index: int) -> LabNode:
    lan = lab_lans(layout)[index > LAST_OF_FIRST_LAN]
    return LabNode(index, layout.netns(f"node-{index}"), lan)


def _v6(text: str) -> str:
    """As others print it."""
    return str(ipaddress.ip_interface(text)) if "/" in text else str(ipaddress.ip_address(text))
