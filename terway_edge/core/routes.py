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
    """The LAN this node is in, prefixes reachable without a router, the gateway per family, what may be aggregated."""

    lan: str
    on_link: tuple[Prefix, ...]
    gateways: Mapping[int, Address]
    edge_cidrs: tuple[Prefix, ...]


class _Found(NamedTuple):
    """The way to one pod CIDR, and what is to be told of it."""

    prefix: Prefix
    route: Route | None
    condition: Condition | None = None


class RouteMemory:
    """The ways that were found to each member, kept while this node's surroundings are the same: of thousands of
    members one changes at a time, and routes that stay are the same objects."""

    def __init__(self) -> None:
        self._around: _Surroundings | None = None
        self._known: dict[str, tuple[Member, list[_Found]]] = {}

    def ways(self, members: Iterable[Member], around: _Surroundings) -> list[list[_Found]]:
        """By the members' names."""
        before = self._known if around == self._around else {}
        known: dict[str, tuple[Member, list[_Found]]] = {}
        for member in sorted(members, key=lambda m: m.node.name):
            name = member.node.name
            found = before.get(name)
            if found is None or found[0] is not member:
                found = member, [_way(prefix, member, around) for prefix in member.node.pod_cidrs]
            known[name] = found
        self._around, self._known = around, known
        return [ways for _, ways in known.values()]


def desired_routes(
    view: NodeView,
    *,
    gateways: Sequence[Address] = (),
    edge_cidrs: Sequence[Prefix] = (),
    cross_domain_cidrs: Sequence[Prefix] = (),
    memory: RouteMemory | None = None,
) -> RouteSet:
    """Every route this node should have for other nodes' pod CIDRs and for cross-domain CIDRs.

    O(nodes log nodes); input order does not matter. `gateways` (at most one per family) win over all others. `memory`
    knows what earlier calls found out, which makes this one faster and changes nothing else.
    """
    on_link = view.uplink.on_link if view.uplink else ()
    around = _Surroundings(view.selection.lan, on_link, choose_gateways(view, gateways), tuple(edge_cidrs))
    routes: dict[Prefix, Route] = {}
    conditions: list[Condition] = list(_overlaps(view))
    own = view.node.pod_cidrs if conditions else ()
    for ways in (memory or RouteMemory()).ways(view.members, around):
        for prefix, route, condition in ways:
            if prefix in routes or (own and any(mine.covers(prefix) for mine in own)):
                continue  # reported by _overlaps; ours, then the first name, wins
            if condition is not None:
                conditions.append(condition)
            if route is not None:
                routes.setdefault(route.prefix, route)
    for prefix in sorted(set(cross_domain_cidrs)):
        found = _cross_domain(prefix, view.node, around)
        if isinstance(found, Condition):
            conditions.append(found)
        else:
            routes.setdefault(prefix, found)  # the pods of a node, which lie there by mistake, come first
    return RouteSet(tuple(routes[prefix] for prefix in sorted(routes)), tuple(conditions), view.in_sync)


def _way(prefix: Prefix, member: Member, around: _Surroundings) -> _Found:
    name, family = member.node.name, prefix.family
    gateway = around.gateways.get(family)
    if member.lan != around.lan:
        if gateway is None:
            return _Found(prefix, None, _no_gateway(prefix, name, f"node is in LAN {member.lan!r}"))
        aggregate = next((cidr for cidr in around.edge_cidrs if cidr.covers(prefix)), None)
        if aggregate is not None:
            return _Found(prefix, Route(aggregate, gateway, AGGREGATE, Scope.GATEWAY))
        return _Found(prefix, Route(prefix, gateway, name, Scope.GATEWAY))
    address = member.node.address(family)
    if address is None:
        return _Found(prefix, None, _no_address(prefix, name))
    if any(on_link.contains(address) for on_link in around.on_link):
        return _Found(prefix, Route(prefix, address, name, Scope.LAN))
    if gateway is None:
        return _Found(prefix, None, _no_gateway(prefix, name, f"its address {address} is not on this node's link"))
    condition = Condition(
        "OffLink",
        name,
        f"{address} is in LAN {around.lan!r} but not on this node's link: {prefix} goes via gateway {gateway}; "
        f"give nodes of different links different node pools",
    )
    return _Found(prefix, Route(prefix, gateway, name, Scope.GATEWAY), condition)


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


def _no_address(prefix: Prefix, node: str) -> Condition:
    return Condition(
        "NoInternalIP",
        node,
        f"pods of {prefix} are unreachable: the node has no IPv{prefix.family} InternalIP; give its kubelet one "
        f"(--node-ip)",
    )


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
