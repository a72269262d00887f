"""From waiting pods to calls: how many, how full, and where."""

from collections import Counter
from dataclasses import replace

import pytest

from terway_edge.core.cloud import Limits
from terway_edge.eni.actions import Assign, Create
from terway_edge.eni.cost import fewest_calls
from terway_edge.eni.growth import GATHER
from terway_edge.eni.policy import EniSelection, Policy, VSwitchSelection
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import ENS
from tests.eni.rig import Rig, names

EXACT = Policy(max_pool_size=0)


def ready(policy: Policy = EXACT, **kinds: object) -> Rig:
    """A node whose agent has started and knows its surroundings."""
    rig = Rig(policy, **kinds)  # type: ignore[arg-type]
    rig.run(1)
    return rig


def sizes(rig: Rig) -> list[int]:
    """Addresses of the secondary ENIs, in the order in which they came."""
    return [len(rig.cloud.enis()[id].addresses) for id in rig.secondary()]


@pytest.mark.parametrize(
    ("pods", "limits"),
    [(100, Limits(8, 15)), (75, Limits(6, 15)), (100, Limits(6, 15)), (100, Limits(6, 20)), (40, Limits(6, 10))],
)
def test_pods_at_once_on_a_cold_node_cost_hardly_more_calls_than_they_must(pods: int, limits: Limits) -> None:
    rig = ready(limits=limits)
    before = rig.cloud.made()
    rig.want(*names(pods))
    rig.run(30)
    capacity = (limits.enis - 1) * limits.ipv4_per_eni
    assert rig.served == min(pods, capacity)
    fewest = fewest_calls(pods, per_eni=limits.ipv4_per_eni, batch=10, enis=limits.enis - 1)
    assert rig.cloud.made() - before <= 1.3 * fewest


def test_a_hundred_pods_find_room_on_quota_6_by_15_by_prefixes() -> None:
    rig = ready(Policy(max_pool_size=0, use_prefixes=True))
    rig.want(*names(100))
    rig.run(30)
    assert rig.served == 100
    assert rig.cloud.made("create_eni", "assign") == 1  # seven prefixes at once


def test_the_agents_start_costs_three_reads() -> None:
    rig = ready()
    assert Counter(call.verb for call in rig.cloud.calls) == {"enis_of": 1, "vswitches": 1, "find_enis": 1}


def test_a_pod_that_finds_an_address_makes_no_call() -> None:
    rig = ready(Policy(min_pool_size=5, max_pool_size=5))
    rig.settle()
    before = rig.cloud.made()
    rig.want(*names(5))
    assert rig.served == 5
    assert rig.cloud.made() == before


def test_pods_that_come_within_a_moment_share_a_call() -> None:
    rig = ready()
    for name in names(8):
        rig.want(name)
        rig.turn()
        rig.clock.advance(GATHER / 10)
    assert rig.cloud.made("create_eni") == 0
    rig.run(20)
    assert (rig.cloud.made("create_eni"), rig.cloud.made("assign"), rig.served) == (1, 0, 8)


def test_a_full_call_does_not_wait() -> None:
    rig = ready()
    rig.want(*names(10))
    assert isinstance(rig.turn()[0], Create)


def test_a_call_is_filled_up_to_what_may_be_idle() -> None:
    rig = ready(Policy(max_pool_size=4))
    rig.want("only")
    rig.run(20)
    assert sizes(rig) == [5]


def test_nothing_is_idle_that_nobody_wants() -> None:
    rig = ready()
    rig.want("only")
    rig.run(20)
    assert sizes(rig) == [1]


def test_pods_that_gave_up_leave_stock_and_no_more_calls() -> None:
    rig = ready(Policy(max_pool_size=20))
    rig.want(*names(12))
    rig.turn()
    for name in names(12):
        rig.give_up(name)
    rig.settle()
    assert rig.idle() == 10  # what the call under way brought
    before = rig.cloud.made("create_eni", "assign")
    rig.want(*names(10, "next"))
    assert rig.served == 10
    assert rig.cloud.made("create_eni", "assign") == before


def test_demand_makes_no_more_enis_than_it_needs_however_long_they_take() -> None:
    """Bound to who waits now, and to what is on its way: never one more for each look at the same demand."""
    rig = ready()
    rig.cloud.faults["attach"] = [Fault.STUCK] * 20
    rig.want(*names(12))
    rig.run(110)
    assert rig.cloud.made("create_eni") == 1


def test_demand_that_cannot_be_met_makes_no_calls() -> None:
    rig = ready(limits=Limits(2, 4))
    rig.want(*names(4))
    rig.run(20)
    before = rig.cloud.made("create_eni", "assign", "attach")
    rig.want(*names(50, "more"))
    rig.run(300)
    assert rig.cloud.made("create_eni", "assign", "attach") == before


def test_most_ips_fills_an_eni_before_the_next_one() -> None:
    rig = ready()
    for name in names(20):
        rig.want(name)
        rig.run(10)
    assert sizes(rig) == [15, 5]


def test_least_ips_spreads_over_all_enis_first() -> None:
    rig = ready(Policy(max_pool_size=0, eni_selection=EniSelection.LEAST_IPS))
    for name in names(10):
        rig.want(name)
        rig.run(10)
    assert sizes(rig) == [2, 2, 2, 2, 2]


@pytest.mark.parametrize(("selection", "expected"), [(EniSelection.MOST_IPS, 9), (EniSelection.LEAST_IPS, 2)])
def test_pods_go_to_the_eni_that_the_policy_prefers(selection: EniSelection, expected: int) -> None:
    rig = Rig(Policy(max_pool_size=20, eni_selection=selection))
    rig.cloud.add_eni(2)
    rig.cloud.add_eni(9)
    rig.run(1)
    rig.want("pod")
    lease = rig.lease("pod")
    assert lease is not None
    eni = rig.keeper.eni_of(lease)
    assert eni is not None
    assert len(eni.addresses) == expected


def test_ordered_makes_enis_where_most_addresses_are_free() -> None:
    cidrs = {"vsw-a": "10.0.0.0/26", "vsw-b": "10.0.1.0/25"}
    policy = Policy(max_pool_size=0, vswitches=("vsw-a", "vsw-b"), vswitch_selection=VSwitchSelection.ORDERED)
    rig = ready(policy, vswitches=cidrs, limits=Limits(9, 15))
    rig.want(*names(100))
    rig.run(30)
    used = Counter(rig.cloud.enis()[id].vswitch for id in rig.secondary())
    assert used["vsw-b"] > used["vsw-a"] > 0


def test_random_uses_all_vswitches() -> None:
    cidrs = {"vsw-a": "10.0.0.0/24", "vsw-b": "10.0.1.0/24"}
    rig = ready(Policy(vswitches=("vsw-a", "vsw-b")), vswitches=cidrs, limits=Limits(9, 15))
    rig.want(*names(100))
    rig.run(30)
    assert {rig.cloud.enis()[id].vswitch for id in rig.secondary()} == {"vsw-a", "vsw-b"}


def test_vswitches_of_another_zone_are_passed_over() -> None:
    cidrs = {"vsw-a": "10.0.0.0/24", "vsw-b": "10.0.1.0/24"}
    rig = ready(Policy(vswitches=("vsw-a", "vsw-b")), vswitches=cidrs, zones={"vsw-b": "zone-b"})
    rig.want(*names(60))
    rig.run(30)
    assert {rig.cloud.enis()[id].vswitch for id in rig.secondary()} == {"vsw-a"}


def test_new_enis_are_like_the_primary_one_where_nothing_is_configured() -> None:
    rig = ready()
    rig.want("pod")
    rig.run(20)
    eni, primary = (rig.cloud.enis()[id] for id in (rig.secondary()[0], "eni-primary"))
    assert (eni.vswitch, eni.security_groups) == (primary.vswitch, primary.security_groups)
    assert not eni.checks_source


def test_new_enis_are_as_configured() -> None:
    policy = Policy(security_groups=("sg-x", "sg-y"), vswitches=("vsw-b",), eni_tags={"team": "a"}, checks_source=True)
    rig = ready(policy, vswitches={"vsw-a": "10.0.0.0/24", "vsw-b": "10.0.1.0/24"})
    rig.want("pod")
    rig.run(20)
    eni = rig.cloud.enis()[rig.secondary()[0]]
    assert (eni.vswitch, eni.security_groups, eni.checks_source) == ("vsw-b", ("sg-x", "sg-y"), True)
    assert eni.tags["team"] == "a"


@pytest.mark.parametrize("policy", [Policy(max_pool_size=0), Policy(max_pool_size=0, use_prefixes=True)])
def test_dual_stack_pods_have_both_addresses_on_one_eni(policy: Policy) -> None:
    rig = ready(replace(policy, families=(4, 6)))
    rig.want(*names(40))
    rig.run(30)
    assert rig.served == 40
    for lease in rig.ipam.leases():
        assert [address.family for address in lease.addresses] == [4, 6]
        assert len({pool.partition("/")[0] for pool in lease.pools}) == 1


def test_one_family_that_lags_is_caught_up_with() -> None:
    rig = Rig(Policy(max_pool_size=0, families=(4, 6)))
    rig.cloud.add_eni(5)
    rig.run(1)
    rig.want(*names(7))
    rig.run(20)
    eni = rig.cloud.enis()[rig.secondary()[0]]
    assert rig.served == 7
    assert Counter(address.family for address in eni.addresses) == {4: 7, 6: 7}


def test_ipv6_only_pods_have_one_address() -> None:
    rig = ready(Policy(max_pool_size=0, families=(6,)))
    rig.want(*names(12))
    rig.run(20)
    assert rig.served == 12
    assert {address.family for lease in rig.ipam.leases() for address in lease.addresses} == {6}
    assert Counter(address.family for address in rig.cloud.enis()["eni-1"].addresses) == {4: 1, 6: 12}


def test_the_primary_address_can_be_spared() -> None:
    rig = ready(Policy(max_pool_size=0, use_primary=False))
    rig.want(*names(75))
    rig.run(30)
    assert rig.served == 70
    primaries = {rig.cloud.enis()[id].primary for id in rig.secondary()}
    assert primaries.isdisjoint(address for lease in rig.ipam.leases() for address in lease.addresses)


def test_prefixes_are_reached_for_a_count_and_released_whole() -> None:
    rig = ready(Policy(max_pool_size=0, trim_after=0, use_prefixes=True, ipv4_prefix_count=2))
    rig.settle()
    assert [len(rig.cloud.enis()[id].prefixes) for id in rig.secondary()] == [2]
    rig.want(*names(50))
    rig.run(20)
    assert [len(rig.cloud.enis()[id].prefixes) for id in rig.secondary()] == [4]
    rig.release(*names(50))
    rig.run(120)
    assert [len(rig.cloud.enis()[id].prefixes) for id in rig.secondary()] == [2]


def test_ens_fills_the_bound_enis_and_makes_none() -> None:
    rig = Rig(EXACT, limits=Limits(10, 25), features=ENS)
    for _ in range(2):
        rig.cloud.add_eni()
    rig.run(1)
    rig.want(*names(60))
    rig.run(60)
    assert (rig.served, rig.keeper.standing.capacity) == (50, 50)
    assert rig.cloud.made("create_eni", "attach", "find_enis") == 0
    assert {"InsufficientIP", "BindMoreEnis"} <= set(rig.reasons())
    told = next(each.message for each in rig.keeper.conditions() if each.reason == "BindMoreEnis")
    assert told == (
        "stop instance i-node (a running one takes no ENI), bind 1 more to it, of network vpc-a in zone-a such as of "
        "vSwitch vsw-a, and start it again; each carries 25 pods, all 10 with the primary one (10 - 1) x 25 = 225 pods"
    )


def test_ens_asks_for_as_many_enis_as_pods_need_and_by_an_event_once_in_a_while() -> None:
    rig = Rig(EXACT, limits=Limits(4, 25), features=ENS)
    rig.cloud.add_eni()
    rig.run(1)
    rig.want(*names(76))
    rig.run(60)
    assert "bind 2 more to it" in rig.keeper.conditions()[0].message  # 51 pods wait, and there is room for two
    asked = [event for event in rig.events.seen if event.reason == "BindMoreEnis"]
    assert [event.message.partition(" to it")[0] for event in asked] == [
        "stop instance i-node (a running one takes no ENI), bind 2 more"
    ]
    rig.run(600)
    assert sum(event.reason == "BindMoreEnis" for event in rig.events.seen) == 2
    rig.cloud.add_eni()
    rig.cloud.add_eni()
    rig.run(120)
    (told,) = [each.message for each in rig.keeper.conditions() if each.reason == "BindMoreEnis"]
    assert told == "instance i-node has all 4 ENIs that it takes, which carry (4 - 1) x 25 = 75 pods; use another node"


def test_ens_takes_back_addresses_but_no_eni() -> None:
    rig = Rig(Policy(max_pool_size=3, trim_after=0), limits=Limits(10, 25), features=ENS)
    rig.cloud.add_eni()
    rig.want(*names(20))
    rig.run(60)
    rig.release(*names(20))
    rig.run(120)
    assert sizes(rig) == [3]
    assert rig.cloud.made("detach", "delete_eni") == 0


def test_adopted_enis_let_pods_packets_pass() -> None:
    rig = Rig()
    rig.cloud.add_eni(checks_source=True)
    rig.run(1)
    assert not rig.cloud.enis()[rig.secondary()[0]].checks_source
    assert rig.cloud.made("disable_source_check") == 1


def test_source_checks_stay_where_they_are_wanted() -> None:
    rig = Rig(Policy(checks_source=True))
    rig.cloud.add_eni(checks_source=True)
    rig.run(100)
    assert rig.cloud.made("disable_source_check") == 0


def test_one_assign_per_eni_at_a_time() -> None:
    rig = Rig(EXACT, limits=Limits(2, 40))
    rig.cloud.add_eni()
    rig.run(1)
    rig.want(*names(40))
    actions = rig.keeper.turn()
    assert [type(action) for action in actions] == [Assign]
    assert rig.keeper.turn() == []
    rig.keeper.carry_out(actions[0])
    rig.run(10)
    assert rig.served == 40
