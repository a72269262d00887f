"""A secret shows nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from terway_edge.core.secret import Secret

HUSH = Secret(b"hush")


@dataclass(frozen=True)
class Holder:
    secret: Secret


def test_no_way_to_print_it_prints_it() -> None:
    assert (str(HUSH), repr(HUSH), f"{HUSH}", f"{HUSH:>9}", f"{HUSH!r}", "%s" % HUSH) == ("***",) * 6  # noqa: UP031
    assert repr(Holder(HUSH)) == "Holder(secret=***)"
    assert "hush" not in repr([HUSH]) + repr({"key": HUSH}) + str(ValueError(HUSH))


def test_it_is_compared_by_its_value() -> None:
    assert (Secret(b"hush") == HUSH, Secret(b"other") == HUSH, len({HUSH, Secret(b"hush")})) == (True, False, 1)
