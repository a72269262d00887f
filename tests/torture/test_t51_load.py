"""T51: 250 pods at once come and go, a hundred times, on a /20."""

import os

import pytest

from tests.torture.running import torture

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.usefixtures("nothing_stays")]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
ROUNDS = 100 if FULL else 1
PODS, EACH_WAY = 250, 10.0


@pytest.mark.timeout(60 + 20 * ROUNDS)
def test_t51_all_pods_of_a_full_node_come_and_go_at_once():
    status, told, text = torture("--mode", "load", "--acts", str(ROUNDS), limit=50 + 20 * ROUNDS)
    assert (status, told["ok"]) == (0, True), text
    [node] = told["nodes"]
    for command in ("ADD", "DEL"):
        tally = node["cases"][command]
        assert (tally["tries"], tally["broken"]) == (PODS * ROUNDS, 0)
        assert tally["slowest"] < EACH_WAY
    assert all("p50" in line and "p99" in line for line in node["measured"])
