"""The torture as a user runs it: real agents, real shim, on every kind of node; and that it finds what is broken."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.torture.running import left_over, torture

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.usefixtures("nothing_stays")]

ACTS = {"edge": 12, "cloud": 6, "ens": 6}
SABOTAGED = """
import sys
from terway_edge.torture import node
from terway_edge.cli.main import main

node.COOLDOWN = 1000.0  # which the agent does not keep
sys.exit(main())
"""
IN_HASTE = """
import sys
from terway_edge.torture import script
from terway_edge.cli.main import main

script.WARM_UP, script.CLOSING_ACTS = 2, 3
sys.exit(main())
"""


@pytest.mark.parametrize("kind", ACTS)
def test_a_short_run_breaks_nothing(kind):
    status, told, text = torture("--node", kind, "--acts", str(ACTS[kind]), "--seed", "1")
    assert (status, told["ok"]) == (0, True), text
    [node] = told["nodes"]
    assert (node["node"], node["seed"], node["acts"]) == (kind, 1, ACTS[kind])
    assert sum(case["tries"] for case in node["cases"].values()) == ACTS[kind] + 1


def test_a_cool_down_that_is_not_kept_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # for the evidence
    status, told, text = torture("--node", "edge", "--acts", "60", "--seed", "3", code=("-c", SABOTAGED))
    assert (status, told["ok"]) == (1, False), text
    assert any(trouble.startswith("I7 ") for trouble in told["nodes"][0]["troubles"]), text
    assert "again: terway-edge torture --node edge --seed 3 --acts" in text
    assert {path.name for path in Path(told["nodes"][0]["evidence"]).iterdir()} >= {"agent.log"}


def test_a_run_by_the_clock_looks_for_leaks_however_short_it_is():
    status, told, text = torture("--node", "edge", "--minutes", "0.1", "--seed", "2", code=("-c", IN_HASTE))
    assert (status, told["ok"]) == (0, True), text
    [node] = told["nodes"]
    assert node["cases"]["measure"]["tries"] == 2
    assert "descriptors" in node["measured"][0]


def test_a_torture_that_is_killed_leaves_nothing():
    command = [sys.executable, "-m", "terway_edge.cli.main", "torture", "--node", "edge", "--verbose"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        while " DEL" not in running.stderr.readline():
            assert running.poll() is None
        running.kill()
    deadline = time.monotonic() + 20
    while left_over():
        assert time.monotonic() < deadline, left_over()
        time.sleep(0.05)


@pytest.mark.full  # ten minutes
@pytest.mark.timeout(900)
def test_a_soak_breaks_nothing():
    status, told, text = torture("--minutes", "10", limit=800)
    assert (status, told["ok"]) == (0, True), text
