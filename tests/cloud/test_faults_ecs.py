"""ECS when calls fail: each verb has its effect once, whatever is lost, and a wish that failed can be uttered again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.core.cloud import AddressWish, Cause, CloudError, EniStatus, EniWish
from terway_edge.testing.openapi.example import example_site
from tests.cloud.rig import World

WISH = EniWish("intent-1", "vsw-h", ("sg-1",), ipv4=3, tags={"creator": "terway-edge"})
PASSING = {
    "lost before": {"kind": "drop", "when": "before"},
    "lost after": {"kind": "drop", "when": "after"},
    "503": {"kind": "server_error"},
    "500": {"kind": "server_error", "code": "InternalError", "status": 500},
    "a page of a proxy": {"kind": "not_json"},
    "a page with status 200": {"kind": "not_json", "status": 200},
    "empty": {"kind": "empty"},
    "error in 200": {"kind": "error_in_ok"},
    "throttled": {"kind": "throttle"},
    "throttled with 429": {"kind": "throttle", "code": "Rejected.Throttling", "status": 429},
    "busy": {"kind": "error", "code": "Operation.Conflict", "status": 403},
    "the same token under way": {"kind": "error", "code": "LastTokenProcessing", "status": 403},
    "nonce used": {"kind": "error", "code": "SignatureNonceUsed"},
    "an unknown code of the server's": {"kind": "error", "code": "Whatever.Broke", "status": 502},
}


@pytest.fixture
def eni(world):
    made = world.ecs.create_eni(WISH, world.deadline)
    world.ecs.attach(made.id, "i-1", world.deadline)
    return made


@pytest.fixture(params=PASSING.values(), ids=PASSING.keys())
def fault(request):
    return request.param


def test_create(world, fault):
    world.faults({"action": "ecs:CreateNetworkInterface", "count": 1, **fault})
    made = world.ecs.create_eni(WISH, world.deadline)
    assert [each.id for each in world.ecs.find_enis(world.deadline, tags=WISH.tags)] == [made.id]
    first, second = world.emulator.log.calls("CreateNetworkInterface")
    assert first.parameters == second.parameters
    assert first.parameters["ClientToken"] == "intent-1"


def test_attach(world, fault):
    made = world.ecs.create_eni(WISH, world.deadline)
    world.faults({"action": "AttachNetworkInterface", "count": 1, **fault})
    world.ecs.attach(made.id, "i-1", world.deadline)
    assert world.ecs.enis_of("i-1", world.deadline)[-1].id == made.id
    assert world.count("AttachNetworkInterface") == 2


def test_detach(world, eni, fault):
    world.faults({"action": "DetachNetworkInterface", "count": 1, **fault})
    world.ecs.detach(eni.id, "i-1", world.deadline)
    assert len(world.ecs.enis_of("i-1", world.deadline)) == 1


def test_delete(world, fault):
    made = world.ecs.create_eni(WISH, world.deadline)
    world.faults({"action": "DeleteNetworkInterface", "count": 1, **fault})
    world.ecs.delete_eni(made.id, world.deadline)
    assert world.ecs.find_enis(world.deadline, tags=WISH.tags) == []


def test_assign(world, eni, fault):
    world.faults(
        {"action": "AssignPrivateIpAddresses", "count": 1, **fault},
        {"action": "AssignIpv6Addresses", "count": 1, **fault},
    )
    added = world.ecs.assign(AddressWish("intent-2", eni.id, ipv4=4, ipv6=3), world.deadline)
    assert [each.family for each in added] == [4] * 4 + [6] * 3
    assert set(world.ecs.enis_of("i-1", world.deadline)[-1].addresses) == {*eni.addresses, *added}
    tokens = {each.parameters["ClientToken"] for each in world.emulator.log.calls() if "ClientToken" in each.parameters}
    assert tokens == {"intent-2-4", "intent-2-6"}


def test_unassign(world, eni, fault):
    world.faults({"action": "UnassignPrivateIpAddresses", "count": 1, **fault})
    world.ecs.unassign(eni.id, [each for each in eni.addresses if each != eni.primary], world.deadline)
    assert world.ecs.enis_of("i-1", world.deadline)[-1].addresses == (eni.primary,)


def test_listing(world, eni, fault):
    world.faults({"action": "DescribeNetworkInterfaces", "count": 1, **fault})
    assert len(world.ecs.enis_of("i-1", world.deadline)) == 2


def test_a_late_answer_is_a_lost_one(new_world, site):
    world = new_world(site, read_timeout=0.3)
    world.faults({"action": "CreateNetworkInterface", "count": 1, "kind": "slow", "seconds": 0.6})
    made = world.ecs.create_eni(WISH, world.deadline)
    assert [each.id for each in world.ecs.find_enis(world.deadline, tags=WISH.tags)] == [made.id]
    assert world.count("CreateNetworkInterface") == 2


def test_when_all_answers_are_lost_the_same_wish_later_gives_the_same_eni(world):
    world.faults({"action": "CreateNetworkInterface", "kind": "drop", "when": "after"})
    began, deadline = world.time.clock.now(), world.deadline
    with pytest.raises(CloudError) as caught:
        world.ecs.create_eni(WISH, deadline)
    assert caught.value.cause is Cause.UNAVAILABLE
    assert caught.value.is_retryable
    assert world.time.clock.now() <= deadline
    assert world.time.clock.now() - began > 30
    world.faults()
    made = world.ecs.create_eni(WISH, world.deadline)
    assert [each.id for each in world.ecs.find_enis(world.deadline, tags=WISH.tags)] == [made.id]


def test_when_the_second_half_of_a_wish_is_lost_the_same_wish_later_gives_the_whole(world, eni):
    wish = AddressWish("intent-2", eni.id, ipv4=2, ipv6=2)
    world.faults({"action": "AssignIpv6Addresses", "kind": "drop", "when": "after"})
    with pytest.raises(CloudError):
        world.ecs.assign(wish, world.deadline)
    world.faults()
    added = world.ecs.assign(wish, world.deadline)
    assert [each.family for each in added] == [4, 4, 6, 6]
    assert set(world.ecs.enis_of("i-1", world.deadline)[-1].addresses) == {*eni.addresses, *added}


def test_less_than_was_asked_for_is_told(world, eni):
    world.faults({"action": "AssignPrivateIpAddresses", "kind": "partial", "portion": 3})
    added = world.ecs.assign(AddressWish("intent-2", eni.id, ipv4=10), world.deadline)
    assert len(added) == 3
    world.faults({"action": "AssignPrivateIpAddresses", "kind": "partial", "portion": 0})
    assert world.ecs.assign(AddressWish("intent-3", eni.id, ipv4=2), world.deadline) == ()


def test_a_listing_in_another_order_is_the_same(world, eni):
    before = {each.mac: each for each in world.ecs.enis_of("i-1", world.deadline)}
    world.faults({"action": "DescribeNetworkInterfaces", "kind": "reversed"})
    assert {each.mac: each for each in world.ecs.enis_of("i-1", world.deadline)} == before


@pytest.mark.parametrize(
    ("code", "status", "cause"),
    [
        ("Nobody.KnowsThis", 400, Cause.INVALID),
        ("InvalidTimeStamp.Expired", 400, Cause.DENIED),
        ("Forbidden.RAM", 403, Cause.DENIED),
        ("SecurityGroupInstanceLimitExceed", 403, Cause.QUOTA),
        ("IdempotentFailed", 400, Cause.SPENT),
        ("InvalidVSwitchId.IpNotEnough", 403, Cause.EXHAUSTED),
    ],
)
def test_what_does_not_pass_is_asked_once(world, code, status, cause):
    world.faults({"action": "CreateNetworkInterface", "kind": "error", "code": code, "status": status})
    with pytest.raises(CloudError) as caught:
        world.ecs.create_eni(WISH, world.deadline)
    assert (caught.value.cause, caught.value.error_code) == (cause, code)
    assert caught.value.http_status == status
    assert world.count("CreateNetworkInterface") == 1


def test_an_intent_of_another_wish_is_spent(world):
    world.ecs.create_eni(WISH, world.deadline)
    with pytest.raises(CloudError) as caught:
        world.ecs.create_eni(WISH._replace(ipv4=7), world.deadline)
    assert caught.value.cause is Cause.SPENT
    assert not caught.value.is_retryable
    assert len(world.ecs.find_enis(world.deadline, tags=WISH.tags)) == 1


def test_an_eni_that_falls_back_is_available_again(world):
    made = world.ecs.create_eni(WISH, world.deadline)
    world.faults({"action": "AttachNetworkInterface", "kind": "fails", "count": 1})
    world.ecs.attach(made.id, "i-1", world.deadline)
    assert [each.status for each in world.ecs.find_enis(world.deadline, tags=WISH.tags)] == [EniStatus.AVAILABLE]
    world.ecs.attach(made.id, "i-1", world.deadline)
    assert [each.status for each in world.ecs.find_enis(world.deadline, tags=WISH.tags)] == [EniStatus.IN_USE]


def test_attaching_and_detaching_that_is_under_way_is_success(world):
    made = world.ecs.create_eni(WISH, world.deadline)
    world.faults({"action": "AttachNetworkInterface", "kind": "stuck", "seconds": 20})
    for _ in range(2):
        world.ecs.attach(made.id, "i-1", world.deadline)
    assert world.ecs.enis_of("i-1", world.deadline)[-1].status is EniStatus.ATTACHING
    world.time.clock.advance(20)
    world.faults({"action": "DetachNetworkInterface", "kind": "stuck", "seconds": 20})
    for _ in range(2):
        world.ecs.detach(made.id, "i-1", world.deadline)
    assert world.ecs.enis_of("i-1", world.deadline)[-1].status is EniStatus.DETACHING
    with pytest.raises(CloudError) as caught:
        world.ecs.attach(made.id, "i-1", world.deadline)
    assert caught.value.cause is Cause.CONFLICT


def test_a_released_instance_has_nothing_to_detach(world, eni):
    with world.emulator.outside() as outside:
        outside.release_instance("i-1")
    world.ecs.detach(eni.id, "i-1", world.deadline)
    world.ecs.delete_eni(eni.id, world.deadline)
    assert world.ecs.find_enis(world.deadline, tags=WISH.tags) == []


LOSSES = st.lists(
    st.tuples(
        st.sampled_from(["CreateNetworkInterface", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"]),
        st.integers(1, 6),
        st.sampled_from(["before", "after"]),
    ),
    max_size=8,
)


@given(losses=LOSSES)
@settings(max_examples=25)
def test_whatever_is_lost_there_is_one_of_each(losses):
    with World(example_site()) as world:
        world.faults(*({"action": f"ecs:{action}", "calls": [n], "kind": "drop", "when": w} for action, n, w in losses))
        made = world.ecs.create_eni(WISH, world.deadline)
        added = world.ecs.assign(AddressWish("intent-2", made.id, ipv4=5), world.deadline)
        world.ecs.unassign(made.id, added[:2], world.deadline)
        (found,) = world.ecs.find_enis(world.deadline, tags=WISH.tags)
        assert set(found.addresses) == {*made.addresses, *added[2:]}
