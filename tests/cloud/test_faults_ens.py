"""ENS when calls fail: without tokens, an ENI is found by its name and addresses by what the ENI has more."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.core.cloud import AddressWish, Cause, CloudError, EniStatus, EniWish
from terway_edge.testing.openapi.example import example_site
from tests.cloud.rig import World
from tests.cloud.test_faults_ecs import PASSING

WISH = EniWish("terway-edge-i-e1-1", "vsw-e1", ("sg-e1",))


@pytest.fixture
def eni(world):
    return world.ens.enis_of("i-e1", world.deadline)[-1]


@pytest.fixture(params=[*PASSING.values(), {"kind": "error", "code": "ens.interface.error"}], ids=[*PASSING, "generic"])
def fault(request):
    return request.param


def test_create(world, fault):
    world.faults({"action": "ens:CreateNetworkInterface", "count": 1, **fault})
    made = world.ens.create_eni(WISH, world.deadline)
    assert [each.id for each in world.ens.find_enis(world.deadline, name=WISH.intent)] == [made.id]


def test_assign(world, eni, fault):
    world.faults({"action": "AssignPrivateIpAddresses", "calls": [2], **fault})
    wish = AddressWish("i", eni.id, before=eni.addresses, ipv4=4)
    added = world.ens.assign(wish, world.deadline)
    assert len(set(added)) == 4
    assert set(world.ens.enis_of("i-e1", world.deadline)[-1].addresses) == {*eni.addresses, *added}


def test_unassign(world, eni, fault):
    added = world.ens.assign(AddressWish("i", eni.id, ipv4=2), world.deadline)
    world.faults({"action": "UnassignPrivateIpAddresses", "count": 1, **fault})
    world.ens.unassign(eni.id, added, world.deadline)
    assert world.ens.enis_of("i-e1", world.deadline)[-1].addresses == eni.addresses


def test_attach_detach_and_delete(world, fault):
    made = world.ens.create_eni(WISH, world.deadline)
    with world.emulator.outside() as outside:
        outside.stop_instance("i-e1")
    actions = ("AttachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterfaces")
    world.faults(*({"action": action, "count": 1, **fault} for action in actions))
    world.ens.attach(made.id, "i-e1", world.deadline)
    assert len(world.ens.enis_of("i-e1", world.deadline)) == 4
    world.ens.detach(made.id, "i-e1", world.deadline)
    assert len(world.ens.enis_of("i-e1", world.deadline)) == 3
    world.ens.delete_eni(made.id, world.deadline)
    assert world.ens.find_enis(world.deadline, name=WISH.intent) == []


def test_detaching_that_is_under_way_is_success(world, eni):
    with world.emulator.outside() as outside:
        outside.stop_instance("i-e1")
    world.faults({"action": "DetachNetworkInterface", "kind": "stuck", "seconds": 20})
    for _ in range(2):
        world.ens.detach(eni.id, "i-e1", world.deadline)
    assert world.count("DetachNetworkInterface") == 1
    assert world.ens.enis_of("i-e1", world.deadline)[-1].status is EniStatus.DETACHING


def test_an_eni_that_was_made_and_is_not_listed_yet_is_waited_for(world):
    """Listings lag: asking for another one would leave two."""
    world.faults({"action": "ens:DescribeNetworkInterfaces", "kind": "stale", "seconds": 5})
    world.time.clock.advance(60)
    made = world.ens.create_eni(WISH, world.deadline)
    assert made.name == WISH.intent
    assert world.count("CreateNetworkInterface") == 1
    assert world.time.pauses


@pytest.mark.parametrize("action", ["CreateNetworkInterface", "AssignPrivateIpAddresses"])
def test_a_lost_answer_and_a_listing_that_lags_leave_no_second_one(world, action):
    eni = world.ens.enis_of("i-e1", world.deadline)[-1]
    world.faults(
        {"action": f"ens:{action}", "count": 1, "kind": "drop", "when": "after"},
        {"action": "ens:DescribeNetworkInterfaces", "kind": "stale", "seconds": 2},
    )
    world.time.clock.advance(60)
    if action == "CreateNetworkInterface":
        world.ens.create_eni(WISH, world.deadline)
        assert [each.name for each in world.emulator.enis() if each.name] == [WISH.intent]
    else:
        added = world.ens.assign(AddressWish("i", eni.id, before=eni.addresses, ipv4=1), world.deadline)
        assert world.emulator.enis("i-e1")[-1].ipv4 == (eni.primary, *added)
    assert world.count(action) == 1


def test_when_all_answers_are_lost_the_same_wish_later_gives_the_same_addresses(world, eni):
    wish = AddressWish("i", eni.id, before=eni.addresses, ipv4=1)
    world.faults({"action": "AssignPrivateIpAddresses", "kind": "drop", "when": "after"})
    with pytest.raises(CloudError) as caught:
        world.ens.assign(wish, world.time.clock.now() + 0.1)
    assert caught.value.cause is Cause.UNAVAILABLE
    world.faults()
    added = world.ens.assign(wish, world.deadline)
    assert world.count("AssignPrivateIpAddresses") == 0
    assert set(world.ens.enis_of("i-e1", world.deadline)[-1].addresses) == {*eni.addresses, *added}


def test_an_answer_without_an_address_ends_the_wish(world, eni):
    world.faults({"action": "AssignPrivateIpAddresses", "kind": "partial", "portion": 0})
    assert world.ens.assign(AddressWish("i", eni.id, ipv4=3), world.deadline) == ()
    assert world.count("AssignPrivateIpAddresses") == 1


def test_what_is_added_counts_when_the_rest_is_refused_for_good(world, eni):
    refusal = {"kind": "error", "code": "InvalidVSwitchId.IpNotEnough"}
    world.faults({"action": "AssignPrivateIpAddresses", "calls": [3, 4], **refusal})
    assert len(world.ens.assign(AddressWish("i", eni.id, ipv4=5), world.deadline)) == 2
    with pytest.raises(CloudError) as caught:
        world.ens.assign(AddressWish("j", eni.id, ipv4=5), world.deadline)
    assert caught.value.cause is Cause.EXHAUSTED


def test_one_call_about_an_eni_is_in_flight(world, eni):
    """Two at once could not tell whose address is whose."""
    world.faults({"action": "AssignPrivateIpAddresses", "kind": "slow", "seconds": 0.05})
    found: list[object] = []
    wishes = [AddressWish(f"i-{number}", eni.id, ipv4=2) for number in range(4)]

    def ask(wish: AddressWish) -> None:
        found.extend(world.ens.assign(wish, world.deadline))

    threads = [threading.Thread(target=ask, args=(wish,)) for wish in wishes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 8
    assert set(world.ens.enis_of("i-e1", world.deadline)[-1].addresses) == {*eni.addresses, *found}


LOSSES = st.lists(
    st.tuples(
        st.sampled_from(["CreateNetworkInterface", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"]),
        st.integers(1, 8),
        st.sampled_from(["before", "after"]),
    ),
    max_size=8,
)


@given(losses=LOSSES)
@settings(max_examples=25)
def test_whatever_is_lost_there_is_one_of_each(losses):
    with World(example_site()) as world:
        world.faults(*({"action": f"ens:{action}", "calls": [n], "kind": "drop", "when": w} for action, n, w in losses))
        made = world.ens.create_eni(WISH, world.deadline)
        added = world.ens.assign(AddressWish("i", made.id, before=made.addresses, ipv4=4), world.deadline)
        world.ens.unassign(made.id, added[:2], world.deadline)
        (found,) = world.ens.find_enis(world.deadline, name=WISH.intent)
        assert set(found.addresses) == {made.primary, *added[2:]}
