"""The bench of the decision runs; how fast it is, it says itself."""

from benchmarks.eni_pool import CASES, decisions
from benchmarks.report import Report


def test_the_bench_measures_every_state() -> None:
    report = Report("eni")
    decisions(report, rounds=3)
    (table,) = report.tables
    assert [row[0] for row in table.rows] == [case.name for case in CASES]
    assert [goal.name for goal in report.goals] == ["pool decision, slowest state [ms]"]
    assert report.samples == 3 * len(CASES)
