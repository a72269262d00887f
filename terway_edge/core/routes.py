"""The route model: from what the cluster says to the whole desired set of routes of this node. Pure.

Same LAN and on-link: a host route to the node. Same LAN but off-link: via the gateway, and a condition. Another LAN:
via the gateway, as one aggregate where an edge CIDR is configured, else per prefix. What lies outside the edge and is
to be reached as such (cross-domain CIDRs): via the gateway. A node that is NotReady keeps its routes; only the deletion
of its object withdraws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.gateways import choose_gateways
from terway_edge.core.models import Condition, Member, Node, NodeView, Route, RouteSet, Scope

AGGREGATE = "edge-cidr"
"""`Route.origin` of an aggregate, which no single node stands for."""
CROSS_DOMAIN = "cross-domain"
"""`Route.origin` of what lies outside the edge."""


class _Surroundings(NamedTuple):
    """Prefixes reachable without a router, the gateway per family, and what may be aggregated."""

    on_link: tuple[Prefix, ...]
    gateways: Mapping[int, Address]
    edge_cidrs: tuple[Prefix, ...]


def desired_routes(
    view: NodeView,
    *,
    gateways: Sequence[Address] = (),
    edge_cidrs: Sequence[Prefix] = (),
    cross_domain_cidrs: Sequence[Prefix] = (),
) -> RouteSet:
    """Every route this node should have for other nodes' pod CIDRs and for cross-domain CIDRs.

    O(nodes log nodes); input order does not matter. `gateways` (at most one per family) win over all others.
    """
    around = _Surroundings(
        view.uplink.on_link if view.uplink else (), choose_gateways(view, gateways), tuple(edge_cidrs)
    )
    routes: dict[Prefix, Route] = {}
    conditions: list[Condition] = list(_overlaps(view))
    own = view.node.pod_cidrs if conditions else ()
    for member in sorted(view.members, key=lambda m: m.node.name):
        for prefix in member.node.pod_cidrs:
            if prefix in routes or (own and any(mine.covers(prefix) for mine in own)):
                continue  # reported by _overlaps; ours, then the first name, wins
            route = _route(prefix, member, view.selection.lan, around, conditions)
            if route is not None:
                routes.setdefault(route.prefix, route)
    for prefix in sorted(set(cross_domain_cidrs)):
        found = _cross_domain(prefix, view.node, around)
        if isinstance(found, Condition):
            conditions.append(found)
        else:
            routes.setdefault(prefix, found)  # the pods of a node, which lie there by mistake, come first
    return RouteSet(tuple(routes[prefix] for prefix in sorted(routes)), tuple(conditions), view.in_sync)


def _route(
    prefix: Prefix, member: Member, own_lan: str, around: _Surroundings, conditions: list[Condition]
) -> Route | None:
    name, family = member.node.name, prefix.family
    gateway = around.gateways.get(family)
    if member.lan != own_lan:
        if gateway is None:
            conditions.append(_no_gateway(prefix, name, f"node is in LAN {member.lan!r}"))
            return None
        edge = around.edge_cidrs
        aggregate = next((cidr for cidr in edge if cidr.covers(prefix)), None) if edge else None
        if aggregate is not None:
            return Route(aggregate, gateway, AGGREGATE, Scope.GATEWAY)
        return Route(prefix, gateway, name, Scope.GATEWAY)
    address = member.node.address(family)
    if address is None:
        conditions.append(
            Condition(
                "NoInternalIP",
                name,
                f"pods of {prefix} are unreachable: the node has no IPv{family} InternalIP; "
                f"give its kubelet one (--node-ip)",
            )
        )
        return None
    if any(on_link.contains(address) for on_link in around.on_link):
        return Route(prefix, address, name, Scope.LAN)
    if gateway is None:
        conditions.append(_no_gateway(prefix, name, f"its address {address} is not on this node's link"))
        return None
    conditions.append(
        Condition(
            "OffLink",
            name,
            f"{address} is in LAN {own_lan!r} but not on this node's link: {prefix} goes via gateway {gateway}; "
            f"give nodes of different links different node pools",
        )
    )
    return Route(prefix, gateway, name, Scope.GATEWAY)


def _cross_domain(prefix: Prefix, own: Node, around: _Surroundings) -> Route | Condition:
    gateway = around.gateways.get(prefix.family)
    if gateway is None:
        return Condition(
            "NoGateway",
            own.name,
            f"{prefix} of routes.cross_domain_cidrs is unreachable: this node knows no IPv{prefix.family} gateway; "
            f"set routes.gateway, the gateway of a BGPPeer or a default route",
        )
    if mine := next((other for other in (*around.on_link, *own.pod_cidrs) if other.covers(prefix)), None):
        return Condition(
            "CrossDomainInside",
            own.name,
            f"{prefix} of routes.cross_domain_cidrs gets no route: it lies in {mine}, with this node's LAN or pods; "
            f"remove it",
        )
    return Route(prefix, gateway, CROSS_DOMAIN, Scope.GATEWAY)


def _no_gateway(prefix: Prefix, node: str, why: str) -> Condition:
    return Condition(
        "NoGateway",
        node,
        f"pods of {prefix} are unreachable: {why}, and this node knows no IPv{prefix.family} gateway; "
        f"set routes.gateway, the gateway of a BGPPeer or a default route",
    )


def _overlaps(view: NodeView) -> Iterable[Condition]:
    """Pod CIDRs that two nodes claim: an allocation fault that only the cluster owner can mend."""
    nodes = [view.node, *(member.node for member in view.members)]
    prefixes = [prefix for node in nodes for prefix in node.pod_cidrs]
    sizes = {(prefix.family, prefix.length) for prefix in prefixes}
    if len({family for family, _ in sizes}) == len(sizes) and len(set(prefixes)) == len(prefixes):
        return  # as it should be: all of one size, each there once
    widest: tuple[Prefix, str] | None = None
    for prefix, name in sorted((prefix, node.name) for node in nodes for prefix in node.pod_cidrs):
        if widest is not None and widest[0].family == prefix.family and prefix.value <= widest[0].last:
            yield Condition(
                "PodCIDROverlap",
                name,
                f"pod CIDR {prefix} overlaps {widest[0]} of node {widest[1]}: pods of one of them are unreachable; "
                f"delete and re-create one of the nodes",
            )
        if widest is None or widest[0].family != prefix.family or prefix.last > widest[0].last:
            widest = (prefix, name)
