"""What of ours a kernel has, by one of two ways: the kernel port, of which tests have a twin, or iproute2's JSON.

The second knows nothing of the agent's own decoders.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from terway_edge.core.addresses import BITS
from terway_edge.core.names import LINK_PREFIX
from terway_edge.core.plans import MAIN, PROTO, FibRoute, Link, Neighbour, RouteKind, Rule, Where
from terway_edge.core.ports import Kernel
from terway_edge.testing.oracle.nft import forward_targets, sources
from terway_edge.testing.oracle.picture import HostRoute, PodLink, PodRule, Sight
from terway_edge.testing.oracle.picture import Neighbour as Entry

IP = (
    "ip -j -d link show",
    "ip -j -4 route show table main proto 158",
    "ip -j -6 route show table main proto 158",
    "ip -j neighbour show nud permanent",
    "ip -j -4 rule show",
    "ip -j -6 rule show",
)
"""The commands whose outputs `parse` takes."""

SYSCTLS = "/proc/sys/net/ipv4/"

Rows = list[dict[str, Any]]


def of_port(kernel: Kernel) -> Sight:
    """Raises KernelError."""
    links = {link.ifindex: link for link in kernel.dump(Link)}
    ours = {index: link.name for index, link in links.items() if link.name.startswith(LINK_PREFIX)}
    routes = kernel.dump(FibRoute, Where(table=MAIN, proto=PROTO))
    rules = kernel.dump(Rule, Where(proto=PROTO))
    return Sight(
        frozenset(PodLink(links[index].name, links[index].alias, links[index].up) for index in ours),
        frozenset(
            HostRoute(str(route.prefix.address), ours.get(route.link, str(route.link)))
            for route in routes
            if route.kind is RouteKind.UNICAST
            and route.via is None
            and route.prefix.length == BITS[route.prefix.family]
        ),
        frozenset(
            Entry(str(each.address), ours[each.link], (each.mac or b"").hex(":"))
            for each in kernel.dump(Neighbour)
            if each.link in ours
        ),
        frozenset(
            PodRule(rule.priority, rule.src is not None, str(about.address), rule.table)
            for rule in rules
            if (about := rule.src or rule.dst) is not None
        ),
    )


def parse(outputs: Iterable[str], nft: str = "", tracked: Iterable[str] = (), settings: str = "") -> Sight:
    """Read the outputs of IP, in that order, and of `nft -j list table` with our table.

    :param tracked: addresses of connections that are tracked
    :param settings: lines of sysctls, as `grep -H` prints those of /proc/sys
    """
    links, routes4, routes6, neighbours, rules4, rules6 = (json.loads(text or "[]") for text in outputs)
    return Sight(
        frozenset(
            PodLink(link["ifname"], link.get("ifalias", ""), "UP" in link["flags"])
            for link in links
            if link.get("ifname", "").startswith(LINK_PREFIX)
        ),
        frozenset(_routes([*routes4, *routes6])),
        frozenset(
            Entry(str(ip_address(each["dst"])), each["dev"], each.get("lladdr", ""))
            for each in neighbours
            if each.get("dev", "").startswith(LINK_PREFIX)
        ),
        frozenset(_rules([*rules4, *rules6])),
        frozenset(sources(nft)),
        frozenset(forward_targets(nft)),
        frozenset(tracked),
        dict(_settings(settings)),
    )


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """Below net/ipv4, without `conf/`."""
    for line in text.splitlines():
        path, _, value = line.partition(":")
        yield path.removeprefix(SYSCTLS).removeprefix("conf/"), value


def _routes(rows: Rows) -> Iterator[HostRoute]:
    for row in rows:
        if row.get("type", "unicast") == "unicast" and "gateway" not in row and row["dst"] != "default":
            network = ip_network(row["dst"])
            if network.num_addresses == 1:
                yield HostRoute(str(network.network_address), row.get("dev", ""))


def _rules(rows: Rows) -> Iterator[PodRule]:
    """Ours have the protocol of our routes; iproute2 names tables and protocols that it has names for."""
    for row in rows:
        if str(row.get("protocol", "")) == str(PROTO) and (row["src"] != "all" or "dst" in row):
            is_source = row["src"] != "all"
            table = MAIN if row["table"] == "main" else int(row["table"])
            yield PodRule(row["priority"], is_source, str(ip_address(row["src" if is_source else "dst"])), table)
