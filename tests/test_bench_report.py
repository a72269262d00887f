"""The form every bench shares: tables, goals, JSON last, exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.report import Report


def report() -> Report:
    made = Report("sample")
    made.table("how long", ["what", "ms", "n"], [["attach", 1.23456, 1000], ["a longer name", 12345.6, 2]])
    made.goal("attach [ms]", 1.2, 2.0)
    made.goal("pairs/s", 4000.0, 5000.0, "higher")
    made.samples = 7
    return made


def test_text_is_aligned_and_marks_missed_goals() -> None:
    assert report().text() == (
        "how long\n"
        "  what               ms      n\n"
        "  -------------  ------  -----\n"
        "  attach           1.23  1,000\n"
        "  a longer name  12,346      2\n"
        "\n"
        "goals\n"
        "  goal         measured  wanted\n"
        "  -----------  --------  --------  ------\n"
        "  attach [ms]       1.2  <= 2      met\n"
        "  pairs/s         4,000  >= 5,000  MISSED"
    )


def test_json_has_all_of_it_on_one_line() -> None:
    text = report().json()
    assert "\n" not in text
    assert json.loads(text) == {
        "bench": "sample",
        "goals": [
            {"name": "attach [ms]", "value": 1.2, "goal": 2.0, "better": "lower", "met": True},
            {"name": "pairs/s", "value": 4000.0, "goal": 5000.0, "better": "higher", "met": False},
        ],
        "tables": [
            {
                "title": "how long",
                "columns": ["what", "ms", "n"],
                "rows": [["attach", 1.23456, 1000], ["a longer name", 12345.6, 2]],
            }
        ],
        "samples": 7,
    }


@pytest.mark.parametrize(
    ("value", "better", "met"),
    [
        (5.0, "lower", True), (5.0, "higher", True), (4.9, "lower", True), (4.9, "higher", False),
        (5.1, "lower", False), (5.1, "higher", True), (float("nan"), "lower", False), (float("nan"), "higher", False),
    ],
)  # fmt: skip
def test_goal_is_met_on_its_better_side(value: float, better: str, met: bool) -> None:
    made = Report("sample")
    made.goal("g", value, 5.0, better)
    assert made.met is met


def test_mistakes_of_a_bench_are_named() -> None:
    made = Report("sample")
    with pytest.raises(ValueError, match=r"row .* has 1 cells for 2 columns"):
        made.table("t", ["a", "b"], [["only one"]])
    with pytest.raises(ValueError, match="'lower' or 'higher'"):
        made.goal("g", 1.0, 2.0, "faster")


def test_progress_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Report("sample").progress("working")
    assert capsys.readouterr() == ("", "sample: working\n")


def test_unknown_bench_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"])
    assert caught.value.code == 2
    assert "invalid choice: 'nonsense'" in capsys.readouterr().err


@pytest.mark.slow
def test_ipam_bench_runs_and_ends_with_its_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "ipam", "--json", "--rounds", "2", "--pools", "10.0.0.0/24", "fd00::/120"],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["bench"] == "ipam"
    assert len(result["goals"]) == 3
    assert result["samples"] == 2 * 1000 * (3 + 3 + 1)
    assert "decision alone" in done.stdout
