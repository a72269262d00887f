"""Pings by the domains that their ends are in. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from terway_edge.lab.pings import Answer

DATA_CENTER, CONTROL_PLANE = "data center", "control plane"


class Pair(NamedTuple):
    """All pings of a family from one domain to another; `milliseconds` is the mean round trip of those answered."""

    source: str
    target: str
    family: int
    sent: int
    lost: int
    milliseconds: float


def pairs(answers: Iterable[Answer]) -> list[Pair]:
    """IPv4 first, domains in the order in which they appear as sources."""
    found: dict[tuple[int, str, str], list[Answer]] = {}
    for answer in answers:
        ping = answer.ping
        found.setdefault((ping.family, ping.source.domain, ping.target.domain), []).append(answer)
    return [_sum(key, group) for key, group in sorted(found.items(), key=lambda item: item[0][0])]


def _sum(key: tuple[int, str, str], answers: list[Answer]) -> Pair:
    family, source, target = key
    times = [answer.milliseconds for answer in answers if answer.lost < answer.sent]
    mean = sum(times) / len(times) if times else 0.0
    return Pair(source, target, family, sum(a.sent for a in answers), sum(a.lost for a in answers), mean)
