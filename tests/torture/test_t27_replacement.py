"""T27: the shim's file is replaced a thousand times while a runtime executes it."""

import os

import pytest

from tests.torture.running import torture

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.usefixtures("nothing_stays")]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
TIMES = 1000 if FULL else 60


@pytest.mark.timeout(60 + TIMES)
def test_t27_no_call_fails_while_its_binary_is_replaced():
    status, told, text = torture("--mode", "replace", "--acts", str(TIMES), limit=50 + TIMES)
    assert (status, told["ok"]) == (0, True), text
    [node] = told["nodes"]
    assert (node["mode"], node["acts"]) == ("replace", TIMES)
    assert node["cases"]["ADD"]["tries"] == node["cases"]["DEL"]["tries"] > TIMES / 10
