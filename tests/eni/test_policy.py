"""Policy and site as counts."""

from dataclasses import replace

import pytest

from terway_edge.core.cloud import EniKind, Features, Instance, Limits
from terway_edge.eni.policy import (
    Policy,
    Shape,
    Site,
    is_ours,
    is_usable,
    max_enis_of,
    own_tags,
    shape_of,
)
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.fake_cloud import ECS, ENS, FakeCloud

LARGE = Limits(6, 15, 15)
INSTANCE = Instance("i-1", "type", "zone-a", "vpc", "vsw-a")


def shape(policy: Policy, limits: Limits = LARGE, features: Features = ECS) -> Shape:
    return shape_of(policy, Site(INSTANCE, limits, features))


@pytest.mark.parametrize(
    ("policy", "enis", "expected"),
    [
        (Policy(), 6, 5),
        (Policy(eni_cap_ratio=0.5), 6, 2),
        (Policy(eni_cap_ratio=0.55), 6, 2),  # cut, not rounded
        (Policy(eni_cap_shift=-2), 6, 3),
        (Policy(eni_cap_shift=3), 6, 5),  # the instance takes no more
        (Policy(eni_cap_ratio=0.1), 6, 0),
        (Policy(max_eni=2), 6, 2),
        (Policy(max_eni=9), 6, 5),
        (Policy(), 1, 0),
    ],
)
def test_most_enis(policy: Policy, enis: int, expected: int) -> None:
    assert max_enis_of(policy, Limits(enis, 10)) == expected


def test_watermarks_are_cut_down_to_what_is_possible() -> None:
    small = Limits(2, 4)
    assert (shape(Policy(max_pool_size=50, min_pool_size=3), small).ceiling) == 4
    assert shape(Policy(max_pool_size=2, min_pool_size=3), small).floor == 2


def test_min_eni_takes_the_place_of_min_pool_size() -> None:
    assert shape(Policy(min_eni=1, min_pool_size=3, max_pool_size=40)).floor == 15
    assert shape(Policy(min_eni=2, max_pool_size=20)).floor == 20


def test_a_primary_address_that_is_not_for_pods_is_one_pod_less() -> None:
    assert shape(Policy()).per_eni == 15
    assert shape(Policy(use_primary=False)).per_eni == 14


def test_ens_has_25_pods_an_eni_and_few_addresses_a_wish() -> None:
    ens = shape(Policy(), Limits(10, 25), ENS)
    assert (ens.per_eni, ens.max_enis, ens.call) == (25, 9, 5)


def test_a_call_brings_no_more_than_an_eni_takes() -> None:
    assert shape(Policy(), Limits(6, 15)).call == 10
    assert shape(Policy(), Limits(6, 4)).call == 4


def test_dual_stack_needs_as_many_addresses_of_both_families() -> None:
    dual = Policy(families=(4, 6))
    assert shape(dual, Limits(6, 15, 15)).families == (4, 6)
    lost = shape(dual, Limits(6, 15, 10))
    assert (lost.families, lost.lost_ipv6) == ((4,), True)
    assert shape(dual, Limits(6, 15, 15), replace(ECS, has_ipv6=False)).families == (4,)


def test_prefixes_serve_sixteen_pods_each_and_spare_the_primary_address() -> None:
    found = shape(Policy(use_prefixes=True, ipv4_prefix_count=3))
    assert (found.unit, found.per_eni, found.call, found.least) == (16, 14 * 16, 160, 48)
    assert not found.uses_primary


def test_prefixes_are_not_asked_for_where_there_are_none() -> None:
    found = shape(Policy(use_prefixes=True, ipv4_prefix_count=3), Limits(10, 25), ENS)
    assert (found.unit, found.least) == (1, 0)


def test_dual_stack_by_prefixes_needs_one_ipv6_prefix_an_eni() -> None:
    found = shape(Policy(families=(4, 6), use_prefixes=True), Limits(6, 15, 1))
    assert found.families == (4, 6)


def test_only_secondary_enis_are_used_that_have_the_wanted_tags_and_no_blocked_one() -> None:
    eni = FakeCloud(FakeClock()).add_eni(tags={"team": "a", "size": "1"})
    assert is_usable(eni, Policy())
    assert is_usable(eni, Policy(tag_filter={"team": "a"}))
    assert not is_usable(eni, Policy(tag_filter={"team": "a", "size": "2"}))
    assert not is_usable(eni, Policy(tag_block_list=(("team", "a"),)))
    assert is_usable(eni, Policy(tag_block_list=(("team", "b"),)))
    for kind in EniKind:
        assert is_usable(replace(eni, kind=kind), Policy()) == (kind is EniKind.SECONDARY)


def test_what_the_pool_makes_passes_its_own_filter() -> None:
    policy = Policy(eni_tags={"creator": "somebody", "team": "b"}, tag_filter={"team": "a"})
    eni = FakeCloud(FakeClock()).add_eni(tags=own_tags(policy, "i-1"))
    assert is_usable(eni, policy)
    assert is_ours(eni, "i-1")
    assert not is_ours(eni, "i-2")
    assert not is_ours(replace(eni, tags={"creator": "terway"}), "i-1")
