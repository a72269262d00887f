"""The bench of pods on ENIs runs, and measures what it says; how fast they are, it says itself."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.eni_pool import CASES, Case, decision


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_decision_is_the_one_it_is_called(case: Case) -> None:
    found = {action.verb for action in decision(case, random.Random(1))()}
    assert found == {"look", *case.verbs}


@pytest.mark.root
@pytest.mark.slow
def test_both_backends_are_run_in_turns() -> None:
    words = [sys.executable, "-m", "benchmarks", "eni", "--rounds", "3", "--decisions", "2", "--json"]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout.splitlines()[-1])
    assert [goal["name"] for goal in report["goals"]] == [
        "pool decision, slowest state [ms]",
        "ADD from stock p50 / flannel_route",
    ]
    rows = {row[0]: row[1] for row in report["tables"][1]["rows"]}
    assert rows == dict.fromkeys(("flannel_route ADD", "terway ADD", "flannel_route DEL", "terway DEL"), 3)
