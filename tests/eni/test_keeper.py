"""The keeper's order of things: what leaves the IPAM when, and what is repeated in which words."""

from dataclasses import replace

import pytest

from terway_edge.core.cloud import AddressWish, EniKind, EniStatus, Limits
from terway_edge.core.ipam import Ipam
from terway_edge.core.models import Lease, Sandbox
from terway_edge.eni.actions import Assign, Unassign
from terway_edge.eni.feeding import Feeder
from terway_edge.eni.growth import GATHER
from terway_edge.eni.policy import EniSelection, Policy
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import INSTANCE
from terway_edge.testing.memory_store import MemoryStore
from tests.eni.rig import COOLDOWN, Rig, names

OURS = {"creator": "terway-edge", "terway-edge-instance": INSTANCE.id}


def with_surplus() -> Rig:
    """Ten pods were there, one is left; what the others had may be given back now."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(10))
    rig.run(400)
    primary = rig.cloud.enis()[rig.secondary()[0]].primary
    stays = next(name for name in names(10) if rig.address(name) == primary)
    rig.release(*(name for name in names(10) if name != stays))
    rig.clock.advance(COOLDOWN)
    return rig


def test_what_is_given_up_leaves_the_ipam_before_the_call() -> None:
    rig = with_surplus()
    (unassign,) = [action for action in rig.keeper.turn() if isinstance(action, Unassign)]
    assert len(unassign.items) == 9
    rig.want(*names(20, "new"))
    assert rig.served == 1
    rig.keeper.carry_out(unassign)
    assert set(unassign.items).isdisjoint(rig.cloud.owned())


def test_what_a_pod_took_in_the_last_moment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the decision and the IPAM's loss of the address."""
    rig = with_surplus()
    real, taken = rig.ipam.remove_addresses, []

    def late(name: str, addresses: object) -> None:
        if not taken:
            taken.append(rig.ipam.allocate(Sandbox("late", "eth0", pod_uid="late"), "test", [name]))
        real(name, addresses)  # type: ignore[arg-type]

    monkeypatch.setattr(rig.ipam, "remove_addresses", late)
    rig.run(0)
    (address,) = taken[0].addresses
    assert address in rig.cloud.owned()
    rig.run(120)
    assert address in rig.cloud.owned()
    rig.release("late")
    rig.run(COOLDOWN + 60)
    assert address not in rig.cloud.owned()


def test_an_address_rests_after_a_pod_that_came_and_went_between_two_turns() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.cloud.add_eni(2)
    rig.run(COOLDOWN - 1)
    rig.want("brief", "other")
    addresses = {rig.address("brief"), rig.address("other")}
    rig.release("brief", "other")
    rig.run(COOLDOWN - 1)
    assert addresses <= rig.cloud.owned()


def test_what_was_given_back_and_assigned_again_is_the_pools() -> None:
    rig = with_surplus()
    rig.run(10)
    rig.want(*names(5, "new"))
    rig.run(10)
    assert rig.served == 6
    rig.start()
    rig.run(1)
    rig.release(*names(5, "new"))
    rig.run(1)
    assert rig.idle() == 5


def test_an_unresolved_wish_keeps_what_it_may_have_brought() -> None:
    """Its answer, heard late, would else give pods what is somebody else's by then."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0), limits=Limits(2, 15))
    rig.want("first")
    rig.run(30)
    eni = rig.secondary()[0]
    rig.want("second")
    rig.cloud.faults["assign"] = [Fault.LOST, *[Fault.THROTTLE] * 6]
    rig.run(1)
    rig.give_up("second")
    brought = rig.cloud.enis()[eni].addresses[1]
    rig.run(100)  # lists have shown it, and it has rested
    assert rig.keeper.details["coming"] == rig.idle() == 1
    assert brought in rig.cloud.owned()
    rig.run(300)
    assert rig.cloud.enis()[eni].addresses == (rig.address("first"),)
    assert rig.idle() == 0


def test_a_wish_is_repeated_in_the_same_words_by_the_next_process() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.want("first")
    rig.run(60)
    rig.cloud.faults["assign"] = [Fault.LOST]
    rig.want(*names(4, "more"))
    rig.run(0.3)
    rig.cloud.staleness = 20.0
    rig.start()
    rig.run(15)
    assert rig.served == 5
    assert len(rig.cloud.enis()[rig.secondary()[0]].addresses) == 5


def test_an_eni_that_was_made_is_found_by_the_next_process() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.run(1)
    rig.cloud.faults["create_eni"] = [Fault.LOST]
    rig.want("pod")
    rig.run(0.3)
    (made,) = rig.loose()
    rig.start()
    rig.run(30)
    assert rig.secondary() == [made]
    assert rig.loose() == []


def test_a_removal_goes_on_in_the_next_process() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want("pod")
    rig.run(60)
    rig.release("pod")
    rig.run(COOLDOWN + 5, until=lambda: rig.cloud.made("detach") == 1)
    rig.start()
    rig.run(15)
    assert list(rig.cloud.enis()) == ["eni-primary"]


def test_an_eni_on_its_way_is_no_orphan_however_long_its_attach_fails() -> None:
    rig = Rig(Policy(max_pool_size=0))
    rig.run(599)
    rig.cloud.faults["attach"] = [Fault.THROTTLE] * 7
    rig.want("pod")
    rig.run(180)
    assert rig.served == 1
    assert rig.cloud.made("find_enis") >= 2
    assert rig.cloud.made("create_eni") == 1


def test_an_orphan_by_an_old_list_is_never_detached() -> None:
    rig = Rig(Policy(max_pool_size=0))
    eni = rig.cloud.add_eni(2, tags=OURS, kind=EniKind.TRUNK)  # of no use to the pool, so unknown to it
    rig.cloud.tear_off(eni.id)
    rig.clock.advance(400)
    rig.cloud.move(eni.id, INSTANCE.id)
    rig.cloud.staleness = 350.0
    rig.start()
    rig.run(250)
    assert rig.cloud.made("delete_eni") >= 1
    assert rig.cloud.made("detach") == 0
    assert rig.cloud.enis()[eni.id].instance == INSTANCE.id


def test_what_somebody_else_deletes_is_left_to_him() -> None:
    rig = Rig()
    eni = rig.cloud.add_eni(2, tags=OURS)
    rig.cloud.tear_off(eni.id)
    rig.cloud.enis()[eni.id] = replace(rig.cloud.enis()[eni.id], status=EniStatus.DELETING)
    rig.run(300)
    assert rig.cloud.made("delete_eni") == 0


def test_a_quota_that_is_lower_than_believed_is_tried_seldom() -> None:
    rig = Rig(Policy(max_pool_size=0, max_eni=1))
    rig.cloud._limits = Limits(6, 10, 10)
    rig.want(*names(14))
    rig.run(600)
    assert rig.served == 10
    assert 1 <= rig.cloud.made("assign") <= 5


def test_enis_of_ours_on_other_instances_cost_no_extra_sweep() -> None:
    rig = Rig()
    eni = rig.cloud.add_eni(2, tags=OURS)
    rig.cloud.move(eni.id, "i-other")
    rig.run(1250)
    assert rig.cloud.made("find_enis") == 3


def test_a_pool_that_warms_up_is_not_trimmed() -> None:
    rig = Rig(Policy(warm_up_size=14, max_pool_size=2, trim_after=0), limits=Limits(2, 15))
    rig.run(1)
    rig.cloud.faults["assign"] = [Fault.THROTTLE] * 8
    rig.run(110)
    assert rig.cloud.made("unassign", "detach") == 0
    rig.run(400)
    assert rig.idle() == 2


def test_what_is_on_its_way_counts_as_what_may_be_idle() -> None:
    rig = Rig(Policy(max_pool_size=5, eni_selection=EniSelection.LEAST_IPS))
    rig.run(1)
    rig.want(*names(10))
    rig.turn()
    rig.want(*names(3, "more"))
    rig.run(30)
    assert (rig.served, rig.idle()) == (13, 5)


def test_counts_of_a_vswitch_stay_true_over_many_turns() -> None:
    """What was promised to calls that are over is free again."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0), vswitches={"vsw-a": "10.0.0.0/27"})
    for _ in range(8):
        rig.want(*names(14))
        rig.run(40)
        assert rig.served == 14
        rig.release(*names(14))
        rig.run(80)


def test_an_address_of_another_eni_is_not_in_use_on_this_one() -> None:
    clock = FakeClock()
    ipam = Ipam(MemoryStore(), clock)
    feeder = Feeder(ipam)
    rig = Rig()
    address = rig.cloud.add_eni().primary
    feeder.feed({"eni-a": {4: frozenset([address])}}, frozenset())
    lease = ipam.allocate(Sandbox("pod", "eth0"), "test", ["eni-a/4"])
    assert feeder.is_used("eni-a", address)
    assert not feeder.is_used("eni-b", address)
    ipam.release(lease)
    assert not feeder.is_used("eni-a", address)
    ipam.adopt(Lease(Sandbox("found", "eth0"), (address,), "test", (), clock.now()))
    assert feeder.is_used("eni-a", address)
    assert feeder.is_used("eni-b", address)


def test_the_first_words_of_a_wish_tell_what_was_there_before() -> None:
    rig = Rig(Policy(max_pool_size=0))
    eni = rig.cloud.add_eni(3)
    rig.run(1)
    rig.want(*names(9))
    rig.clock.advance(GATHER)
    (action,) = [each for each in rig.keeper.turn() if isinstance(each, Assign)]
    assert action.wish == AddressWish(action.wish.intent, eni.id, eni.addresses, ipv4=6)
    assert len(action.wish.intent) == 32
