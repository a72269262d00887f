"""How much is idle: floors, ceilings, warming up, trimming and reclaiming."""

from itertools import pairwise

import pytest

from terway_edge.core.cloud import Limits
from terway_edge.eni.policy import EniSelection, Policy
from tests.eni.rig import COOLDOWN, Rig, names


def grown(policy: Policy, pods: int, **kinds: object) -> Rig:
    """A node that had so many pods; all are gone, and their addresses have rested."""
    rig = Rig(policy, **kinds)  # type: ignore[arg-type]
    rig.want(*names(pods))
    rig.run(30)
    assert rig.served == pods
    rig.release(*names(pods))
    rig.run(COOLDOWN - 1)
    return rig


def test_min_pool_size_is_idle_without_any_pod() -> None:
    rig = Rig(Policy(min_pool_size=3, max_pool_size=3))
    rig.settle()
    assert rig.idle() == 3


def test_min_pool_size_is_filled_up_again_as_pods_take_from_it() -> None:
    rig = Rig(Policy(min_pool_size=3, max_pool_size=3))
    rig.settle()
    rig.want("a", "b")
    assert rig.served == 2
    rig.settle()
    assert rig.idle() == 3


def test_min_eni_is_so_many_enis_worth_of_idle_addresses() -> None:
    rig = Rig(Policy(min_eni=2, max_pool_size=40))
    rig.settle()
    assert (rig.idle(), len(rig.secondary())) == (30, 2)


def test_enis_below_min_eni_are_never_removed() -> None:
    rig = grown(Policy(min_eni=1, max_pool_size=0), 20)
    rig.run(600)
    assert len(rig.secondary()) == 1


@pytest.mark.parametrize(
    ("policy", "enis"),
    [(Policy(max_eni=1), 1), (Policy(eni_cap_ratio=0.5), 2), (Policy(eni_cap_shift=-2), 3), (Policy(), 5)],
)
def test_no_more_enis_than_allowed(policy: Policy, enis: int) -> None:
    rig = Rig(policy)
    rig.want(*names(100))
    rig.run(60)
    assert (len(rig.secondary()), rig.served) == (enis, enis * 15)
    assert rig.keeper.standing.capacity == enis * 15


def test_enis_of_others_count_against_the_quota_of_the_instance() -> None:
    rig = Rig(Policy(tag_block_list=(("owner", "other"),)))
    for _ in range(3):
        rig.cloud.add_eni(tags={"owner": "other"})
    rig.want(*names(100))
    rig.run(60)
    assert rig.served == 2 * 15
    assert rig.cloud.made("create_eni") == 2
    assert rig.keeper.standing.capacity == 30


def test_what_is_above_max_pool_size_for_a_while_goes_back() -> None:
    rig = grown(Policy(max_pool_size=4, trim_after=120), 12)
    assert rig.idle() >= 12
    before = rig.cloud.made("unassign", "detach")
    rig.run(85)  # 114 s after the pods went
    assert rig.cloud.made("unassign", "detach") == before
    rig.run(40)
    assert rig.idle() == 4


def test_what_is_above_for_a_moment_stays() -> None:
    rig = grown(Policy(max_pool_size=4, trim_after=120), 12)
    for _ in range(5):
        rig.run(60)
        rig.want(*names(12))
        rig.run(1)
        rig.release(*names(12))
    assert rig.cloud.made("unassign", "detach", "assign") == rig.cloud.made("assign") <= 1


def test_nothing_that_rests_goes_back() -> None:
    """The cloud may give it to another node's pod, which must not get what was meant for the old one."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(10))
    rig.run(30)
    rig.release(*names(10))
    rig.run(COOLDOWN - 0.5)
    assert rig.cloud.made("unassign", "detach") == 0
    rig.run(60)
    assert rig.secondary() == []


def test_an_eni_without_pods_goes_as_a_whole() -> None:
    rig = grown(Policy(max_pool_size=5, trim_after=0), 20)
    assert len(rig.secondary()) == 2
    rig.run(60)
    assert len(rig.secondary()) == 1
    assert rig.loose() == []
    assert rig.idle() == 5


def test_an_eni_with_pods_gives_addresses_but_never_its_primary_one() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(10))
    rig.run(30)
    eni = rig.cloud.enis()[rig.secondary()[0]]
    keeper = next(name for name in names(10) if rig.address(name) != eni.primary)
    rig.release(*(name for name in names(10) if name != keeper))
    rig.run(120)
    assert set(rig.cloud.enis()[eni.id].addresses) == {eni.primary, rig.address(keeper)}


def test_warm_up_is_done_once_and_may_exceed_max_pool_size() -> None:
    rig = Rig(Policy(warm_up_size=20, max_pool_size=4))
    rig.run(20)
    assert rig.idle() >= 20
    rig.run(300)
    assert rig.idle() == 4
    rig.start()
    rig.run(300)
    assert rig.idle() == 4
    assert rig.cloud.made("create_eni") == 2


def test_warm_up_counts_pods_that_came_meanwhile() -> None:
    rig = Rig(Policy(warm_up_size=12, max_pool_size=0))
    rig.want(*names(12))
    rig.run(30)
    assert rig.cloud.made("create_eni", "assign") == 2
    assert rig.served == 12


def test_warm_up_ends_where_no_more_can_be_had() -> None:
    rig = Rig(Policy(warm_up_size=500, max_pool_size=2), limits=Limits(2, 4))
    rig.run(20)
    assert rig.idle() == 4
    rig.run(300)
    assert rig.idle() == 2


def test_reclaim_waits_and_takes_a_batch_at_a_time_down_to_the_floor() -> None:
    policy = Policy(
        max_pool_size=15, min_pool_size=2, reclaim_after=300, reclaim_interval=100, reclaim_batch=4, reclaim_jitter=0
    )
    rig = grown(policy, 13)
    assert rig.idle() == 15
    rig.run(265)  # 294 s after the pods went
    assert rig.idle() == 15
    levels = []
    for _ in range(5):
        rig.run(100)
        levels.append(rig.idle())
    assert levels == [11, 7, 3, 2, 2]


def test_reclaim_begins_anew_after_a_change() -> None:
    policy = Policy(max_pool_size=15, reclaim_after=300, reclaim_interval=10, reclaim_jitter=0)
    rig = grown(policy, 14)
    rig.run(200)
    rig.want("late")
    rig.run(299)
    assert rig.idle() == 14
    rig.run(5)
    assert rig.idle() == 9


def test_reclaim_varies_its_interval() -> None:
    rig = grown(
        Policy(max_pool_size=30, reclaim_after=60, reclaim_interval=100, reclaim_batch=1, reclaim_jitter=0.5), 29
    )
    at, level = [], rig.idle()
    for _ in range(1000):
        rig.run(1)
        if rig.idle() < level:
            at.append(rig.clock.now())
            level = rig.idle()
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert len(gaps) >= 6
    assert all(49 <= gap <= 151 for gap in gaps)
    assert max(gaps) - min(gaps) > 10


def test_a_lot_of_surplus_goes_from_the_enis_that_pods_go_to_last() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0, eni_selection=EniSelection.MOST_IPS))
    rig.want(*names(30))
    rig.run(30)
    first, second = rig.secondary()
    on_first = [name for name in names(30) if (lease := rig.lease(name)) and lease.pools[0].startswith(first)]
    rig.release(*on_first[:3], *(name for name in names(30) if name not in on_first))
    rig.run(60)
    assert rig.secondary() == [first]
    assert second not in rig.cloud.enis()
