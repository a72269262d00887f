"""T53: pods at a steady rate, as of clusterloader2's node-throughput. Start: from when it is due until it is reached.

`TERWAY_EDGE_FULL=1` makes 100 at 5/s and compares: start p99 at most 5 s, of which ADD is at most a tenth.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.system.machine import until
from tests.system_api.api_node import ApiNode

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
PODS, RATE = (100, 5) if FULL else (20, 10)
START, SHARE = 5.0, 0.1  # seconds; of them for ADD


class Started(NamedTuple):
    pod: str
    add: float
    start: float


def start(node: ApiNode, due: float) -> Started:
    """With one ADD, which must do."""
    pod = node.new_pod()
    began = time.monotonic()
    _, address = node.add(pod)
    added = time.monotonic()
    until(lambda: node.pings(node.peer, address), f"{address} is reached")
    return Started(pod, added - began, time.monotonic() - due)


def p99(values: list[float]) -> float:
    return sorted(values)[-1 - len(values) // 100]


def test_t53_all_pods_of_a_steady_stream_start(node: ApiNode) -> None:
    node.start()
    with ThreadPoolExecutor(PODS) as runtime:
        began, coming = time.monotonic(), []
        for number in range(PODS):
            due = began + number / RATE
            time.sleep(max(due - time.monotonic(), 0))  # the rate is what is tested
            coming.append(runtime.submit(start, node, due))
        started = [each.result() for each in coming]
    assert node.holds() == {each.pod for each in started}
    assert len(node.links()) == PODS
    if FULL:
        assert p99([each.start for each in started]) <= START
        assert p99([each.add for each in started]) <= START * SHARE
