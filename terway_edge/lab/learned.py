"""What a switch says it learned by BGP, against what the Node objects imply. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from terway_edge.lab.lans import LabNode, Lan
from terway_edge.lab.routers import RibPath


class Learned(NamedTuple):
    """One prefix at a switch; `tellers` are the peers that told it. `state` is ok, or what is wrong with it."""

    switch: str
    prefix: str
    next_hops: tuple[str, ...]
    tellers: tuple[str, ...]
    is_valid: bool
    state: str

    def __str__(self) -> str:
        way = f"{self.prefix} via {', '.join(self.next_hops)}" if self.next_hops else self.prefix
        return way if self.state == "ok" else f"{way} ({self.state})"


def expected(own: Lan, others: Iterable[Lan], nodes: Iterable[LabNode]) -> dict[str, str]:
    """Prefix -> next hop at the switch of `own`: pods behind their nodes, everything of other LANs behind the core.

    IPv4 routes to LANs are not learned but planned.
    """
    core = own.link_to_core(1)
    wanted = {lan.prefixes[1]: core[1] for lan in others}
    for node in nodes:
        wanted |= dict(zip(node.pod_cidrs, node.addresses if node.lan == own else core, strict=True))
    return wanted


def compare(switch: str, wanted: Mapping[str, str], paths: Sequence[RibPath]) -> list[Learned]:
    """In numeric order of the prefix, IPv4 first."""
    prefixes = sorted(wanted.keys() | {path.prefix for path in paths}, key=_order)
    return [
        _learned(switch, prefix, wanted.get(prefix), [path for path in paths if path.prefix == prefix])
        for prefix in prefixes
    ]


def _learned(switch: str, prefix: str, wanted: str | None, paths: Sequence[RibPath]) -> Learned:
    next_hops = tuple(sorted({path.next_hop for path in paths}))
    tellers = tuple(sorted({path.peer for path in paths}))
    is_valid = bool(paths) and all(path.valid for path in paths)
    return Learned(switch, prefix, next_hops, tellers, is_valid, _state(wanted, next_hops, paths, is_valid))


def _state(wanted: str | None, next_hops: tuple[str, ...], paths: Sequence[RibPath], is_valid: bool) -> str:
    if wanted is None:
        return "UNEXPECTED"
    if not paths:
        return "MISSING"
    if next_hops != (wanted,):
        return f"not via {wanted}"
    if not is_valid:
        return "INVALID"
    return "stale" if any(path.stale for path in paths) else "ok"


def _order(prefix: str) -> tuple[int, int, int]:
    network = ipaddress.ip_network(prefix)
    return (network.version, int(network.network_address), network.prefixlen)
