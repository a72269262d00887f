"""What a peer announces is counted, and costs no more memory than its limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.backends.bgp.messages import Update
from terway_edge.backends.bgp.received import ReceivedRoutes
from terway_edge.core.addresses import Prefix

PREFIXES = [Prefix(4, (10 << 24) + (number << 8), 24) for number in range(12)]
SETS = st.lists(st.sampled_from(PREFIXES), unique=True).map(tuple)
UPDATES = st.lists(st.builds(Update, announced=SETS, withdrawn=SETS), max_size=10)


@given(updates=UPDATES, limit=st.integers(1, 12))
def test_the_count_is_right_until_there_are_too_many(updates: list[Update], limit: int) -> None:
    received, model, was_over = ReceivedRoutes(limit), set[Prefix](), False
    for update in updates:
        model -= set(update.withdrawn)
        model |= set(update.announced)
        was_over |= len(model) > limit
        received.apply(update)
        assert received.is_over_limit == was_over
        assert received.count <= limit
        if not was_over:
            assert received.count == len(model)
        else:
            return


def test_who_sends_too_much_stays_over_the_limit() -> None:
    received = ReceivedRoutes(2)
    received.apply(Update(announced=tuple(PREFIXES)))
    received.apply(Update(withdrawn=tuple(PREFIXES)))
    assert (received.count, received.is_over_limit) == (0, True)


def test_without_a_limit_only_numbers_are_kept() -> None:
    received = ReceivedRoutes(0)
    for _ in range(3):
        received.apply(Update(announced=tuple(PREFIXES[:4])))
    received.apply(Update(withdrawn=tuple(PREFIXES[:2])))
    assert (received.count, received.is_over_limit) == (10, False)
    received.apply(Update(withdrawn=tuple(PREFIXES)))
    assert received.count == 0
