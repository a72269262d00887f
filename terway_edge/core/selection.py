"""Which backend serves a node, and which LAN the node is in: configured rules, then plugins, then label defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from terway_edge.core.addresses import Prefix
from terway_edge.core.models import Node, Selection
from terway_edge.core.selectors import Selector

ENS_INSTANCE = "alibabacloud.com/ens-instance-id"
EDGE_WORKER = ("alibabacloud.com/is-edge-worker", "openyurt.io/is-edge-worker")
POOL = ("alibabacloud.com/nodepool-id", "apps.openyurt.io/nodepool")
HOST_NETWORK = "nodepool.openyurt.io/hostnetwork"
IGNORE = "k8s.aliyun.com/ignore-by-terway"

Hook = Callable[[Node], Selection | None]


class PoolRule(NamedTuple):
    """An operator's choice for the nodes that `selector` picks; an empty `lan` leaves the LAN to `lan_key`."""

    selector: Selector
    backend: str
    advertisers: tuple[str, ...] = ()
    lan: str = ""


def select(
    node: Node, rules: Sequence[PoolRule] = (), hook: Hook | None = None, on_link: Sequence[Prefix] = ()
) -> Selection:
    """The first rule that matches, else the hook's answer, else the defaults by label; the LAN is always filled in.

    The hook is asked only if no rule matches. Advertisers that are not installed are the caller's concern.
    """
    selection = _by_rule(node, rules) or (hook(node) if hook else None) or _by_label(node)
    return selection if selection.lan else replace(selection, lan=lan_key(node, on_link))


def skipped(node: Node) -> bool:
    """True if networking has nothing to do with the node: it gets no backend and is nobody's next hop."""
    return node.labels.get(HOST_NETWORK) == "true" or node.labels.get(IGNORE) == "true"


def lan_key(node: Node, on_link: Sequence[Prefix] = ()) -> str:
    """The node pool's name, else `subnet:PREFIX` of the node's InternalIP, else `node:NAME`, shared with nobody.

    :param on_link: prefixes on this node's own links; an address outside all of them is a subnet of its own. The
        IPv4 address decides if there is one, so that all nodes of a LAN are judged by the same family.
    """
    pool = next((node.labels[label] for label in POOL if node.labels.get(label)), "")
    if pool:
        return pool
    address = node.address(4) or node.address(6)
    if address is None:
        return f"node:{node.name}"
    around = [prefix for prefix in on_link if prefix.contains(address)]
    return f"subnet:{max(around, key=lambda prefix: prefix.length, default=address.host)}"


def _by_rule(node: Node, rules: Sequence[PoolRule]) -> Selection | None:
    for rule in rules:
        if rule.selector.matches(node.labels):
            return Selection(rule.backend, rule.advertisers, rule.lan)
    return None


def _by_label(node: Node) -> Selection:
    if ENS_INSTANCE in node.labels:
        return Selection("ens_eni")
    if any(node.labels.get(label) == "true" for label in EDGE_WORKER):
        return Selection("flannel_route", ("flannel_route", "bgp"))
    return Selection("terway")
