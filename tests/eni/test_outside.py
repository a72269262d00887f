"""Cases T34 and T35 of the reliability matrix: what others change, and lists that are old."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from terway_edge.core.addresses import Address
from terway_edge.eni.listing import PERIOD, SECOND_LOOK, SETTLED
from terway_edge.eni.partings import REMEMBERED
from terway_edge.eni.policy import Policy
from terway_edge.testing.cloud_faults import Fault
from tests.eni.rig import COOLDOWN, Rig, names

SEEN = 60.0  # seconds in which a change of others must be noticed


def settled(pods: int = 4, idle: int = 4, **kinds: object) -> Rig:
    """A node with so many pods and idle addresses on one ENI, long ago."""
    rig = Rig(Policy(min_pool_size=idle, max_pool_size=idle), **kinds)  # type: ignore[arg-type]
    rig.want(*names(pods))
    rig.run(300)
    assert (rig.served, rig.idle()) == (pods, idle)
    return rig


def idle_addresses(rig: Rig) -> list[Address]:
    eni = rig.cloud.enis()[rig.secondary()[0]]
    used = {address for lease in rig.ipam.leases() for address in lease.addresses}
    return [address for address in eni.addresses if address not in used and address != eni.primary]


def given_back(*faults: Fault) -> Rig:
    """A node that has just given back all but the primary address of an old ENI."""
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(10))
    rig.run(400)
    eni = rig.cloud.enis()[rig.secondary()[0]]
    stays = next(name for name in names(10) if rig.address(name) == eni.primary)
    rig.release(*(name for name in names(10) if name != stays))
    rig.cloud.faults["unassign"] = list(faults)
    rig.run(COOLDOWN)
    assert rig.cloud.enis()[eni.id].addresses == (eni.primary,)
    return rig


def grab_all(rig: Rig) -> set[Address]:
    """What new pods are given, as many as there are at once."""
    for number in range(30):
        rig.want(f"grab-{number}")
    found = {rig.address(name) for name in names(30, "grab") if rig.lease(name)}
    for name in names(30, "grab"):
        rig.give_up(name)
    return found


# --- T34: the truth is changed by others ----------------------------------------------------------------------------


def test_t34_an_idle_address_that_was_taken_is_given_to_nobody() -> None:
    rig = settled()
    eni, taken = rig.secondary()[0], idle_addresses(rig)[0]
    rig.cloud.take_address(eni, taken)
    rig.run(SEEN)
    assert taken not in grab_all(rig)
    rig.run(60)
    assert taken not in grab_all(rig)
    assert "AddressesLost" in rig.events.reasons(eni)


def test_t34_a_used_address_that_was_taken_is_flagged_and_its_pod_left_alone() -> None:
    rig = settled()
    eni = rig.secondary()[0]
    name = next(name for name in names(4) if rig.address(name) != rig.cloud.enis()[eni].primary)
    taken = rig.address(name)
    rig.cloud.take_address(eni, taken)
    rig.run(SEEN + SECOND_LOOK)
    assert rig.address(name) == taken
    lost = [condition for condition in rig.keeper.conditions() if condition.reason == "AddressLost"]
    assert [condition.subject for condition in lost] == [str(taken)]
    rig.release(name)
    rig.run(COOLDOWN + 1)
    assert taken not in grab_all(rig)
    assert "AddressLost" not in rig.reasons()


@pytest.mark.parametrize(
    "take_away",
    [
        lambda rig, eni: rig.cloud.tear_off(eni),
        lambda rig, eni: rig.cloud.drop(eni),
        lambda rig, eni: rig.cloud.move(eni, "i-other"),
    ],
    ids=["detached", "deleted", "moved"],
)
def test_t34_an_eni_that_was_taken_away(take_away: Callable[[Rig, str], None]) -> None:
    rig = settled()
    eni = rig.secondary()[0]
    before = set(rig.cloud.enis()[eni].addresses)
    take_away(rig, eni)
    rig.run(SEEN)
    assert grab_all(rig) & before <= rig.cloud.owned()  # the cloud may give a new ENI the same ones
    assert {"EniMissing", "AddressLost"} & set(rig.reasons())
    assert {rig.address(name) for name in names(4)} <= before
    rig.run(SECOND_LOOK + 1)
    assert "EniMissing" not in rig.reasons()
    assert rig.reasons().count("AddressLost") == 4
    rig.run(120)
    assert rig.idle() == 4  # on another ENI
    rig.release(*names(4))
    rig.run(COOLDOWN)
    assert grab_all(rig) & before <= rig.cloud.owned()  # the cloud may give a new ENI the same ones
    assert rig.reasons() == []
    if eni in rig.cloud.enis() and rig.cloud.enis()[eni].instance:
        assert rig.cloud.made("delete_eni") == 0  # it is another instance's


def test_t34_an_eni_on_its_way_out_is_used_no_more_and_again_if_it_stays() -> None:
    rig = settled()
    eni = rig.secondary()[0]
    before = set(rig.cloud.enis()[eni].addresses)
    rig.cloud._attach_seconds = 1000.0
    rig.cloud.detach(eni, "i-node", 0.0)
    rig.run(SEEN)
    assert not grab_all(rig) & before
    rig.cloud.move(eni, "i-node")
    rig.run(2 * SEEN)
    assert len(grab_all(rig) & before) == 4
    assert "EniMissing" not in rig.reasons()


def test_t34_other_security_groups_are_seen() -> None:
    rig = settled()
    eni = rig.secondary()[0]
    rig.cloud.enis()[eni] = replace(rig.cloud.enis()[eni], security_groups=("sg-z",))
    rig.run(SEEN)
    lease = rig.lease("pod-0")
    assert lease is not None
    seen = rig.keeper.eni_of(lease)
    assert seen is not None
    assert seen.security_groups == ("sg-z",)


def test_t34_an_address_that_somebody_adds_is_stock_after_two_looks() -> None:
    rig = settled()
    eni = rig.cloud.enis()[rig.secondary()[0]]
    new = Address.parse("10.0.200.1")
    rig.cloud.enis()[eni.id] = replace(eni, addresses=(*eni.addresses, new))
    before = rig.cloud.made("enis_of")
    rig.run(SEEN + SECOND_LOOK + 1, until=lambda: rig.idle() == 5)
    assert rig.idle() == 5
    assert rig.cloud.made("enis_of") - before == 2


# --- T35: lists are old ---------------------------------------------------------------------------------------------


def test_t35_old_lists_never_take_an_address_from_a_pod() -> None:
    """Addresses of the last five minutes are in no list: their pods keep them, and they come back."""
    rig = settled(pods=0, idle=0)
    rig.want(*names(12))
    rig.run(30)
    assert rig.served == 12
    before = {lease.key: lease for lease in rig.ipam.leases()}
    rig.cloud.staleness = 300.0
    rig.run(280)
    assert {lease.key: lease for lease in rig.ipam.leases()} == before
    assert rig.cloud.made("unassign", "detach", "delete_eni") == 0
    rig.cloud.staleness = 0.0
    rig.run(2 * PERIOD)
    rig.release(*names(12))
    rig.run(COOLDOWN)
    assert rig.idle() == 12
    assert rig.reasons() == []


def test_t35_a_new_address_is_good_although_no_list_has_it() -> None:
    rig = settled(pods=1, idle=0)
    rig.cloud.staleness = 300.0
    rig.want(*names(5, "late"))
    rig.run(SETTLED / 2)
    assert rig.served == 6


def test_t35_what_was_given_back_is_not_taken_from_an_old_list() -> None:
    """The cloud has given it to somebody else."""
    rig = given_back()
    rig.cloud.staleness = 300.0
    for _ in range(25):
        rig.run(10)
        assert rig.idle() == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_t35_an_eni_that_was_deleted_is_not_taken_from_an_old_list(restarts: bool) -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(3))
    rig.run(30)
    rig.release(*names(3))
    rig.run(COOLDOWN + 30)
    assert list(rig.cloud.enis()) == ["eni-primary"]
    rig.cloud.staleness = 70.0
    if restarts:
        rig.start()
    for _ in range(7):
        rig.run(10)
        assert rig.idle() == 0
    assert rig.cloud.made("detach", "delete_eni") == 2


def test_t35_partings_outlive_the_process() -> None:
    rig = given_back()
    rig.cloud.staleness = 300.0
    rig.start()
    for _ in range(20):
        rig.run(10)
        assert rig.idle() == 0


def test_t35_a_parting_that_was_not_confirmed_is_asked_for_again_by_the_next_process() -> None:
    rig = given_back(Fault.LOST)
    rig.cloud.staleness = 300.0
    rig.start()
    for _ in range(6):
        rig.run(10)
        assert rig.idle() == 0
    assert rig.cloud.made("unassign") == 2


def test_t35_a_new_eni_is_good_although_no_list_has_it() -> None:
    rig = Rig(Policy(min_pool_size=5, max_pool_size=5))
    rig.run(200, until=lambda: rig.idle() == 5)
    rig.cloud.staleness = 300.0
    rig.run(SETTLED)
    assert rig.cloud.made("enis_of") > 3
    rig.want(*names(5))
    assert rig.served == 5


def test_partings_are_forgotten_in_the_end() -> None:
    rig = Rig(Policy(max_pool_size=0, trim_after=0))
    rig.want(*names(3))
    rig.run(30)
    rig.release(*names(3))
    rig.run(COOLDOWN + 30)
    assert rig.keeper._pool.memory.gone
    rig.run(REMEMBERED)
    assert rig.keeper._pool.memory.gone == ()
    assert rig.keeper._pool.memory.parted == ()


def test_t35_flapping_lists_change_nothing_for_pods() -> None:
    rig = settled(pods=6, idle=4)
    before = {lease.key: lease for lease in rig.ipam.leases()}
    for number in range(60):
        rig.cloud.staleness = 290.0 if number % 2 else 0.0
        rig.run(7)
    assert {lease.key: lease for lease in rig.ipam.leases()} == before
    assert rig.cloud.made("unassign", "detach", "delete_eni") == 0
    rig.cloud.staleness = 0.0
    rig.run(3 * PERIOD)
    assert rig.idle() == 4
