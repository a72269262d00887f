"""Pings added up by the domains of their ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.lab.domains import Pair, pairs
from terway_edge.lab.pings import Answer, End, Ping

DOMAINS = ("lan-a", "cloud", "ens")


def end(domain: str, number: int = 0) -> End:
    return End(f"{domain}-{number}", "", ("v4", "v6"), domain)


def answer(source: str, target: str, sent: int, lost: int, milliseconds: float, family: int = 4) -> Answer:
    return Answer(Ping(end(source), end(target, 1), family), sent, lost, milliseconds)


def test_sums_and_the_mean_of_what_was_answered() -> None:
    found = pairs(
        [
            answer("cloud", "ens", 2, 0, 0.25, family=6),
            answer("cloud", "ens", 2, 0, 1.0),
            answer("cloud", "ens", 2, 1, 2.0),
            answer("cloud", "ens", 2, 2, 0.0),
            answer("ens", "cloud", 2, 2, 0.0),
        ]
    )
    assert found == [
        Pair("cloud", "ens", 4, 6, 3, 1.5),
        Pair("ens", "cloud", 4, 2, 2, 0.0),
        Pair("cloud", "ens", 6, 2, 0, 0.25),
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(DOMAINS),
            st.sampled_from(DOMAINS),
            st.integers(1, 5),
            st.integers(0, 5),
            st.sampled_from([4, 6]),
        ),
        max_size=30,
    )
)
def test_nothing_is_counted_twice_or_forgotten(drawn: list[tuple[str, str, int, int, int]]) -> None:
    answers = [answer(s, t, max(sent, lost), lost, 1.0, family) for s, t, sent, lost, family in drawn]
    found = pairs(answers)
    assert sum(pair.sent for pair in found) == sum(each.sent for each in answers)
    assert sum(pair.lost for pair in found) == sum(each.lost for each in answers)
    assert len({pair[:3] for pair in found}) == len(found)
