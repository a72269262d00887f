"""A new process and the stock of its predecessor: it is for pods before the cloud has answered, and its answer wins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import AddressWish, Limits
from terway_edge.eni.listing import SECOND_LOOK
from terway_edge.eni.policy import Policy
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import ECS
from tests.eni.rig import COOLDOWN, Rig, names
from tests.eni.test_outside import grab_all, idle_addresses

IDLE = 5
GATEWAY = Address.parse("10.0.0.77")


def stocked(policy: Policy = Policy(min_pool_size=IDLE, max_pool_size=IDLE)) -> Rig:  # noqa: B008 - never changed
    """One ENI, one pod, and a stock that no pod has touched."""
    rig = Rig(policy, limits=Limits(3, 10, 10), features=ECS)
    rig.want("old")
    rig.run(120)
    assert (rig.served, rig.idle()) == (1, IDLE)
    return rig


def restart(rig: Rig) -> None:
    """The new process hears nothing from the cloud."""
    rig.cloud.outage = Fault.THROTTLE
    rig.start()
    rig.cloud.calls.clear()


def hear(rig: Rig, seconds: float = 65.0) -> None:
    """The cloud answers again; no call is held back for longer than a minute."""
    rig.cloud.outage = None
    rig.run(seconds)


def test_a_new_process_serves_before_it_has_made_a_call() -> None:
    rig = stocked()
    stock = set(idle_addresses(rig))
    restart(rig)
    rig.keeper.serve()
    rig.want(*names(IDLE))
    assert {rig.address(name) for name in names(IDLE)} <= rig.cloud.owned()
    assert {rig.address(name) for name in names(IDLE)} & stock
    lease = rig.lease("pod-0")
    assert lease is not None
    eni = rig.keeper.eni_of(lease)
    assert eni is not None
    assert (eni.mac, eni.vswitch) == (rig.cloud.enis()[eni.id].mac, "vsw-a")
    assert rig.keeper.vswitch("vsw-a") == replace(rig.cloud._vswitches.all["vsw-a"], free=0)
    assert rig.cloud.made() == 0


@pytest.mark.parametrize("verb", ["enis_of", "vswitches"])
def test_turns_do_not_end_it_while_one_call_fails(verb: str) -> None:
    rig = stocked()
    rig.cloud.faults[verb] = [Fault.THROTTLE] * 50
    rig.start()
    rig.run(30)
    rig.want(*names(IDLE))
    assert rig.served == IDLE + 1
    assert rig.cloud.made("create_eni") == 1, "stock was bought though there is some"


def test_nothing_is_out_of_nothing() -> None:
    rig = stocked()
    restart(rig)
    rig.keeper.serve()
    rig.want(*names(IDLE + 1))
    assert rig.served == IDLE + 1
    assert len(rig.waiting) == 1
    hear(rig)
    assert rig.served == IDLE + 2


def test_another_gateway_counts_as_soon_as_the_cloud_tells_it() -> None:
    rig = stocked()
    all_ = rig.cloud._vswitches.all
    all_["vsw-a"] = replace(all_["vsw-a"], gateway=GATEWAY)
    restart(rig)
    hear(rig)
    known = rig.keeper.vswitch("vsw-a")
    assert known is not None
    assert known.gateway == GATEWAY
    restart(rig)
    known = rig.keeper.vswitch("vsw-a")
    assert known is not None
    assert known.gateway == GATEWAY, "it was not remembered"


def test_a_vswitch_that_the_cloud_does_not_show_has_no_way_any_more() -> None:
    rig = stocked()
    del rig.cloud._vswitches.all["vsw-a"]
    restart(rig)
    assert rig.keeper.vswitch("vsw-a") is not None
    hear(rig)
    assert rig.keeper.vswitch("vsw-a") is None
    assert "VSwitchUnknown" in rig.reasons()
    assert grab_all(rig) == set()
    restart(rig)
    assert rig.keeper.vswitch("vsw-a") is None, "it was remembered"


def test_what_was_taken_meanwhile_is_given_to_nobody_once_the_cloud_has_said_so() -> None:
    rig = stocked()
    eni, taken = rig.secondary()[0], idle_addresses(rig)[0]
    rig.cloud.take_address(eni, taken)
    restart(rig)
    hear(rig, 5)
    assert taken not in grab_all(rig)
    hear(rig)
    assert taken not in grab_all(rig)
    assert "AddressesLost" in rig.events.reasons(eni)


def test_a_pod_that_got_what_was_taken_meanwhile_is_told_of() -> None:
    rig = stocked()
    eni, taken = rig.secondary()[0], idle_addresses(rig)[0]
    rig.cloud.take_address(eni, taken)
    restart(rig)
    rig.keeper.serve()
    rig.want(*names(IDLE))
    assert taken in {rig.address(name) for name in names(IDLE)}
    hear(rig)
    assert [each.subject for each in rig.keeper.conditions() if each.reason == "AddressLost"] == [str(taken)]


def test_an_eni_that_was_taken_meanwhile_is_given_to_nobody_once_the_cloud_has_said_so() -> None:
    rig = stocked()
    eni = rig.secondary()[0]
    before = set(rig.cloud.enis()[eni].addresses)
    rig.cloud.tear_off(eni)
    restart(rig)
    hear(rig, 5)
    assert not grab_all(rig) & before
    hear(rig, SECOND_LOOK + 60)
    restart(rig)
    rig.keeper.serve()
    assert not grab_all(rig) & before, "it was remembered"


@pytest.mark.parametrize("whole", [False, True], ids=["an address", "the ENI"])
def test_what_one_list_has_not_shown_is_not_remembered(whole: bool) -> None:
    """The process ends before a second list could tell whether the first was an old one."""
    rig = stocked()
    eni, taken = rig.secondary()[0], set(idle_addresses(rig)[:1])
    if whole:
        taken = set(rig.cloud.enis()[eni].addresses)
        rig.cloud.tear_off(eni)
    else:
        rig.cloud.take_address(eni, min(taken))
    rig.run(120, until=lambda: bool(rig.keeper._pool.barred))
    rig.turn()
    restart(rig)
    rig.keeper.serve()
    assert not grab_all(rig) & taken


def test_what_an_eni_has_more_counts_at_the_first_list() -> None:
    rig = stocked()
    eni = rig.secondary()[0]
    before = set(rig.cloud.enis()[eni].addresses)
    rig.cloud.assign(AddressWish("another's", eni, ipv4=2), 0.0)
    fresh = set(rig.cloud.enis()[eni].addresses) - before
    restart(rig)
    rig.cloud.outage = None
    rig.turn()
    rig.turn()
    assert fresh <= grab_all(rig)


def test_what_is_given_back_is_not_remembered_as_stock() -> None:
    """Whatever the process was killed at: the file that tells of the call tells that the address is gone."""
    rig = stocked(Policy(min_pool_size=0, max_pool_size=IDLE, reclaim_after=60.0, reclaim_interval=30.0))
    eni = rig.secondary()[0]
    rig.cloud.faults["unassign"] = [Fault.LOST] * 50
    before = set(rig.cloud.enis()[eni].addresses)
    rig.run(120)
    given_back = before - set(rig.cloud.enis()[eni].addresses)
    assert given_back
    restart(rig)
    rig.keeper.serve()
    assert not grab_all(rig) & given_back


def test_an_address_of_before_rests_before_it_is_given_back() -> None:
    """A pod that came and went while the cloud was away: its address is not for others at once."""
    rig = stocked(Policy(max_pool_size=IDLE, trim_after=0.0))
    rig.policy = Policy(max_pool_size=0, trim_after=0.0)
    restart(rig)
    rig.keeper.serve()
    rig.want("guest")
    rig.release("guest", "old")
    rig.keeper.found(rig.site)
    rig.cloud.outage = None
    rig.cloud.calls.clear()
    rig.run(COOLDOWN - 1)
    assert rig.cloud.made("unassign", "detach") == 0
    rig.run(5)
    assert rig.cloud.made("unassign", "detach")


def test_a_site_that_has_changed_counts_when_the_cloud_has_told_it() -> None:
    rig = stocked()
    restart(rig)
    rig.keeper.serve()
    rig.want(*names(IDLE + 1))
    rig.keeper.found(replace(rig.site, limits=Limits(2, 10, 10)))
    for sandbox in rig.waiting.values():
        rig.keeper.wait(sandbox.key)
    hear(rig)
    assert rig.served == IDLE + 2
    assert rig.keeper.details["capacity"] == 10


def test_a_filter_that_has_changed_counts_for_what_is_remembered() -> None:
    rig = stocked()
    rig.policy = replace(rig.policy, tag_filter={"team": "b"})
    restart(rig)
    rig.keeper.serve()
    assert grab_all(rig) == set()
