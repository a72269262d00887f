"""The torture as a user runs it: real agents, real shim, on every kind of node; and that it finds what is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
ACTS = {"edge": 12, "cloud": 6, "ens": 6}
SABOTAGED = """
import sys
from terway_edge.torture import node
from terway_edge.cli.main import main

node.COOLDOWN = 1000.0  # which the agent does not keep
sys.exit(main())
"""


def torture(*options, code=("-m", "terway_edge.cli.main"), limit=100):
    """(exit status, what scripts get, what people get)"""
    command = [sys.executable, *code, "torture", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def left_over():
    """What a torture made and did not take away again."""
    names = {path.name for path in Path("/run/netns").glob("twtor-*")}
    mounts = {line for line in Path("/proc/self/mounts").read_text().splitlines() if "torture" in line}
    return names | mounts | {str(path) for path in Path("/run").glob("terway-edge-torture-*")}


@pytest.fixture(autouse=True)
def _nothing_stays():
    assert left_over() == set(), "a torture runs, or was killed"
    yield
    assert left_over() == set()


@pytest.mark.parametrize("kind", ACTS)
def test_a_short_run_breaks_nothing(kind):
    status, told, text = torture("--node", kind, "--acts", str(ACTS[kind]), "--seed", "1")
    assert (status, told["ok"]) == (0, True), text
    [node] = told["nodes"]
    assert (node["node"], node["seed"], node["acts"]) == (kind, 1, ACTS[kind])
    assert sum(case["tries"] for case in node["cases"].values()) == ACTS[kind] + 1


def test_a_cool_down_that_is_not_kept_is_found():
    status, told, text = torture("--node", "edge", "--acts", "60", "--seed", "3", code=("-c", SABOTAGED))
    assert (status, told["ok"]) == (1, False), text
    assert any(trouble.startswith("I7 ") for trouble in told["nodes"][0]["troubles"]), text
    assert "again: terway-edge torture --node edge --seed 3 --acts" in text


@pytest.mark.skipif(not FULL, reason="ten minutes")
@pytest.mark.timeout(900)
def test_a_soak_breaks_nothing():
    status, told, text = torture("--minutes", "10", limit=800)
    assert (status, told["ok"]) == (0, True), text
