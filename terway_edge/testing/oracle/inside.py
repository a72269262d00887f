"""Which addresses a pod has in its own namespace, from /proc there: what no host's kernel can tell."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from terway_edge.core.names import Key
from terway_edge.lab.sockets import enter
from terway_edge.testing.oracle.picture import Leases

NET = Path("/proc/thread-self/net")
LINK_LOCAL = 0x20  # IPV6_ADDR_LINKLOCAL, include/net/ipv6.h
LOCAL, LEAF = "/32 host LOCAL", "|-- "


def inside(namespaces: dict[Key, str]) -> Leases:
    """Of each attachment, whose namespace is named; nothing if that is gone."""
    return {key: _of_netns(netns) for key, netns in namespaces.items()}


def _of_netns(netns: str) -> frozenset[str]:
    with ThreadPoolExecutor(1) as executor:  # it ends in that namespace
        return executor.submit(_read, netns).result()


def _read(netns: str) -> frozenset[str]:
    with suppress(OSError):
        enter(netns)
        return frozenset([*local4((NET / "fib_trie").read_text()), *local6((NET / "if_inet6").read_text())])
    return frozenset()


def local4(text: str) -> Iterator[str]:
    """Of a fib_trie: but for loopback."""
    leaf = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith(LEAF):
            leaf = line.removeprefix(LEAF)
        elif line == LOCAL and not ip_address(leaf).is_loopback:
            yield leaf


def local6(text: str) -> Iterator[str]:
    """Of an if_inet6: address, index, prefix length, scope, flags, name; but for loopback and link-local ones."""
    for address, _, _, scope, _, name in map(str.split, text.splitlines()):
        if name != "lo" and int(scope, 16) != LINK_LOCAL:
            yield str(IPv6Address(bytes.fromhex(address)))
