"""The bench of the pool's decision measures decisions that come to something."""

from __future__ import annotations

import random

import pytest

from benchmarks.eni_pool import CASES, Case, decision


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_decision_is_the_one_it_is_called(case: Case) -> None:
    found = {action.verb for action in decision(case, random.Random(1))()}
    assert found == {"look", *case.verbs}
