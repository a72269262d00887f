"""When an API server that is away is told, and with which reason."""

from __future__ import annotations

from terway_edge.cluster.api.failures import Reason, Trouble
from terway_edge.cluster.api.state import Absence, told

DOWN, SILENT = (Trouble(Reason.UNREACHABLE, text) for text in ("refused", "silent"))
DENIED = Trouble(Reason.FORBIDDEN, "may not", is_lasting=True)


def test_it_is_told_after_a_while_with_one_reason_as_long_as_it_lasts() -> None:
    """Each resource has its own way to fail; a reason that changes all the time would be an event each time."""
    absence = Absence(10.0)
    assert absence.due_at is None
    assert absence.judge([DOWN], 100.0) is None
    assert absence.due_at == 110.0
    assert absence.judge([SILENT], 109.0) is None
    assert absence.judge([DENIED, SILENT, DOWN], 110.0) == SILENT
    assert absence.due_at is None
    assert absence.judge([DOWN], 200.0) == SILENT


def test_an_answer_ends_it_and_the_next_absence_begins_anew() -> None:
    absence = Absence(10.0)
    absence.judge([DOWN], 100.0)
    assert absence.judge([DENIED], 109.0) is None
    assert absence.judge([DOWN], 112.0) is None
    assert absence.judge([DOWN], 122.0) == DOWN


def test_what_two_resources_say_alike_is_told_once() -> None:
    assert [problem.reason for problem in told([DENIED, DENIED])] == [Reason.FORBIDDEN]
