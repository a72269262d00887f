"""T38: the reverse-path filter, off, strict or loose, of all links, of new ones and of an ENI's: pods on every ENI
reach the world and are reached."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eni_cloud.cloud_machine import CloudMachine
from tests.system.machine import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
MENDED = 10.0  # seconds: a resync, and what it takes
VALUES = (0, 1, 2)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CloudMachine]:
    made = CloudMachine(tmp_path, {"max_pool_size": 12, "min_pool_size": 0}, bound=2)
    made.settings["routes"] = {"resync_seconds": 2}
    yield made
    made.close()


def pods_on_two_enis(node: CloudMachine) -> list[tuple[str, str]]:
    """One on each."""
    pods = node.await_pods(8)
    links: dict[str, tuple[str, str]] = {}
    for pod, address in pods:
        links.setdefault(node.eni_link(address), (pod, address))
    assert len(links) == 2
    return list(links.values())


def all_reach(node: CloudMachine, pods: list[tuple[str, str]]) -> bool:
    (first, one), (second, other) = pods
    return (
        all(node.reaches(pod, address) for pod, address in pods)
        and node.pings(first, other)
        and node.pings(second, one)
        and node.pings(node.netns, one)
        and node.pings(first, "192.0.2.10")
    )


@pytest.mark.parametrize("default", VALUES if FULL else VALUES[1:2])
def test_t38_the_filter_as_the_node_had_it_before(node: CloudMachine, default: int) -> None:
    """New links get `default` (systemd sets it to 2 or 1); the larger of `all` and a link's own counts."""
    for name in ("all", "default", "lan0"):
        node.sysctl(f"ipv4/conf/{name}/rp_filter", default)
    node.start()
    assert all_reach(node, pods_on_two_enis(node))


def test_t38_the_filter_as_others_set_it_later(node: CloudMachine) -> None:
    node.start()
    pods = pods_on_two_enis(node)
    links = [node.eni_link(address) for _, address in pods]
    assert all_reach(node, pods)
    for everywhere in VALUES:
        for own in VALUES:
            node.sysctl("ipv4/conf/all/rp_filter", everywhere)
            for link in links:
                node.sysctl(f"ipv4/conf/{link}/rp_filter", own)
            until(lambda: all_reach(node, pods), f"pods reach with all={everywhere}, link={own}", MENDED)
