"""T54: from no pods to many and back, three times, and a cluster of 730 nodes: no run is slower, and memory is bounded.

`TERWAY_EDGE_FULL=1` makes 130 pods and compares: after a first run to warm up, none takes over a quarter more than the
mean of the last three. It is the agent's time on processors, for what else the machine does is not its fault.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from statistics import mean

import pytest

from tests.system.machine import until
from tests.system_api.api_node import ApiNode

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
PODS, RUNS = (130, 4) if FULL else (12, 3)
NODES = 730
MOST = 120.0  # MiB
SLOWER = 1.25


def run(node: ApiNode, runtime: ThreadPoolExecutor) -> float:
    """Up and down again; the agent's seconds for it."""
    began = node.cpu()
    pods = [node.new_pod() for _ in range(PODS)]
    list(runtime.map(node.add, pods))
    assert node.holds() == set(pods)
    list(runtime.map(node.delete, pods))
    assert node.holds() == set()
    for pod in pods:
        node.forget_pod(pod)
    until(lambda: node.links() == [], "the links are unplugged")
    return node.cpu() - began


def test_t54_up_and_down_again_leaves_nothing_and_no_run_is_slower(node: ApiNode) -> None:
    node.start()
    before = node.routes()
    with ThreadPoolExecutor(8) as runtime:
        took = [run(node, runtime) for _ in range(RUNS)][-3:]
    assert node.routes() == before
    assert node.rss() <= MOST
    if FULL:
        assert max(took) <= SLOWER * mean(took), took


def test_t54_a_cluster_of_730_nodes_fits(node: ApiNode) -> None:
    node.put_nodes(NODES)
    node.start()
    until(lambda: len(node.routes()) > NODES, "all nodes have their route")
    node.add()
    assert node.rss() <= MOST
