"""T52: pods come and go, five a second, with GC and BGP: nothing that the agent has grows.

At full length 6,000 of them, which takes 20 minutes; `./dev torture --mode soak --minutes 170` is for 50,000.
"""

import os

import pytest

from tests.torture.running import torture

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.usefixtures("nothing_stays")]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
PODS = 6_000 if FULL else 26
LIMIT = 60 + PODS * 0.3


@pytest.mark.timeout(LIMIT + 10)
def test_t52_a_steady_stream_of_pods_leaves_nothing():
    status, told, text = torture("--mode", "soak", "--acts", str(PODS), limit=LIMIT)
    assert (status, told["ok"]) == (0, True), text
    [node] = told["nodes"]
    assert (node["acts"], node["cases"]["DEL and ADD"]["tries"]) == (PODS, PODS)
    first, last = (int(line.split()[0]) for line in node["measured"][:2])
    assert 0 < first < last == PODS
