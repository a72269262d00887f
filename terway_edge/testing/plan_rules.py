"""The rules of core/plans.py as assertions: a plan that the kernel might take but that breaks the contract fails here.

The real kernel port relies on these rules without checking them all; here a plugin author learns of a slip.
"""

from __future__ import annotations

from terway_edge.core.addresses import BITS, Prefix
from terway_edge.core.plans import (
    HOST,
    Change,
    FibRoute,
    Item,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Netns,
    Plan,
    RouteKind,
    Rule,
    Shaping,
    Sysctl,
    Verb,
    Veth,
)

LOOPBACK = 1
OnlyVerb = {Veth: Verb.ADD, LinkSetting: Verb.REPLACE, Sysctl: Verb.REPLACE, Shaping: Verb.REPLACE}


def check(plan: Plan) -> None:
    """Raises AssertionError that names the rule and the change."""
    own: set[tuple[Netns, int | str]] = set()
    for netns, changes in plan.steps:
        for change in changes:
            check_shape(change)
            if plan.atomic:
                _check_undoable(netns, change, own)
            item = change.item
            if isinstance(item, Veth):
                own |= {(netns, item.link), (netns, item.name)}
                own |= {(item.netns, item.peer_link), (item.netns, item.peer_name)}


def check_shape(change: Change) -> None:
    """One change on its own: is its verb allowed, and does the item make sense?"""
    verb, item = change
    only = OnlyVerb.get(type(item))
    assert only in (None, verb), f"{type(item).__name__} knows only {only and only.name}, not {verb.name}: {item}"
    problem = _problem(item)
    assert not problem, f"{problem}: {item}"
    if isinstance(item, FibRoute) and verb is not Verb.REMOVE and item.kind is RouteKind.UNICAST:
        assert item.via is not None or item.link, f"a unicast route needs a gateway or a link: {item}"


def _check_undoable(netns: Netns, change: Change, own: set[tuple[Netns, int | str]]) -> None:
    verb, item = change
    assert verb is not Verb.REMOVE, f"an atomic plan cannot undo a REMOVE; use atomic=False: {item}"
    if verb is Verb.REPLACE:
        assert _on_own_link(netns, item, own), (
            f"an atomic plan may REPLACE only on links that it adds itself before (or set up lo inside the pod): {item}"
        )


def _on_own_link(netns: Netns, item: Item, own: set[tuple[Netns, int | str]]) -> bool:
    match item:
        case Sysctl(path=path):
            name = path.split("/")[2] if path.count("/") >= 3 else ""
            return (netns, name) in own or (name == "lo" and netns != HOST)
        case LinkSetting(link=link):
            return (netns, link) in own or (link == LOOPBACK and netns != HOST)
        case FibRoute(link=link) | LinkAddress(link=link) | Neighbour(link=link) | Shaping(link=link):
            return (netns, link) in own
        case _:
            return False


def _problem(item: Item) -> str:
    """What makes no sense about an item, or an empty string."""
    match item:
        case Veth():
            return _veth_problem(item)
        case FibRoute():
            return _route_problem(item)
        case Neighbour(link=link, mac=mac):
            return "a neighbour needs a link and 6 bytes of MAC" if link <= 0 or len(mac) != 6 else ""
        case LinkAddress(link=link) | LinkSetting(link=link) | Shaping(link=link):
            return "a link's index is positive" if link <= 0 else ""
        case Rule():
            return _rule_problem(item)
        case Sysctl(path=path):
            return "a sysctl's path is relative to /proc/sys/net" if path.startswith("/") or ".." in path else ""


def _veth_problem(veth: Veth) -> str:
    if veth.link <= 0 or veth.peer_link <= 0:
        return "the caller chooses both link indexes"
    if any(len(mac) != 6 or mac[0] & 1 for mac in (veth.mac, veth.peer_mac)):
        return "a MAC is 6 bytes and unicast"
    return "" if veth.name and veth.peer_name else "both ends need a name"


def _route_problem(route: FibRoute) -> str:
    if _has_host_bits(route.prefix):
        return "the prefix has host bits set"
    if any(address is not None and address.family != route.prefix.family for address in (route.via, route.src)):
        return "gateway and source are of the prefix' family"
    if route.kind is RouteKind.UNREACHABLE and (route.via is not None or route.link):
        return "an unreachable route has neither gateway nor link"
    return "onlink is about a gateway" if route.onlink and route.via is None else ""


def _rule_problem(rule: Rule) -> str:
    prefixes = [prefix for prefix in (rule.src, rule.dst) if prefix is not None]
    if any(prefix.family != rule.family for prefix in prefixes):
        return "src and dst are of the rule's family"
    return "the prefix has host bits set" if any(map(_has_host_bits, prefixes)) else ""


def _has_host_bits(prefix: Prefix) -> bool:
    return bool(prefix.value & ((1 << (BITS[prefix.family] - prefix.length)) - 1))
