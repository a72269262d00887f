"""The fake cloud is strict: what it lets pass would pass the real one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.cloud import AddressWish, Cause, CloudError, EniStatus, EniWish, Limits
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.cloud_faults import Fault
from terway_edge.testing.fake_cloud import ENS, FakeCloud

WISH = EniWish("intent", "vsw-a", ("sg-a",), 3, tags={"a": "b"})


def refused(cause: Cause, function: Callable[[], object]) -> None:
    with pytest.raises(CloudError) as caught:
        function()
    assert caught.value.cause is cause


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> FakeCloud:
    return FakeCloud(clock, Limits(3, 4, 4), vswitches={"vsw-a": "10.0.0.0/28"})


def test_a_token_makes_one_eni_and_serves_one_wish(cloud: FakeCloud) -> None:
    first = cloud.create_eni(WISH, 0)
    assert cloud.create_eni(WISH, 0) == first
    assert len(cloud.enis()) == 2
    refused(Cause.SPENT, lambda: cloud.create_eni(WISH._replace(ipv4=2), 0))


def test_an_eni_is_attached_after_a_while_and_once(cloud: FakeCloud, clock: FakeClock) -> None:
    eni = cloud.create_eni(WISH, 0)
    assert eni.status is EniStatus.AVAILABLE
    assert eni.id not in {each.id for each in cloud.enis_of("i-node", 0)}
    cloud.attach(eni.id, "i-node", 0)
    cloud.attach(eni.id, "i-node", 0)
    assert cloud.enis()[eni.id].status is EniStatus.ATTACHING
    refused(Cause.CONFLICT, lambda: cloud.detach(eni.id, "i-node", 0))
    clock.advance(3)
    assert cloud.enis()[eni.id].status is EniStatus.IN_USE
    refused(Cause.CONFLICT, lambda: cloud.delete_eni(eni.id, 0))
    cloud.detach(eni.id, "i-node", 0)
    refused(Cause.CONFLICT, lambda: cloud.attach(eni.id, "i-node", 0))
    clock.advance(3)
    cloud.delete_eni(eni.id, 0)
    clock.advance(3)
    assert eni.id not in cloud.enis()
    cloud.delete_eni(eni.id, 0)
    cloud.detach(eni.id, "i-node", 0)


def test_quotas_hold(cloud: FakeCloud) -> None:
    enis = [cloud.create_eni(WISH._replace(intent=f"intent-{n}"), 0).id for n in range(3)]
    cloud.attach(enis[0], "i-node", 0)
    cloud.attach(enis[1], "i-node", 0)
    refused(Cause.QUOTA, lambda: cloud.attach(enis[2], "i-node", 0))
    refused(Cause.QUOTA, lambda: cloud.assign(AddressWish("a", enis[2], ipv4=2), 0))
    assert cloud.free("vsw-a") == 16 - 5 - 10
    cloud.assign(AddressWish("b", enis[2], ipv4=1), 0)
    refused(Cause.EXHAUSTED, lambda: cloud.create_eni(WISH._replace(intent="more", ipv4=1), 0))


def test_an_address_has_one_owner(cloud: FakeCloud) -> None:
    first, second = (cloud.create_eni(WISH._replace(intent=f"intent-{n}"), 0) for n in range(2))
    assert not set(first.addresses) & set(second.addresses)
    cloud.take_address(first.id, first.addresses[-1])
    refused(Cause.EXHAUSTED, lambda: cloud.create_eni(WISH._replace(intent="more", ipv4=5), 0))
    third = cloud.create_eni(WISH._replace(intent="more", ipv4=4), 0)
    assert first.addresses[-1] not in third.addresses


def test_what_is_given_back_is_out_again_at_once(cloud: FakeCloud) -> None:
    eni = cloud.create_eni(WISH, 0)
    cloud.unassign(eni.id, eni.addresses[1:2], 0)
    assert cloud.assign(AddressWish("a", eni.id, ipv4=1), 0) == eni.addresses[1:2]
    refused(Cause.INVALID, lambda: cloud.unassign(eni.id, [eni.primary], 0))


def test_nonsense_is_refused(cloud: FakeCloud) -> None:
    refused(Cause.MISSING, lambda: cloud.create_eni(WISH._replace(vswitch="vsw-x"), 0))
    refused(Cause.INVALID, lambda: cloud.create_eni(WISH._replace(security_groups=()), 0))
    refused(Cause.MISSING, lambda: cloud.attach("eni-x", "i-node", 0))
    refused(Cause.CONFLICT, lambda: cloud.detach("eni-primary", "i-node", 0))


def test_ens_attaches_nothing_and_gives_one_address_a_call(clock: FakeClock) -> None:
    cloud = FakeCloud(clock, features=ENS)
    eni = cloud.add_eni()
    loose = replace(eni, status=EniStatus.AVAILABLE, instance="")
    cloud.enis()[eni.id] = loose
    refused(Cause.INVALID, lambda: cloud.attach(eni.id, "i-node", 0))
    added = cloud.assign(AddressWish("a", eni.id, eni.addresses, ipv4=5), 0)
    assert len(added) == 1
    assert cloud.assign(AddressWish("a", eni.id, eni.addresses, ipv4=5), 0) == added  # what it has more than before


@pytest.mark.parametrize(
    ("fault", "made"), [(Fault.THROTTLE, 0), (Fault.BEFORE, 0), (Fault.DENIED, 0), (Fault.LOST, 1)]
)
def test_faults_come_before_or_after_the_effect(cloud: FakeCloud, fault: Fault, made: int) -> None:
    cloud.faults["create_eni"] = [fault]
    with pytest.raises(CloudError):
        cloud.create_eni(WISH, 0)
    assert len(cloud.enis()) == 1 + made
    cloud.create_eni(WISH, 0)
    assert len(cloud.enis()) == 2
    assert [call.outcome for call in cloud.calls] == [fault, ""]


def test_old_lists_show_what_was(cloud: FakeCloud, clock: FakeClock) -> None:
    cloud.create_eni(WISH, 0)
    clock.advance(10)
    eni = cloud.create_eni(WISH._replace(intent="later"), 0)
    clock.advance(10)
    cloud.take_address(eni.id, eni.addresses[1])
    clock.advance(10)
    shown = {}
    for age in (0.0, 15.0, 25.0, 35.0):
        cloud.staleness = age
        shown[age] = {each.id: len(each.addresses) for each in cloud.find_enis(0, tags={"a": "b"})}
    assert shown == {
        0.0: {"eni-1": 3, "eni-2": 2},
        15.0: {"eni-1": 3, "eni-2": 3},
        25.0: {"eni-1": 3},
        35.0: {},
    }


def test_a_stuck_change_ends_when_it_is_told_to(cloud: FakeCloud, clock: FakeClock) -> None:
    eni = cloud.create_eni(WISH, 0)
    cloud.faults["attach"] = [Fault.STUCK]
    cloud.attach(eni.id, "i-node", 0)
    clock.advance(1000)
    assert cloud.enis()[eni.id].status is EniStatus.ATTACHING
    cloud.unstick()
    clock.advance(3)
    assert cloud.enis()[eni.id].status is EniStatus.IN_USE


def test_owned_are_the_addresses_of_enis_in_use(cloud: FakeCloud) -> None:
    primary = cloud.enis()["eni-primary"].primary
    cloud.create_eni(WISH, 0)
    assert cloud.owned() == {primary}
    eni = cloud.add_eni(2)
    assert cloud.owned() == {primary, *eni.addresses}
    assert Address.parse("10.0.0.1") == primary
