"""The routes of a plan as lines for routers: FRR's configuration, or commands of iproute2 (`generic`).

Only what an operator makes is a line; what BGP brings is a comment. An address that is not known stands in angle
brackets, with the name of its device.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Literal

from terway_edge.core.planner.plan import NetworkPlan
from terway_edge.core.planner.routes import How, PlannedRoute, title

Words = Literal["frr", "generic"]
WORDS: tuple[Words, ...] = ("frr", "generic")
LAST_DISTANCE, LAST_METRIC = 254, 2**32 - 1  # whatever BGP learns is better


def commands(plan: NetworkPlan, words: Words) -> str:
    """All devices, each with a heading, from the LANs on."""
    return "\n".join(_sections(plan, words))


def device_commands(plan: NetworkPlan, device: str, words: Words) -> list[str]:
    """The lines of one device, without comments."""
    return [_line(route, words) for route in plan.routes if route.device == device and route.how is not How.BGP]


def _sections(plan: NetworkPlan, words: Words) -> Iterator[str]:
    comment = "!" if words == "frr" else "#"
    for device in (device for level in plan.network.path for device in level):
        yield f"{comment} {title(device)}"
        routes = [route for route in plan.routes if route.device == device]
        for direction, group in groupby(routes, key=lambda route: route.direction):
            yield f"{comment} {direction}"
            for route in group:
                yield _by_bgp(route, comment) if route.how is How.BGP else _line(route, words)


def _by_bgp(route: PlannedRoute, comment: str) -> str:
    return f"{comment} parts of {route.destination}: by BGP from {route.next_hop}"


def _line(route: PlannedRoute, words: Words) -> str:
    is_ipv6 = route.destination.family == 6
    hop = str(route.address) if route.address else f"<address of {route.next_hop}>"
    if words == "frr":
        command = f"{'ipv6' if is_ipv6 else 'ip'} route {route.destination}"
        return f"{command} reject {LAST_DISTANCE}" if route.how is How.REJECT else f"{command} {hop}"
    command = f"ip {'-6 ' if is_ipv6 else ''}route replace"
    if route.how is How.REJECT:
        return f"{command} unreachable {route.destination} metric {LAST_METRIC}"
    return f"{command} {route.destination} via {hop}"
