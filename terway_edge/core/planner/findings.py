"""What is to be said of a planned network."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from terway_edge.core.addresses import Prefix
from terway_edge.core.planner.network import ClusterNetwork


class Level(StrEnum):
    """A VIOLATION keeps the cluster from working, a WARNING from working well; a HINT is good to know before."""

    VIOLATION = "violation"
    WARNING = "warning"
    HINT = "hint"


class Finding(NamedTuple):
    """`where` is a path in the plan's file."""

    level: Level
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class Range(NamedTuple):
    """A CIDR and where in the plan's file it is; `name` is a vSwitch's."""

    where: str
    prefix: Prefix
    name: str = ""

    def __str__(self) -> str:
        return f"{self.prefix} of {self.where}" + (f" ({self.name})" if self.name else "")


def ranges(network: ClusterNetwork, key: str) -> list[Range]:
    """Those of one key of the file."""
    if key == "service_cidr":
        return [Range(key, network.service_cidr)]
    if key in ("node_vswitches", "pod_vswitches"):
        vswitches = getattr(network, key)
        return [Range(f"{key}[{n}]", vswitch.cidr, vswitch.id) for n, vswitch in enumerate(vswitches)]
    if key == "lans":
        return list(_of_lans(network))
    return [Range(f"{key}[{n}]", prefix) for n, prefix in enumerate(getattr(network, key))]


def _of_lans(network: ClusterNetwork) -> Iterator[Range]:
    for n, lan in enumerate(network.lans):
        for m, prefix in enumerate(lan.cidrs):
            yield Range(f"lans[{n}].cidrs[{m}]", prefix, lan.switch)
