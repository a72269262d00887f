"""Attributes of a path as the switch shows them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from terway_edge.lab.errors import LabError
from terway_edge.lab.frr import Frr
from terway_edge.lab.routers import Router
from tests.interop.waiting import until


class PathView(NamedTuple):
    """The best path of a prefix; communities as "65010:7", large ones as "65010:1:2"."""

    as_path: tuple[int, ...]
    local_pref: int | None
    med: int | None
    communities: frozenset[str]
    large_communities: frozenset[str]


def best_path(router: Router, prefix: str) -> PathView:
    version = 6 if ":" in prefix else 4
    until(lambda: prefix in router.routes(version), f"{router.name} knows {prefix}")
    return _frr_path(router, prefix, version) if isinstance(router, Frr) else _bird_path(router, prefix)


def is_known(router: Router, prefix: str) -> bool:
    """True if there is a path to the prefix: a short question, for tables that are long."""
    version = 6 if ":" in prefix else 4
    if isinstance(router, Frr):
        return bool(router.json(f"show bgp ipv{version} unicast {prefix} json").get("paths"))
    try:
        return prefix in router.vty(f"show route {prefix}")
    except LabError:
        return False


def neighbour(router: Frr, peer: str) -> dict[str, Any]:
    """All that FRR tells of a neighbour."""
    found: dict[str, Any] = router.json(f"show bgp neighbors {peer} json")[peer]
    return found


def updates_received(router: Router, peer: str) -> int:
    """UPDATEs in FRR, routes in BIRD: a number that grows with every announcement."""
    if isinstance(router, Frr):
        return int(neighbour(router, peer)["messageStats"]["updatesRecv"])
    return sum(
        int(line.split()[2]) for line in router.vty("show protocols all").splitlines() if "Import updates:" in line
    )


def hold_time(router: Router, peer: str) -> int:
    """As the session has it."""
    if isinstance(router, Frr):
        return int(neighbour(router, peer)["bgpTimerHoldTimeMsecs"]) // 1000
    found = re.search(r"Hold timer: +[\d.]+/(\d+)", router.vty("show protocols all"))
    return int(found[1]) if found else 0


def _frr_path(router: Frr, prefix: str, version: int) -> PathView:
    paths = router.json(f"show bgp ipv{version} unicast {prefix} json")["paths"]
    path = next((path for path in paths if path.get("bestpath", {}).get("overall")), paths[0])
    segments = path["aspath"]["segments"]
    return PathView(
        tuple(asn for segment in segments for asn in segment["list"]),
        path.get("locPrf"),
        path.get("metric"),
        frozenset(path.get("community", {}).get("string", "").split()),
        frozenset(path.get("largeCommunity", {}).get("string", "").split()),
    )


def _bird_path(router: Router, prefix: str) -> PathView:
    shown = router.vty(f"show route for {prefix} all").partition("\tvia ")[2]
    found = dict(re.findall(r"BGP\.(\w+): *(.*)", shown))
    large = re.findall(r"\((\d+), (\d+), (\d+)\)", found.get("large_community", ""))
    return PathView(
        tuple(map(int, found["as_path"].split())),
        int(found["local_pref"]),
        int(found["med"]) if "med" in found else None,
        frozenset(f"{high}:{low}" for high, low in re.findall(r"\((\d+),(\d+)\)", found.get("community", ""))),
        frozenset(":".join(parts) for parts in large),
    )
