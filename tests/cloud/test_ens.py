"""The cloud port on ENS, against the emulator without faults."""

from __future__ import annotations

import pytest

from terway_edge.cloud.ens_reading import EnsReader
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import AddressWish, Cause, CloudError, EniKind, EniStatus, EniWish, Instance, Limits
from terway_edge.testing.openapi.site import EniSpec, EnsLimits
from tests.cloud.rig import Canned, client_of

WISH = EniWish("terway-edge-i-e1-1", "vsw-e1", ("sg-e1",))


@pytest.fixture
def ens(world):
    return world.ens


@pytest.fixture
def eni(world):
    """The first secondary ENI that i-e1 has."""
    return next(each for each in world.ens.enis_of("i-e1", world.deadline) if each.kind is EniKind.SECONDARY)


def test_features(ens):
    features = ens.features
    assert not features.attaches_hot
    assert not features.assigns_many
    assert not features.has_tokens
    assert not features.has_tags
    assert not features.has_ipv6
    assert not features.has_prefixes
    assert features.batch == 1


def test_enis_of_an_instance(ens, world):
    primary, *others = ens.enis_of("i-e1", world.deadline)
    assert primary.kind is EniKind.PRIMARY
    assert [each.kind for each in others] == [EniKind.SECONDARY] * 2
    emulated = world.emulator.enis("i-e1")
    for seen, real in zip([primary, *others], emulated, strict=True):
        assert (seen.id, seen.mac.hex(":"), seen.primary) == (real.id, real.mac, real.primary)
        assert seen.addresses == (real.primary,)
        assert (seen.status, seen.instance, seen.zone) == (EniStatus.IN_USE, "i-e1", "cn-hangzhou-44")
        assert (seen.vswitch, seen.security_groups) == ("vsw-e1", ("sg-e1",))


def test_an_eni_is_made_once_for_a_name(ens, world):
    made = ens.create_eni(WISH, world.deadline)
    assert (made.name, made.status, made.security_groups) == (WISH.intent, EniStatus.AVAILABLE, ("sg-e1",))
    assert ens.create_eni(WISH, world.deadline) == made
    assert world.count("CreateNetworkInterface") == 1
    assert ens.find_enis(world.deadline, name=WISH.intent) == [made]
    assert ens.find_enis(world.deadline, name="terway-edge-i-e1") == []
    assert len(ens.find_enis(world.deadline)) == 4


def test_only_the_site_that_is_set_is_listed(new_world, site):
    world = new_world(site, ens_region="cn-elsewhere-1")
    assert world.ens.find_enis(world.deadline) == []


def test_tags_are_refused_not_passed_over(ens, world):
    with pytest.raises(CloudError) as caught:
        ens.find_enis(world.deadline, tags={"creator": "terway-edge"})
    assert caught.value.cause is Cause.INVALID
    assert world.emulator.log.total == 0


def test_enis_are_bound_while_the_instance_is_stopped(ens, world):
    made = ens.create_eni(WISH, world.deadline)
    with pytest.raises(CloudError) as caught:
        ens.attach(made.id, "i-e1", world.deadline)
    assert not caught.value.is_retryable
    assert "stop it, repeat, and start it again" in str(caught.value)
    with world.emulator.outside() as outside:
        outside.stop_instance("i-e1")
    for _ in range(2):
        ens.attach(made.id, "i-e1", world.deadline)
    assert ens.enis_of("i-e1", world.deadline)[-1].id == made.id
    for _ in range(2):
        ens.detach(made.id, "i-e1", world.deadline)
    for _ in range(2):
        ens.delete_eni(made.id, world.deadline)
    assert ens.find_enis(world.deadline, name=WISH.intent) == []
    ens.detach(made.id, "i-e1", world.deadline)


def test_an_eni_that_moved_to_another_instance_stays_there(ens, world, eni):
    """DetachNetworkInterface of ENS does not say from which instance."""
    with world.emulator.outside() as outside:
        outside.stop_instance("i-e1")
    ens.detach(eni.id, "i-other", world.deadline)
    assert world.count("DetachNetworkInterface") == 0


def test_an_eni_in_use_is_not_deleted(ens, world, eni):
    with pytest.raises(CloudError) as caught:
        ens.delete_eni(eni.id, world.deadline)
    assert caught.value.error_code == "InvalidParameter.NetworkInterfaceIds"
    assert len(world.emulator.enis("i-e1")) == 3


def test_addresses_come_one_by_one_and_go(ens, world, eni):
    added = ens.assign(AddressWish("i", eni.id, before=eni.addresses, ipv4=3), world.deadline)
    assert len(set(added)) == 3
    assert world.count("AssignPrivateIpAddresses") == 3
    owned = next(each for each in ens.enis_of("i-e1", world.deadline) if each.id == eni.id)
    assert set(owned.addresses) == {eni.primary, *added}
    for _ in range(2):
        ens.unassign(eni.id, added, world.deadline)
    assert world.emulator.enis("i-e1")[1].ipv4 == (eni.primary,)


def test_the_same_wish_again_gives_the_same_addresses(ens, world, eni):
    wish = AddressWish("i", eni.id, before=eni.addresses, ipv4=2)
    assert ens.assign(wish, world.deadline) == ens.assign(wish, world.deadline)
    assert world.count("AssignPrivateIpAddresses") == 2


def test_a_first_wish_needs_no_knowledge(ens, world, eni):
    first = ens.assign(AddressWish("i", eni.id, ipv4=1), world.deadline)
    second = ens.assign(AddressWish("j", eni.id, ipv4=1), world.deadline)
    assert first != second


def test_more_than_an_eni_takes_is_not_asked_for(ens, world, eni):
    added = ens.assign(AddressWish("i", eni.id, before=eni.addresses, ipv4=30), world.deadline)
    assert len(added) == 24  # 25 with the primary one
    world.emulator.log.clear()
    with pytest.raises(CloudError) as caught:
        ens.assign(AddressWish("j", eni.id, before=(*eni.addresses, *added), ipv4=1), world.deadline)
    assert caught.value.cause is Cause.QUOTA
    assert "bind another ENI" in str(caught.value)
    assert world.count("AssignPrivateIpAddresses") == 0


def test_a_limit_that_nobody_told_us_is_not_hammered(new_world, site):
    """ENS then says what it says to anything; three attempts are made."""
    limits = EnsLimits(addresses_per_eni=3)
    world = new_world(site.model_copy(update={"ens_limits": limits}))
    eni = world.ens.enis_of("i-e1", world.deadline)[-1]
    added = world.ens.assign(AddressWish("i", eni.id, ipv4=2), world.deadline)
    world.emulator.log.clear()
    with pytest.raises(CloudError) as caught:
        world.ens.assign(AddressWish("j", eni.id, before=(*eni.addresses, *added), ipv4=2), world.deadline)
    assert caught.value.error_code == "ens.interface.error"
    assert world.count("AssignPrivateIpAddresses") == 3


def test_nothing_but_ipv4_addresses_is_assigned(ens, world, eni):
    for wish in AddressWish("i", eni.id, ipv6=1), AddressWish("i", eni.id, ipv4_prefixes=1):
        with pytest.raises(CloudError) as caught:
            ens.assign(wish, world.deadline)
        assert caught.value.cause is Cause.INVALID
    assert world.count("AssignPrivateIpAddresses") == 0


def test_one_that_is_gone_does_not_keep_the_others(ens, world, eni):
    gone, *others = ens.assign(AddressWish("i", eni.id, ipv4=4), world.deadline)
    with world.emulator.outside() as outside:
        outside.unassign_address(str(gone))
    ens.unassign(eni.id, [gone, *others], world.deadline)
    assert world.emulator.enis("i-e1")[1].ipv4 == (eni.primary,)


def test_what_is_not_there(ens, world):
    for ask in (
        lambda: ens.instance("i-none", world.deadline),
        lambda: ens.assign(AddressWish("i", "eni-none", ipv4=1), world.deadline),
        lambda: ens.create_eni(WISH._replace(vswitch="vsw-none"), world.deadline),
    ):
        with pytest.raises(CloudError) as caught:
            ask()
        assert caught.value.cause is Cause.MISSING
    ens.unassign("eni-none", [Address.parse("10.0.0.9")], world.deadline)


def test_instance(ens, world):
    assert ens.instance("i-e1", world.deadline) == Instance(
        "i-e1", "ens.sn1.small", "cn-hangzhou-44", "n-1", "vsw-e1", is_running=True
    )


def test_limits_are_configured(new_world, site):
    world = new_world(site, ens_max_enis=5, ens_addresses_per_eni=26)
    assert world.ens.limits("any", world.deadline) == Limits(5, 26, 0)


def test_vswitches_with_their_gateways(ens, world):
    (found,) = ens.vswitches(["vsw-none", "vsw-e1"], world.deadline)
    assert (found.id, found.zone) == ("vsw-e1", "cn-hangzhou-44")
    assert found.cidr == Prefix.parse("10.0.0.0/24")
    assert found.gateway == Address.parse("10.0.0.1")
    assert found.free == 250
    assert found.ipv6_cidr is None
    assert ens.vswitches([], world.deadline) == []


def test_the_source_check_is_a_word_ens_does_not_know(ens, world, eni):
    ens.disable_source_check(eni.id, world.deadline)
    assert world.emulator.log.calls("ModifyNetworkInterfaceAttribute") == []


def test_all_pages_of_a_long_listing_are_read(new_world, site):
    """ENS shows 50 ENIs in an answer at most."""
    world = new_world(site.model_copy(update={"enis": tuple(EniSpec(vswitch="vsw-e1") for _ in range(120))}))
    found = world.ens.find_enis(world.deadline)
    assert len({each.id for each in found}) == len(found) == 123
    assert world.count("DescribeNetworkInterfaces") == 3


def page(first: int, last: int, total: int) -> dict[str, object]:
    items = [
        {"NetworkInterfaceId": f"eni-{number}", "MacAddress": "00:16:3e:00:00:01", "PrimaryIp": "10.0.0.1"}
        for number in range(first, last)
    ]
    return {"NetworkInterfaceSets": {"NetworkInterfaceSet": items}, "TotalCount": total}


def test_a_listing_that_changes_between_its_pages_is_read_again(time_):
    """eni-0 goes after the first page: eni-50 moves there and is on none that is read."""
    canned = Canned(page(0, 50, 60), page(51, 60, 59), page(1, 51, 59), page(51, 60, 59))
    reader = EnsReader(client_of(canned, time_))
    found = reader.enis({}, time_.clock.now() + 5)
    assert {each.id for each in found} == {f"eni-{number}" for number in range(1, 60)}


def test_a_listing_that_never_agrees_with_itself_is_not_read_for_ever(time_):
    canned = Canned(*[page(0, 50, 60), page(51, 55, 60), page(0, 0, 60)] * 5)
    with pytest.raises(CloudError, match="changes faster than it can be read"):
        EnsReader(client_of(canned, time_)).enis({}, time_.clock.now() + 5)
    assert len(canned.asked) == 9


def test_a_smaller_page_than_was_asked_for_is_not_the_last(time_):
    """The documentation names two largest sizes."""
    canned = Canned(page(0, 10, 25), page(10, 20, 25), page(20, 25, 25))
    assert len(EnsReader(client_of(canned, time_)).enis({}, time_.clock.now() + 5)) == 25


def test_a_listing_without_a_count_is_what_its_page_shows(time_):
    canned = Canned(page(0, 3, 0))
    assert len(EnsReader(client_of(canned, time_)).enis({}, time_.clock.now() + 5)) == 3
