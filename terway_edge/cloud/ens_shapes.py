"""ENS answers as values of the core: other names than in ECS, and sets that are flat where ECS nests."""

from __future__ import annotations

from terway_edge.cloud.answers import Answer
from terway_edge.cloud.kinds import gateway_of, kind_of, status_of
from terway_edge.core.addresses import Address
from terway_edge.core.cloud import Eni, Instance, VSwitch

GATEWAY = 1
"""A vSwitch of an edge site has its gateway at the first address that a host may have."""


def eni_of(item: Answer) -> Eni | None:
    """None for one without MAC or address: it is not yet, or not any more. Its edge site is its zone."""
    addresses = [
        *(each.address("PrivateIpAddress") for each in item.items("PrivateIpSets.PrivateIpSet")),
        *(each.address("Ipv6Address") for each in item.items("Ipv6Sets.Ipv6Set")),
    ]
    owned = tuple(each for each in addresses if each is not None)
    primary = item.address("PrimaryIp") or next(iter(owned), None)
    mac = item.mac("MacAddress")
    if primary is None or not mac:
        return None
    return Eni(
        id=item.text("NetworkInterfaceId"),
        mac=mac,
        status=status_of(item.text("Status")),
        kind=kind_of(item.text("Type")),
        vswitch=item.text("VSwitchId"),
        primary=primary,
        addresses=owned if primary in owned else (primary, *owned),
        instance=item.text("InstanceId"),
        zone=item.text("EnsRegionId"),
        name=item.text("NetworkInterfaceName"),
        security_groups=tuple(item.texts("SecurityGroupIds.SecurityGroup")),
    )


def assigned(answer: Answer) -> list[Address]:
    """What AssignPrivateIpAddresses gave, one address as a rule."""
    return answer.addresses("AssignedPrivateIpAddressesSet.PrivateIpSet")


def instance_of(item: Answer) -> Instance:
    network = item.section("NetworkAttributes")
    return Instance(
        item.text("InstanceId"),
        item.text("SpecName"),
        item.text("EnsRegionId"),
        network.text("NetworkId"),
        network.text("VSwitchId"),
        item.text("Status") == "Running",
    )


def vswitch_of(item: Answer) -> VSwitch | None:
    """None for one without an IPv4 CIDR."""
    cidr, cidr6 = item.prefix("CidrBlock"), item.prefix("Ipv6CidrBlock")
    if cidr is None:
        return None
    return VSwitch(
        item.text("VSwitchId"),
        item.text("EnsRegionId"),
        cidr,
        gateway_of(cidr, GATEWAY),
        cidr6,
        gateway_of(cidr6, GATEWAY) if cidr6 else None,
        item.number("FreeIpCount"),
    )
