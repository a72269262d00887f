"""Changes in words, for error messages."""

from __future__ import annotations

from terway_edge.core.plans import (
    MAIN,
    Change,
    FibRoute,
    Item,
    LinkAddress,
    LinkSetting,
    Neighbour,
    RouteKind,
    Rule,
    Shaping,
    Sysctl,
    Verb,
    Veth,
)

_VERBS = {Verb.ADD: "add", Verb.REPLACE: "set", Verb.REMOVE: "remove"}


def change_in_words(change: Change) -> str:
    """For example `add route 10.0.0.0/24 via 192.0.2.1 on link 7`."""
    return f"{_VERBS[change.verb]} {item_in_words(change.item)}"


def item_in_words(item: Item) -> str:
    match item:
        case Veth():
            return f"veth {item.name} (link {item.link}) with {item.peer_name} (link {item.peer_link})"
        case LinkSetting():
            return f"state of link {item.link}"
        case LinkAddress():
            return f"address {item.address}/{item.length} on link {item.link}"
        case Neighbour():
            return f"neighbour {item.address} on link {item.link}"
        case FibRoute():
            return _route(item)
        case Rule():
            return _rule(item)
        case Sysctl():
            return f"sysctl net/{item.path}"
        case Shaping():
            return f"shaping of link {item.link} to {item.rate} bytes/s"


def _route(route: FibRoute) -> str:
    kind = "unreachable route" if route.kind is RouteKind.UNREACHABLE else "route"
    via = f" via {route.via}" if route.via else ""
    link = f" on link {route.link}" if route.link else ""
    table = f" in table {route.table}" if route.table != MAIN else ""
    return f"{kind} {route.prefix}{via}{link}{table}"


def _rule(rule: Rule) -> str:
    src = f" from {rule.src}" if rule.src else ""
    dst = f" to {rule.dst}" if rule.dst else ""
    return f"rule {rule.priority}{src}{dst} for table {rule.table}"
