"""The page of scenarios names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/critiques.md").read_text()


def test_every_test_named_exists():
    named = re.findall(r"`([a-z]+/test_\w+\.py)(?:::(test_\w+))?`", PAGE)
    assert len(named) > 30
    for file, function in named:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert not function or f"def {function}(" in path.read_text(), f"{file}::{function}"


def test_every_scenario_of_speakers_has_a_row():
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.M)}
    assert rows == {*range(19, 46)}
