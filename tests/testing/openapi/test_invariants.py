"""The checker finds each thing that must not be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.founding import found
from terway_edge.testing.openapi.invariants import orphans, violations
from terway_edge.testing.openapi.records import EniStatus, EniType, Route
from terway_edge.testing.openapi.site import EniSpec

FIRST, SECOND, FREE = "eni-000001", "eni-000002", "eni-free"


@pytest.fixture
def cloud(site):
    free = EniSpec(id=FREE, vswitch="vsw-h", name="te-1", tags={"creator": "terway", "node": "n1"})
    return found(site.model_copy(update={"enis": (free,)}), now=0.0, wall=0.0)


def at(*texts):
    return tuple(map(Address.parse, texts))


@pytest.mark.parametrize(
    ("eni", "changes", "line"),
    [
        (FREE, {"secondary": at("192.168.0.11")}, "192.168.0.11/32 of eni-free is in 192.168.0.11/32 of eni-000001"),
        (
            FREE,
            {"prefixes": (Prefix.parse("192.168.0.0/28"),)},
            "192.168.0.1/32 of eni-free is in 192.168.0.0/28 of eni-free",
        ),
        (FREE, {"secondary": at("192.168.1.9")}, "192.168.1.9/32 of eni-free is not in vsw-h"),
        (FREE, {"secondary": at("192.168.0.253")}, "192.168.0.253/32 of eni-free is one that vsw-h keeps back"),
        (FREE, {"ipv6": at("2001:db8:2::1")}, "2001:db8:2::1/128 of eni-free is not in vsw-h"),
        (FREE, {"status": EniStatus.IN_USE}, "eni-free is InUse with instance none"),
        (FREE, {"instance": "i-1"}, "eni-free is Available with instance i-1"),
        (
            FREE,
            {"instance": "i-none", "status": EniStatus.IN_USE},
            "eni-free belongs to i-none, which does not exist",
        ),
        (FREE, {"instance": "i-2", "status": EniStatus.IN_USE}, "eni-free of i-2 is in vpc-1 cn-hangzhou-h"),
        (
            FREE,
            {"instance": "i-1", "status": EniStatus.IN_USE, "type": EniType.PRIMARY},
            "i-1 has 2 primary ENIs",
        ),
        (FIRST, {"type": EniType.SECONDARY}, "i-1 has 0 primary ENIs"),
        (
            FIRST,
            {"secondary": at(*(f"192.168.0.{number}" for number in range(100, 115)))},
            "eni-000001 of i-1 has 16 of 15 IPv4, 0 of 15 IPv6",
        ),
        (SECOND, {"mac": "00:16:3e:00:00:01"}, "MAC 00:16:3e:00:00:01 belongs to 2 ENIs"),
    ],
)
def test_what_is_wrong_is_told(cloud, eni, changes, line):
    assert violations(cloud) == []
    cloud.put(replace(cloud.enis[eni], **changes))
    assert line in violations(cloud)


def test_too_many_enis(cloud):
    for number in range(20, 24):
        address = Address.parse(f"192.168.0.{number}")
        cloud.put(
            replace(
                cloud.enis[FREE],
                id=f"eni-{number}",
                mac=f"02:00:00:00:00:{number}",
                primary=address,
                instance="i-1",
                status=EniStatus.IN_USE,
            )
        )
    assert violations(cloud) == ["i-1 has 5 ENIs of 4"]


def test_a_wrong_free_count(cloud):
    class Forgetful(Cloud):
        def subnet(self, vswitch, family):
            subnet = super().subnet(vswitch, family)
            subnet.owned = subnet.owned[1:]
            return subnet

    cloud.__class__ = Forgetful
    assert "vsw-h tells 251 free addresses, 250 are" in violations(cloud)


def test_orphans_have_the_marks_and_no_instance(cloud):
    assert orphans(cloud, {"creator": "terway"}) == [FREE]
    assert orphans(cloud, {}, name_prefix="te-") == [FREE]
    assert orphans(cloud, {"creator": "terway", "node": "n2"}) == orphans(cloud, {}, name_prefix="x") == []
    cloud.put(replace(cloud.enis[FREE], status=EniStatus.DELETING))
    assert orphans(cloud, {"creator": "terway"}) == []


def test_an_emulator_tells_orphans_too(emulator, call):
    eni = call.eni(Tag=[("creator", "terway")])
    assert emulator.orphans({"creator": "terway"}) == [eni]
    call("ecs", "AttachNetworkInterface", InstanceId="i-1", NetworkInterfaceId=eni)
    assert emulator.orphans({"creator": "terway"}) == []


def test_ids_differ_from_those_that_people_chose(cloud):
    cloud.put(replace(cloud.enis[FREE], id="eni-000007"))
    cloud.routes["eni-000008"] = Route("eni-000008", "t", Prefix.parse("10.0.0.0/8"), "", "", False, "", "")
    assert cloud.new_id("eni") == ("eni-000009", 9)
