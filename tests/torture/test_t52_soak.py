"""T52: pods come and go, with GC and BGP: nothing that the agent has grows.

At full length 6,000 of them, five a second, which takes 20 minutes; `./dev torture --mode soak --acts 50000 --rate 30`
is for 50,000.
"""

import os

import pytest

from tests.torture.running import torture

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.usefixtures("nothing_stays")]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
PODS = 6_000 if FULL else 40
RATE = 5 if FULL else 20
LIMIT = 60 + PODS * 0.3


@pytest.mark.timeout(LIMIT + 10)
def test_t52_a_steady_stream_of_pods_leaves_nothing():
    status, told, text = torture("--mode", "soak", "--acts", str(PODS), "--rate", str(RATE), limit=LIMIT)
    assert (status, told["ok"]) == (0, True), text
    assert f"torture: edge node, soak, {RATE} pods a second" in text
    [node] = told["nodes"]
    assert (node["acts"], node["cases"]["DEL and ADD"]["tries"]) == (PODS, PODS)
    first, last = (int(line.split()[0]) for line in node["measured"][:2])
    assert 0 < first < last == PODS
    assert node["measured"][2].endswith("KiB a thousand pods")
    reached = float(node["measured"][3].split()[0])
    assert RATE / 3 < reached < 1.5 * RATE
    assert node["replay"] == f"terway-edge torture --mode soak --rate {RATE} --acts {PODS}"
