"""The fewest calls, by hand and against a search of all ways."""

from itertools import product

import pytest

from terway_edge.eni.cost import fewest_calls


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        (0, 0),
        (1, 3),  # create, attach, list
        (10, 3),
        (11, 4),  # and assign
        (15, 4),
        (16, 5),  # two ENIs with ten each
        (20, 5),
        (75, 16),  # five times create, attach and assign
        (100, 16),  # the same: the node takes no more
    ],
)
def test_on_a_node_with_quota_6_by_15(pods: int, expected: int) -> None:
    assert fewest_calls(pods, per_eni=15, batch=10, enis=5) == expected


@pytest.mark.parametrize(("per_eni", "batch"), [(4, 10), (5, 2), (7, 3), (6, 4)])
def test_no_way_is_cheaper(per_eni: int, batch: int) -> None:
    """A way is a number of pods for each of three ENIs."""

    def cost(pods: int) -> int:
        return 0 if pods == 0 else 2 + -(-max(pods - min(batch, per_eni), 0) // batch)

    for wanted in range(1, 3 * per_eni + 1):
        ways = [way for way in product(range(per_eni + 1), repeat=3) if sum(way) == wanted]
        assert fewest_calls(wanted, per_eni=per_eni, batch=batch, enis=3) == 1 + min(
            sum(map(cost, way)) for way in ways
        )
