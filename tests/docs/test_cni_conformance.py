"""The page of CNI conformance has every requirement once, in order, and names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/reference/cni-conformance.md").read_text().splitlines()
    if re.match(r"\| [A-Z]\d\d \|", line)
]
GROUPS = {
    "S": [*range(1, 27), *range(31, 36), *range(41, 45), 51, *range(61, 67)],
    "V": range(1, 11),
    "K": range(1, 7),
    "P": range(1, 7),
    "E": range(1, 3),
    "A": range(1, 5),
    "R": range(1, 15),
    "O": range(1, 8),
    "Q": range(1, 5),
    "C": range(1, 6),
}
NAMED = re.compile(r"`([a-z]+/\w+\.py)::(\w+)`")


def test_every_requirement_has_a_row_and_none_has_two():
    ids = [f"{group}{number:02}" for group, numbers in GROUPS.items() for number in numbers]
    assert [row[0] for row in ROWS] == ids


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_row_says_what_and_by_what(row):
    _, asked, shown = row
    assert asked
    tests = NAMED.findall(shown)
    assert shown.count("::") == len(tests), "what looks like a test is one"
    assert tests or len(shown) > 20, "a test, or a reason"
    for file, function in tests:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert re.search(rf"^def {function}\(", path.read_text(), re.M), f"{file}::{function}"
