"""Tables for terminals."""

from __future__ import annotations

import pytest

from terway_edge.core.tables import table


def test_columns_are_as_wide_as_their_widest_cell_and_empty_ones_show() -> None:
    assert table(["name", "address"], [["a", ""], ["longest", 7]]) == "NAME     ADDRESS\na        -\nlongest  7"


def test_without_rows_the_headings_stay() -> None:
    assert table(["name", "x"], []) == "NAME  X"


def test_a_row_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table(["name", "x"], [["a", 1], ["a", 1, 2]])
