"""What the pool does when the operator changes the policy, or another backend takes over; and which ENIs it offers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.core.cloud import Limits
from terway_edge.eni.configuration import retired
from terway_edge.eni.policy import Policy
from terway_edge.testing.cloud_faults import Fault
from tests.eni.rig import Rig, names


def settled(policy: Policy, **kinds: object) -> Rig:
    rig = Rig(policy, **kinds)  # type: ignore[arg-type]
    rig.settle()
    return rig


def follow(rig: Rig, **changes: object) -> None:
    rig.policy = replace(rig.policy, **changes)  # type: ignore[arg-type]
    rig.keeper.follow(lambda zone: rig.policy if zone == "zone-a" else Policy())


# --- changes of the policy --------------------------------------------------------------------------------------------


def test_watermarks_are_followed_up_and_down() -> None:
    rig = settled(Policy(min_pool_size=2, max_pool_size=2, trim_after=60.0))
    assert rig.idle() == 2
    follow(rig, min_pool_size=12, max_pool_size=12)
    rig.run(30)
    assert rig.idle() == 12
    follow(rig, min_pool_size=1, max_pool_size=3)
    rig.run(300)
    assert rig.idle() == 3


def test_an_equal_policy_changes_nothing() -> None:
    rig = settled(Policy(min_pool_size=2, max_pool_size=2))
    rig.run(20)
    before = rig.cloud.made()
    follow(rig)
    rig.run(5)
    assert rig.cloud.made() == before


def test_new_enis_are_made_as_the_policy_says_now() -> None:
    cidrs = {"vsw-a": "10.0.0.0/24", "vsw-b": "10.0.1.0/24"}
    rig = settled(Policy(min_pool_size=1, max_pool_size=1), vswitches=cidrs, limits=Limits(4, 5))
    first = rig.secondary()
    follow(
        rig,
        min_pool_size=8,
        max_pool_size=8,
        vswitches=("vsw-b",),
        security_groups=("sg-z",),
        eni_tags={"team": "b"},
        resource_group="rg-b",
    )
    rig.run(60)
    (made,) = [rig.cloud.enis()[eni] for eni in rig.secondary() if eni not in first]
    assert (made.vswitch, made.security_groups, made.tags["team"]) == ("vsw-b", ("sg-z",), "b")
    assert rig.cloud.enis()[first[0]].security_groups == ("sg-a",)


def test_what_had_to_be_mended_is_tried_again_at_once() -> None:
    rig = settled(Policy(max_pool_size=0))
    rig.cloud.faults["create_eni"] = [Fault.DENIED]
    rig.want("pod")
    rig.run(5)
    assert rig.served == 0
    follow(rig, security_groups=("sg-right",))
    rig.run(10)
    assert rig.served == 1


def test_fewer_enis_are_made_and_none_is_taken_from_pods() -> None:
    rig = settled(Policy(max_pool_size=0), limits=Limits(4, 2))
    rig.want(*names(4))
    rig.run(60)
    follow(rig, max_eni=1)
    rig.want("one-more")
    rig.run(60)
    assert (len(rig.secondary()), rig.served) == (2, 4)
    follow(rig, max_eni=0)
    rig.run(60)
    assert rig.served == 5


def test_enis_that_a_new_filter_excludes_are_left_alone_and_others_are_adopted() -> None:
    rig = Rig(Policy(max_pool_size=9, tag_filter={"for": "pods"}))
    mine = rig.cloud.add_eni(3, tags={"for": "pods"})
    other = rig.cloud.add_eni(3, tags={"for": "us"})
    rig.settle()
    assert rig.idle() == 3
    follow(rig, tag_filter={"for": "us"})
    rig.run(60)
    rig.want("pod")
    assert rig.address("pod") in other.addresses
    assert rig.cloud.enis()[mine.id].instance == "i-node"


def test_reclaiming_begins_when_it_is_asked_for() -> None:
    rig = settled(Policy(max_pool_size=10))
    rig.want(*names(10))
    rig.run(30)
    rig.release(*names(10))
    rig.run(900)
    assert rig.idle() == 10
    follow(rig, reclaim_after=60.0, reclaim_interval=60.0, reclaim_batch=10)
    rig.run(900)
    assert rig.idle() <= 1


# --- another backend takes over ---------------------------------------------------------------------------------------


def test_a_backend_that_is_not_selected_keeps_what_is_used_and_does_not_grow() -> None:
    policy = Policy(min_pool_size=5, max_pool_size=5, min_eni=1, warm_up_size=20)
    rig = settled(policy, limits=Limits(4, 5))
    rig.want(*names(6))
    rig.run(60)
    before = {name: rig.address(name) for name in names(6)}
    grown = rig.cloud.made("create_eni", "assign")
    rig.policy = retired(policy)
    rig.start()  # the agent restarts, and the backend only serves what pods have
    rig.run(1200)
    assert {name: rig.address(name) for name in names(6)} == before
    assert set(before.values()) <= rig.cloud.owned()
    assert rig.idle() <= 2  # primary addresses stay with their ENIs
    assert rig.cloud.made("create_eni", "assign") == grown
    rig.release(*names(6))
    rig.run(1200)
    assert rig.secondary() == rig.loose() == []


def test_a_backend_that_comes_back_fills_its_pool_again() -> None:
    policy = Policy(min_pool_size=5, max_pool_size=5)
    rig = settled(retired(policy))
    assert rig.cloud.made("create_eni", "assign") == 0
    rig.keeper.follow(lambda _: policy)
    rig.run(60)
    assert rig.idle() == 5


# --- the way out ------------------------------------------------------------------------------------------------------


def test_no_pod_gets_an_address_of_an_eni_whose_gateway_is_not_known() -> None:
    rig = Rig(Policy(max_pool_size=5))
    rig.cloud.faults["vswitches"] = [Fault.BEFORE] * 3
    eni = rig.cloud.add_eni(5)
    rig.want("pod")
    rig.run(2)
    assert (rig.served, rig.ipam.pools()) == (0, ())
    rig.run(60)
    assert rig.address("pod") in eni.addresses


def test_nothing_is_grown_for_pods_that_wait_for_a_vswitch_to_be_read() -> None:
    rig = Rig(Policy(min_pool_size=5, max_pool_size=5))
    rig.cloud.faults["vswitches"] = [Fault.BEFORE] * 3
    rig.cloud.add_eni(12)
    rig.want(*names(7))
    rig.run(60)
    assert (rig.served, rig.cloud.made("assign", "create_eni")) == (7, 0)


def test_no_eni_is_made_for_pods_that_one_of_an_unread_vswitch_will_serve() -> None:
    rig = settled(Policy(max_pool_size=0), vswitches={"vsw-a": "10.0.0.0/24", "vsw-b": "10.0.1.0/24"})
    rig.cloud.faults["vswitches"] = [Fault.BEFORE] * 100
    eni = rig.cloud.add_eni(5, "vsw-b")
    rig.run(120)
    rig.want("pod")
    rig.run(30)
    assert (rig.served, rig.cloud.made("create_eni")) == (0, 0)
    rig.cloud.faults = {}
    rig.run(60)
    assert rig.address("pod") in eni.addresses


def test_while_no_vswitch_can_be_read_no_eni_is_made() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.cloud.faults["vswitches"] = [Fault.DENIED] * 100
    rig.want("pod")
    rig.run(300)
    assert rig.cloud.made("create_eni") == 0
    assert "CloudCallFails" in rig.reasons()
    rig.cloud.faults = {}
    rig.run(300)
    assert rig.served == 1


def test_an_eni_of_a_vswitch_that_the_api_does_not_show_is_told_and_others_serve() -> None:
    rig = Rig(Policy(max_pool_size=0), vswitches={"vsw-a": "10.0.0.0/24", "vsw-odd": "10.0.1.0/24"})
    eni = rig.cloud.add_eni(5, "vsw-odd")
    del rig.cloud._vswitches.all["vsw-odd"]
    rig.want("pod")
    rig.run(60)
    assert rig.served == 1
    assert rig.address("pod") not in eni.addresses
    told = next(each for each in rig.keeper.conditions() if each.reason == "VSwitchUnknown")
    assert (told.subject, "vsw-odd" in told.message) == (eni.id, True)


@pytest.mark.parametrize("missing", [("vsw-none",), ("vsw-none", "vsw-a")])
def test_vswitches_that_are_not_there_are_passed_over(missing: tuple[str, ...]) -> None:
    rig = Rig(Policy(max_pool_size=0, vswitches=missing))
    rig.want("pod")
    rig.run(60)
    assert rig.served == len(missing) - 1
    assert {each.subject for each in rig.keeper.conditions() if each.reason == "VSwitchExhausted"} == {"vsw-none"}
