"""Precedence of rules, hook and label defaults; LAN keys; skipped nodes."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Node, Selection
from terway_edge.core.selection import PoolRule, lan_key, select, skipped
from terway_edge.core.selectors import Selector

ON_LINK = [Prefix.parse(text) for text in ("192.0.2.0/24", "192.0.0.0/16", "2001:db8:1::/64")]


def node(*addresses: str, **labels: str) -> Node:
    """Labels by keyword, with `__` for `/` and `_` for `-` or `.` as the table below says."""
    known = {
        "pool_id": "alibabacloud.com/nodepool-id",
        "pool": "apps.openyurt.io/nodepool",
        "ens": "alibabacloud.com/ens-instance-id",
        "edge": "alibabacloud.com/is-edge-worker",
        "yurt_edge": "openyurt.io/is-edge-worker",
        "hostnetwork": "nodepool.openyurt.io/hostnetwork",
        "ignore": "k8s.aliyun.com/ignore-by-terway",
    }
    named = {known[key]: value for key, value in labels.items()}
    return Node("edge-1", named, tuple(Address.parse(text) for text in addresses), ())


@pytest.mark.parametrize(
    ("labels", "backend", "advertisers"),
    [
        ({}, "terway", ()),
        ({"edge": "true"}, "flannel_route", ("flannel_route", "bgp")),
        ({"yurt_edge": "true"}, "flannel_route", ("flannel_route", "bgp")),
        ({"edge": "false", "yurt_edge": "false"}, "terway", ()),
        ({"edge": "true", "ens": "i-1"}, "ens_eni", ()),
        ({"ens": ""}, "ens_eni", ()),
    ],
)
def test_label_defaults(labels: dict[str, str], backend: str, advertisers: tuple[str, ...]) -> None:
    assert select(node(pool="p", **labels)) == Selection(backend, advertisers, "p")


def test_rules_come_before_the_hook_and_the_hook_before_the_labels() -> None:
    edge = node("192.0.2.7", edge="true")
    rules = [
        PoolRule(Selector.parse("no-such-label"), "never"),
        PoolRule(Selector.parse("alibabacloud.com/is-edge-worker"), "first", ("bgp",), "lan-9"),
        PoolRule(Selector.parse("all()"), "second"),
    ]
    asked: list[str] = []

    def hook(node: Node) -> Selection | None:
        asked.append(node.name)
        return Selection("from-hook")

    assert select(edge, rules, hook, ON_LINK) == Selection("first", ("bgp",), "lan-9")
    assert asked == []
    assert select(edge, rules[:1], hook, ON_LINK) == Selection("from-hook", (), "subnet:192.0.2.0/24")
    assert asked == ["edge-1"]
    assert select(edge, rules[:1], lambda node: None, ON_LINK).backend == "flannel_route"


@pytest.mark.parametrize(
    ("subject", "key"),
    [
        (node("192.0.2.7", pool_id="np1", pool="other"), "np1"),
        (node("192.0.2.7", pool_id="", pool="other"), "other"),
        (node("192.0.2.7"), "subnet:192.0.2.0/24"),
        (node("192.0.3.7"), "subnet:192.0.0.0/16"),
        (node("198.51.100.7"), "subnet:198.51.100.7/32"),
        (node("2001:db8:1::7", "192.0.2.7"), "subnet:192.0.2.0/24"),
        (node("2001:db8:1::7"), "subnet:2001:db8:1::/64"),
        (node("2001:db8:2::7"), "subnet:2001:db8:2::7/128"),
        (node(), "node:edge-1"),
    ],
)
def test_lan_key(subject: Node, key: str) -> None:
    assert lan_key(subject, ON_LINK) == key


def test_skipped_nodes() -> None:
    assert skipped(node(hostnetwork="true"))
    assert skipped(node(ignore="true"))
    assert not skipped(node(hostnetwork="false", ignore="false"))
    assert not skipped(node())


def test_the_narrowest_network_around_a_node_is_its_lan() -> None:
    around = [Prefix.parse("192.0.2.0/24"), Prefix.parse("192.0.2.0/28"), Prefix.parse("192.0.2.7/32")]
    assert lan_key(node("192.0.2.9"), around) == "subnet:192.0.2.0/28"
    assert lan_key(node("192.0.2.9"), around[::-1]) == "subnet:192.0.2.0/28"
    wide = [Prefix.parse("192.0.3.0/24"), Prefix.parse("192.0.2.0/23")]
    assert lan_key(node("192.0.3.9"), wide) == "subnet:192.0.3.0/24"
    assert lan_key(node("192.0.3.9"), wide[::-1]) == "subnet:192.0.3.0/24", "though the other begins earlier"
    low = [Prefix.parse("192.0.2.0/23"), Prefix.parse("192.0.2.0/24")]
    assert lan_key(node("192.0.2.9"), low) == "subnet:192.0.2.0/24"
