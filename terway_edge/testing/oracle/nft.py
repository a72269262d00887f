"""What `nft -j list table` says of our table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from terway_edge.testing.oracle.picture import Source

GUARD, LOOK = "pod_in", "pod"
"""The chain that sends what pods send to be looked at, and the one that looks at it."""


def forward_targets(text: str) -> Iterator[str]:
    """The addresses that ports of the node lead to; none if there is no table."""
    for name, elements in _elements(text, "map"):
        if "ports" in name:
            for _, target in elements:
                yield str(ip_address(target["concat"][0]))


def sources(text: str) -> Iterator[Source]:
    """What pods may send from; nothing if no rule asks for it, or all the rest passes as well."""
    rules = [item["rule"] for item in _items(text) if "rule" in item]
    last = [word for rule in rules if rule["chain"] == LOOK for word in rule["expr"]][-1:]
    if any(rule["chain"] == GUARD for rule in rules) and last == [{"drop": None}]:
        for name, elements in _elements(text, "set"):
            if name.startswith("sources"):
                for element in elements:
                    link, mac, address = element["concat"]
                    yield Source(str(ip_address(address)), link, mac)


def _elements(text: str, kind: str) -> Iterator[tuple[str, list[Any]]]:
    for item in _items(text):
        if kind in item:
            yield item[kind]["name"], item[kind].get("elem", [])


def _items(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text or "{}").get("nftables", [])
    return found
