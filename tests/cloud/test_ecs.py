"""The cloud port on ECS, against the emulator without faults."""

from __future__ import annotations

import pytest

from terway_edge.cloud.ecs_reading import EcsReader
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import AddressWish, Cause, CloudError, EniKind, EniStatus, EniWish, Instance, Limits
from terway_edge.testing.openapi.site import EniSpec, VSwitchSpec
from tests.cloud.rig import Canned, client_of

WISH = EniWish("intent-1", "vsw-h", ("sg-1", "sg-2"), ipv4=3, tags={"creator": "terway-edge", "node": "n1"})


@pytest.fixture
def ecs(world):
    return world.ecs


@pytest.fixture
def eni(world):
    """An ENI that i-1 has."""
    made = world.ecs.create_eni(WISH, world.deadline)
    world.ecs.attach(made.id, "i-1", world.deadline)
    return made


def test_features(ecs):
    features = ecs.features
    assert features.attaches_hot
    assert features.assigns_many
    assert features.has_tokens
    assert features.has_tags
    assert features.has_ipv6
    assert features.has_prefixes
    assert features.batch == 10


def test_a_created_eni_has_all_that_was_wished_for(ecs, world):
    made = ecs.create_eni(WISH._replace(ipv6=2, resource_group="rg-1"), world.deadline)
    assert made.status is EniStatus.AVAILABLE
    assert made.kind is EniKind.SECONDARY
    assert (made.vswitch, made.zone, made.instance) == ("vsw-h", "cn-hangzhou-h", "")
    assert made.security_groups == ("sg-1", "sg-2")
    assert made.tags == WISH.tags
    assert not made.checks_source
    assert len(made.mac) == 6
    assert [each.family for each in made.addresses] == [4, 4, 4, 6, 6]
    assert made.primary in made.addresses
    emulated = next(each for each in world.emulator.enis() if each.id == made.id)
    assert bytes.fromhex(emulated.mac.replace(":", "")) == made.mac
    assert emulated.primary == made.primary
    assert emulated.resource_group == "rg-1"
    assert emulated.delete_on_release


def test_a_source_check_that_is_wished_for_is_there_until_it_is_disabled(ecs, world):
    made = ecs.create_eni(WISH._replace(checks_source=True), world.deadline)
    assert made.checks_source
    ecs.disable_source_check(made.id, world.deadline)
    assert [each.checks_source for each in ecs.find_enis(world.deadline, tags=WISH.tags)] == [False]


def test_prefixes_at_creation(ecs, world):
    made = ecs.create_eni(WISH._replace(ipv4=1, ipv4_prefixes=2, ipv6_prefixes=1), world.deadline)
    assert [(each.family, each.length) for each in made.prefixes] == [(4, 28), (4, 28), (6, 80)]
    assert made.addresses == (made.primary,)


def test_an_attached_eni_is_of_its_instance_and_attaching_twice_is_success(ecs, world, eni):
    ecs.attach(eni.id, "i-1", world.deadline)
    primary, secondary = sorted(ecs.enis_of("i-1", world.deadline), key=lambda each: each.kind is EniKind.SECONDARY)
    assert primary.kind is EniKind.PRIMARY
    assert (secondary.id, secondary.instance, secondary.status) == (eni.id, "i-1", EniStatus.IN_USE)
    assert ecs.enis_of("i-2", world.deadline)[0].instance == "i-2"


def test_what_another_instance_has_is_not_attached(ecs, world, eni):
    world.emulator.log.clear()
    with pytest.raises(CloudError) as caught:
        ecs.attach(eni.id, "i-2", world.deadline)
    assert caught.value.cause is Cause.CONFLICT
    assert world.count("AttachNetworkInterface") == 1  # states change slowly: whoever wants to may try again


def test_detach_and_delete_twice(ecs, world, eni):
    for _ in range(2):
        ecs.detach(eni.id, "i-1", world.deadline)
    assert ecs.find_enis(world.deadline, tags=WISH.tags)[0].status is EniStatus.AVAILABLE
    for _ in range(2):
        ecs.delete_eni(eni.id, world.deadline)
    assert ecs.find_enis(world.deadline, tags=WISH.tags) == []
    ecs.detach(eni.id, "i-1", world.deadline)


def test_an_eni_in_use_is_not_deleted(ecs, world, eni):
    with pytest.raises(CloudError) as caught:
        ecs.delete_eni(eni.id, world.deadline)
    assert caught.value.cause is Cause.CONFLICT
    assert "wait for the change under way" in str(caught.value)


def test_detaching_from_an_instance_that_has_it_not_leaves_it_where_it_is(ecs, world, eni):
    ecs.detach(eni.id, "i-2", world.deadline)
    assert [each.instance for each in ecs.find_enis(world.deadline, tags=WISH.tags)] == ["i-1"]


def test_the_primary_eni_stays(ecs, world):
    primary = ecs.enis_of("i-1", world.deadline)[0]
    with pytest.raises(CloudError) as caught:
        ecs.detach(primary.id, "i-1", world.deadline)
    assert caught.value.error_code == "InvalidOperation.DetachPrimaryEniNotAllowed"


def test_addresses_of_both_kinds_and_families_come_and_go(ecs, world, eni):
    wish = AddressWish("intent-2", eni.id, ipv4=4, ipv6=2, ipv4_prefixes=1, ipv6_prefixes=1)
    added = ecs.assign(wish, world.deadline)
    kinds = [(type(each), each.family) for each in added]
    assert kinds == [(Address, 4)] * 4 + [(Prefix, 4)] + [(Address, 6)] * 2 + [(Prefix, 6)]
    owned = ecs.enis_of("i-1", world.deadline)[-1]
    assert {*owned.addresses, *owned.prefixes} == {*eni.addresses, *added}
    for _ in range(2):
        ecs.unassign(eni.id, added, world.deadline)
    left = ecs.enis_of("i-1", world.deadline)[-1]
    assert {*left.addresses, *left.prefixes} == {*eni.addresses}


def test_no_more_than_a_batch_is_asked_for(ecs, world):
    made = ecs.create_eni(WISH, world.deadline)
    assert len(ecs.assign(AddressWish("i", made.id, ipv4=25), world.deadline)) == 10
    assert world.count("AssignPrivateIpAddresses") == 1


def test_many_addresses_are_unassigned_by_ten(ecs, world):
    made = ecs.create_eni(WISH._replace(ipv4=26), world.deadline)
    ecs.unassign(made.id, [each for each in made.addresses if each != made.primary], world.deadline)
    assert [each.addresses for each in ecs.find_enis(world.deadline, tags=WISH.tags)] == [(made.primary,)]
    assert world.count("UnassignPrivateIpAddresses") == 3


def test_one_that_is_gone_does_not_keep_the_others(ecs, world, eni):
    """The API refuses all of a call that names one missing address."""
    gone, *others = ecs.assign(AddressWish("i", eni.id, ipv4=5), world.deadline)
    with world.emulator.outside() as outside:
        outside.unassign_address(str(gone))
    ecs.unassign(eni.id, [gone, *others], world.deadline)
    assert set(ecs.enis_of("i-1", world.deadline)[-1].addresses) == set(eni.addresses)


def test_unassigning_from_an_eni_that_is_gone_is_success(ecs, world):
    ecs.unassign("eni-none", [Address.parse("192.168.0.9")], world.deadline)
    assert world.count("UnassignPrivateIpAddresses") == 1


def test_the_primary_address_is_not_unassigned(ecs, world, eni):
    with pytest.raises(CloudError) as caught:
        ecs.unassign(eni.id, [eni.primary], world.deadline)
    assert caught.value.cause is Cause.INVALID


def test_what_is_added_counts_when_the_rest_is_refused_for_good(ecs, world, eni):
    """The instance type allows 15 addresses of each family."""
    ecs.assign(AddressWish("first", eni.id, ipv6=10), world.deadline)
    added = ecs.assign(AddressWish("second", eni.id, ipv4=2, ipv6=10), world.deadline)
    assert [each.family for each in added] == [4, 4]


def test_what_is_refused_at_once_is_raised(ecs, world, eni):
    ecs.assign(AddressWish("first", eni.id, ipv4=10), world.deadline)
    with pytest.raises(CloudError) as caught:
        ecs.assign(AddressWish("second", eni.id, ipv4=10), world.deadline)
    assert caught.value.cause is Cause.QUOTA
    assert caught.value.error_code == "InvalidOperation.Ipv4CountExceeded"
    assert not caught.value.is_retryable


def test_enis_are_found_by_all_their_tags(ecs, world):
    first = ecs.create_eni(WISH, world.deadline)
    ecs.create_eni(WISH._replace(intent="intent-2", tags={"creator": "terway-edge", "node": "n2"}), world.deadline)
    assert [each.id for each in ecs.find_enis(world.deadline, tags=WISH.tags)] == [first.id]
    assert len(ecs.find_enis(world.deadline, tags={"creator": "terway-edge"})) == 2
    assert len(ecs.find_enis(world.deadline)) == 4  # those of the instances too


def test_all_pages_of_a_long_listing_are_read(new_world, site):
    """ECS shows 500 ENIs in an answer at most."""
    vswitch = VSwitchSpec(id="vsw-wide", zone="cn-hangzhou-h", cidr=Prefix.parse("192.168.128.0/20"))
    vpc = site.regions[0].vpcs[0]
    region = site.regions[0].model_copy(
        update={"vpcs": (vpc.model_copy(update={"vswitches": (*vpc.vswitches, vswitch)}),)}
    )
    base = Address.parse("192.168.128.10").value
    enis = tuple(EniSpec(vswitch="vsw-wide", address=Address(4, base + number)) for number in range(1100))
    world = new_world(site.model_copy(update={"regions": (region,), "enis": enis}))
    found = world.ecs.find_enis(world.deadline)
    assert len({each.id for each in found}) == len(found) == 1102
    assert world.count("DescribeNetworkInterfaces") == 3


def test_a_listing_without_an_end_is_not_read_for_ever(time_):
    """A token that comes again."""
    page = {"NetworkInterfaceSets": {"NetworkInterfaceSet": []}, "NextToken": "again"}
    reader = EcsReader(client_of(Canned(page, page, page), time_))
    with pytest.raises(CloudError, match="the listing has no end"):
        reader.enis({}, time_.clock.now() + 5)


@pytest.mark.parametrize("action", ["AttachNetworkInterface", "DetachNetworkInterface", "DeleteNetworkInterface"])
def test_a_missing_permission_is_told_whatever_the_state(ecs, world, eni, action):
    world.faults({"action": action, "kind": "error", "code": "Forbidden.RAM", "status": 403})
    verbs = {
        "AttachNetworkInterface": lambda: ecs.attach(eni.id, "i-1", world.deadline),
        "DetachNetworkInterface": lambda: ecs.detach(eni.id, "i-2", world.deadline),
        "DeleteNetworkInterface": lambda: ecs.delete_eni(eni.id, world.deadline),
    }
    with pytest.raises(CloudError) as caught:
        verbs[action]()
    assert caught.value.cause is Cause.DENIED
    assert world.count("DescribeNetworkInterfaces") == 0


def test_instance(ecs, world):
    assert ecs.instance("i-1", world.deadline) == Instance("i-1", "ecs.g7.xlarge", "cn-hangzhou-h", "vpc-1", "vsw-h")
    with world.emulator.outside() as outside:
        outside.stop_instance("i-1")
    assert not ecs.instance("i-1", world.deadline).is_running


def test_what_is_not_there(ecs, world):
    for ask in (
        lambda: ecs.instance("i-none", world.deadline),
        lambda: ecs.limits("ecs.none", world.deadline),
        lambda: ecs.attach("eni-none", "i-1", world.deadline),
        lambda: ecs.create_eni(WISH._replace(vswitch="vsw-none"), world.deadline),
        lambda: ecs.disable_source_check("eni-none", world.deadline),
    ):
        with pytest.raises(CloudError) as caught:
            ask()
        assert caught.value.cause is Cause.MISSING
        assert "not found" not in str(caught.value).lower()


def test_limits_are_asked_once(ecs, world):
    for _ in range(3):
        assert ecs.limits("ecs.g7.xlarge", world.deadline) == Limits(4, 15, 15)
    assert world.count("DescribeInstanceTypes") == 1


def test_vswitches_with_their_gateways(ecs, world):
    one, two = ecs.vswitches(["vsw-h", "vsw-none", "vsw-j"], world.deadline)
    assert (one.id, one.zone, one.free) == ("vsw-h", "cn-hangzhou-h", 251)
    assert one.cidr == Prefix.parse("192.168.0.0/24")
    assert one.gateway == Address.parse("192.168.0.253")
    assert two.ipv6_cidr == Prefix.parse("2001:db8:1:2::/64")
    assert two.ipv6_gateway == Address.parse("2001:db8:1:2:ffff:ffff:ffff:fffd")
    assert ecs.vswitches([], world.deadline) == []


def test_an_exhausted_vswitch_is_told_as_such(ecs, world):
    for number in range(5):
        ecs.create_eni(WISH._replace(intent=f"fill-{number}", ipv4=50), world.deadline)
    with pytest.raises(CloudError) as caught:
        ecs.create_eni(WISH._replace(intent="last", ipv4=10), world.deadline)
    assert caught.value.cause is Cause.EXHAUSTED
    assert "add another vSwitch of the same zone" in str(caught.value)
    assert caught.value.request_id in str(caught.value)
