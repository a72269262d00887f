"""Go's durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.durations import LONGEST, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120s", 120), ("10m", 600), ("1h30m", 5400), ("1.5s", 1.5), (".5m", 30), ("300ms", 0.3), ("2us", 2e-6)],
)
def test_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@given(st.integers(0, 50), st.integers(0, 59), st.integers(1, 59))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "+5s", "5 s", "5S", "1h 5m", "5d", "1e3s", "٣s", "."])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 120s or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0h0m", "9999999h", "9" * 5000 + "s"])
def test_what_is_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration above zero and of at most ten years"):
        parse_duration(text)


@given(st.text(alphabet="0123456789.hmsnuµ-+ ", max_size=12))
def test_any_text_is_a_positive_number_or_refused(text: str) -> None:
    assert outcome(text) > 0


def outcome(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        return 1


def test_ten_years_are_the_longest_and_more_is_refused_in_words() -> None:
    assert parse_duration("87600h") == LONGEST
    with pytest.raises(ValueError, match=r"^expected a duration above zero and of at most ten years$"):
        parse_duration("87601h")
