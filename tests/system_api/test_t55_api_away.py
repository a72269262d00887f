"""T55: with the API server away pods come and go as ever, also after a restart of the agent; then no storm of lists.

`TERWAY_EDGE_FULL=1` keeps it away for ten minutes. A day of it is in tests/cluster/api/test_t55_away_for_a_day.py.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise

import pytest

from tests.system.machine import until
from tests.system_api.api_node import ApiNode, other_node

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
AWAY = 600.0 if FULL else 3.0  # seconds, at least
LONGEST = 36.0  # seconds between two attempts to reach it
APART = 5.0  # seconds between two lists of a resource


def come_and_go(node: ApiNode, live: set[str], until_when: float) -> int:
    """Each ADD and each DEL must do at once; how many there were."""
    count = 0
    while time.monotonic() < until_when or count == 0:
        pod, address = node.add()
        until(lambda address=address: node.pings(node.peer, address), "it is reached", 3.0)
        live.add(pod)
        node.delete(gone := min(live))
        live.remove(gone)
        node.forget_pod(gone)
        count += 1
    return count


def test_t55_pods_come_and_go_without_the_api_and_its_return_is_no_storm(node: ApiNode) -> None:
    node.put_nodes(3)
    node.start()
    live = {node.add()[0] for _ in range(3)}
    routes = set(node.routes())

    node.server.cut()
    left = time.monotonic()
    assert come_and_go(node, live, left + AWAY / 2) > 0
    assert node.terminate() == 0
    node.start()
    assert come_and_go(node, live, left + AWAY) > 0
    assert node.holds() == live
    assert {f"10.128.{number}.0/24" for number in range(3)} <= routes & set(node.routes())

    node.api.objects.put(other_node(3))
    node.server.mend()
    back = time.monotonic()
    until(lambda: "10.128.3.0/24" in node.routes(), "what changed meanwhile is known", LONGEST + APART)
    assert node.holds() == live
    for resource in ("nodes", "bgppeers"):
        lists = [call.at for call in node.api.log.calls(f"list {resource}")]
        assert [at for at in lists if at >= back], f"{resource} were read again"
        assert min((after - before for before, after in pairwise(lists)), default=APART) >= APART
