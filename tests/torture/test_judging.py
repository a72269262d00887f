"""What the judge makes of an agent that is well again only because it looked for damage."""

from types import SimpleNamespace

import pytest

from terway_edge.lab.errors import LabError
from terway_edge.testing.oracle import Picture
from terway_edge.torture.judging import Judge


def judged(*, repairs, faults, by_itself=True):
    """`faults` are those of one look after the other, `repairs` the agent's counts, an error if it does not answer."""
    told, counts = iter(faults), iter(repairs)

    def count():
        found = next(counts)
        if isinstance(found, LabError):
            raise found
        return found

    node = SimpleNamespace(
        agent=SimpleNamespace(runs=lambda: True, repairs=count),
        look=lambda: Picture(live={}, leases={}),
        faults=lambda: next(told),
    )
    return Judge(node).settle(1.0, by_itself=by_itself)[1]


ONCE = [["I4 a rule"], []]


def test_what_the_agent_left_and_mended_is_its_fault():
    [told] = judged(repairs=[3, 4], faults=ONCE)
    assert told.startswith("I4 a rule; the agent mended it")


@pytest.mark.parametrize(
    ("repairs", "faults", "by_itself"),
    [
        ([3, 3], ONCE, True),  # it was only late
        ([3, 4], [[]], True),  # that was about something else
        ([3, 4], ONCE, False),  # somebody had broken it
        ([LabError("x"), 4], ONCE, True),
        ([3, LabError("x")], ONCE, True),
    ],
)
def test_what_others_broke_and_what_is_late_is_not(repairs, faults, by_itself):
    assert judged(repairs=repairs, faults=faults, by_itself=by_itself) == []
