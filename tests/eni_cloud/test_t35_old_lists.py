"""T35: lists and metadata that are five minutes old, or now old and now new: nothing in use is released, and nothing is
deleted before two sources agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from terway_edge.eni.policy import Policy
from tests.eni.rig import names
from tests.eni_cloud.rig import COOLDOWN, ECS_NODE, ENS_NODE, TIGHT, CloudRig

OLD = 300.0
BOTH = pytest.mark.parametrize("instance", [ECS_NODE, ENS_NODE])
KEPT = {"kind": "stale", "seconds": 1000, "action": "NoSuchAction"}
"""So that the emulator remembers what it was like, for lists that are to be old later."""
GIVING_BACK = (
    *("UnassignPrivateIpAddresses", "UnassignIpv6Addresses"),
    *("DetachNetworkInterface", "DeleteNetworkInterface", "DeleteNetworkInterfaces"),
)


def old(seconds: float = OLD, **more: Any) -> list[dict[str, Any]]:
    """Lists of the API, and what metadata tells."""
    return [{"kind": "stale", "seconds": seconds, "action": action, **more} for action in ("Describe*", "metadata:GET")]


def leases(rig: CloudRig) -> dict[object, object]:
    return {lease.key: lease for lease in rig.ipam.leases()}


@BOTH
@pytest.mark.parametrize("restarts", [False, True])
def test_t35_old_lists_take_nothing_from_a_pod(make: Callable[..., CloudRig], instance: str, restarts: bool) -> None:
    """Addresses of the last minutes are in none of the lists."""
    rig = make(Policy(max_pool_size=4), instance)
    rig.faults(KEPT)
    rig.want(*names(3))
    rig.run(120)
    rig.want(*names(12))
    rig.run(60, until=lambda: rig.served == 12)
    assert rig.served == 12
    before = leases(rig)
    rig.emulator.log.clear()
    rig.faults(*old())
    for _ in range(6):
        rig.run(OLD / 6)
        if restarts:
            rig.start()
        rig.check()
        assert leases(rig) == before
        assert rig.count(*GIVING_BACK) == 0
    rig.faults()
    rig.run(180)
    assert leases(rig) == before
    assert [reason for reason in rig.reasons() if reason != "BindMoreEnis"] == []
    rig.check_rest()


@BOTH
def test_t35_flapping_lists_take_nothing_from_a_pod(make: Callable[..., CloudRig], instance: str) -> None:
    rig = make(Policy(min_pool_size=4, max_pool_size=4), instance)
    rig.faults(KEPT)
    rig.want(*names(3))
    rig.run(200)
    rig.want(*names(9))
    rig.run(60)
    before = leases(rig)
    rig.faults(*old(probability=0.5, seed=4))
    rig.emulator.log.clear()
    for _ in range(40):
        rig.run(20)
        rig.check()
        assert leases(rig) == before
    rig.faults()
    rig.run(400)
    assert (rig.served, rig.idle()) == (9, 4)
    rig.check_rest()


@BOTH
def test_t35_what_was_given_back_is_not_taken_from_an_old_list(make: Callable[..., CloudRig], instance: str) -> None:
    """The cloud gives it to a neighbour at once; lists still show it as ours."""
    rig = make(TIGHT, instance)
    rig.faults(KEPT)
    rig.want(*names(8))
    rig.run(400)
    primary = {eni.primary for eni in rig.enis()}
    stays = next(name for name in names(8) if rig.address(name) in primary)
    mine = rig.used() - primary
    rig.release(*(name for name in names(8) if name != stays))
    rig.run(COOLDOWN + 15)
    assert not mine & {each for eni in rig.enis() for each in eni.ipv4}
    rig.neighbour_takes(len(mine))
    rig.faults(*old())
    for number in range(12):
        rig.want(f"new-{number}")
        rig.run(OLD / 12)
        rig.check()
        assert not rig.used() & mine
    assert rig.served == 13
    rig.faults()
    rig.run(OLD)
    rig.check_rest()


def test_t35_an_eni_that_old_lists_show_as_loose_is_not_deleted(make: Callable[..., CloudRig]) -> None:
    """It was made and attached a moment ago: the sweep's list shows it as Available, and its intent is done."""
    rig = make(Policy(min_pool_size=5, max_pool_size=5))
    rig.faults(KEPT)
    rig.run(1)
    rig.faults({"kind": "stuck", "seconds": 60, "action": "AttachNetworkInterface"}, KEPT)
    rig.run(80, until=lambda: rig.idle() == 5)
    assert rig.idle() == 5
    rig.want("pod")
    (eni,) = rig.enis()
    rig.emulator.log.clear()
    rig.faults(*old(65, until=400))
    for _ in range(40):
        rig.start()  # each process sweeps first
        rig.run(10)
        rig.check()
    assert rig.count(*GIVING_BACK) == 0
    assert eni.id in [each.id for each in rig.enis()]
    rig.faults()
    rig.run(200)
    assert rig.served == 1
    rig.check_rest()


def test_t35_a_new_eni_is_good_although_no_list_has_it_any_more(make: Callable[..., CloudRig]) -> None:
    rig = make(Policy(min_pool_size=5, max_pool_size=5))
    rig.faults(KEPT)
    rig.run(60, until=lambda: rig.idle() == 5)
    rig.faults(*old())
    rig.run(55)
    rig.want(*names(5))
    assert rig.served == 5
    rig.check()


def test_t35_one_old_list_among_new_ones_loses_nothing(make: Callable[..., CloudRig]) -> None:
    """It lacks addresses that were known for long: one list alone is not believed."""
    rig = make(Policy(min_pool_size=4, max_pool_size=4))
    rig.faults(KEPT)
    rig.want(*names(3))
    rig.run(150)
    rig.want(*names(9))
    rig.run(130)
    assert (rig.served, rig.idle()) == (9, 4)
    rig.emulator.log.clear()
    for number in range(5):  # each shows what was so when three pods were there
        age = 200 + 120 * number
        rig.faults({"kind": "stale", "seconds": age, "action": "DescribeNetworkInterfaces", "count": 1})
        rig.run(120)
        rig.check()
    assert [call.faults for call in rig.calls()].count(("stale",)) == 5
    assert rig.changes() == []
    assert "AddressesLost" not in rig.events.reasons()
    assert rig.reasons() == []


def test_t35_lists_that_lag_while_another_eni_attaches_hide_nothing(make: Callable[..., CloudRig]) -> None:
    """Lists are read every few seconds then, and none of them has the ENI of a moment ago."""
    rig = make(Policy(max_pool_size=0))
    rig.faults(KEPT)
    rig.want(*names(15))
    rig.run(60, until=lambda: rig.served == 15)
    rig.faults({"kind": "stuck", "seconds": 100, "action": "AttachNetworkInterface"}, *old(50))
    rig.emulator.log.clear()
    rig.want(*names(20))
    for _ in range(45):
        rig.run(1)
        assert all(rig.keeper.eni_of(lease) for lease in rig.ipam.leases())
        assert "EniMissing" not in rig.reasons()
    assert rig.count("DescribeNetworkInterfaces") > 5
    assert rig.served == 15
    rig.faults()
    rig.run(200)
    assert rig.served == 20
    rig.check_rest()


def test_t35_an_eni_that_is_leaving_is_not_taken_from_an_old_list_by_the_next_process(
    make: Callable[..., CloudRig],
) -> None:
    rig = make(TIGHT)
    rig.faults(KEPT)
    rig.want(*names(8))
    rig.run(200)
    rig.release(*names(8))
    rig.run(COOLDOWN + 10, until=lambda: rig.count("DetachNetworkInterface") == 1)
    (eni,) = rig.made()
    rig.run(4)
    assert next(each for each in rig.made()).instance == ""
    rig.faults(*old(100, until=150))
    rig.start()
    rig.want("new")
    for _ in range(15):
        rig.run(10)
        rig.check()
    assert rig.addresses_of("new").isdisjoint(eni.ipv4) or eni.id not in [each.id for each in rig.made()]
    rig.run(400)
    assert rig.served == 1
    rig.check_rest()
