"""Communities as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.communities import WELL_KNOWN, parse_community

half, whole = st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)


@given(half, half)
def test_a_community_is_a_number_of_two_halves(high: int, low: int) -> None:
    assert parse_community(f"{high}:{low}") == high * 65536 + low


@given(whole, whole, whole)
def test_a_large_community_is_three_numbers(administrator: int, first: int, second: int) -> None:
    assert parse_community(f"{administrator}:{first}:{second}") == (administrator, first, second)


def test_well_known_names() -> None:
    numbers = {"graceful-shutdown": "65535:0", "no-export": "65535:65281", "no-advertise": "65535:65282"}
    assert {name: parse_community(text) for name, text in numbers.items()} == WELL_KNOWN
    assert all(parse_community(name) == number for name, number in WELL_KNOWN.items())


@pytest.mark.parametrize("text", ["", "1", "1:2:3:4", "a:1", "1:-2", "1: 2", "1:", ":", "1:٣", "NO-EXPORT", "internet"])
def test_what_is_no_community_gets_examples(text: str) -> None:
    with pytest.raises(ValueError, match="expected a community such as 65010:100, 65010:1:2 or graceful-shutdown, no-"):
        parse_community(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("65536:1", "expected 2 numbers of at most 65535"),
        ("1:65536", "expected 2 numbers of at most 65535"),
        ("4294967296:1:2", "expected 3 numbers of at most 4294967295"),
        (f"1:{'9' * 5000}", "expected 2 numbers of at most 65535"),
    ],
)
def test_numbers_are_bounded(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_community(text)
