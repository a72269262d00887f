"""ECS and VPC answers as values of the core: sets nested twice, tags as TagKey and TagValue."""

from __future__ import annotations

from terway_edge.cloud.answers import Answer
from terway_edge.cloud.kinds import gateway_of, kind_of, status_of
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.cloud import Eni, Instance, VSwitch

GATEWAY = -2
"""A vSwitch of a VPC has its gateway at the last address but two, that is two before its last."""


def eni_of(item: Answer) -> Eni | None:
    """None for one without MAC or address: it is not yet, or not any more."""
    addresses = [
        *(each.address("PrivateIpAddress") for each in item.items("PrivateIpSets.PrivateIpSet")),
        *(each.address("Ipv6Address") for each in item.items("Ipv6Sets.Ipv6Set")),
    ]
    owned = tuple(each for each in addresses if each is not None)
    primary = item.address("PrivateIpAddress") or next(iter(owned), None)
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
        prefixes=_prefixes(item),
        instance=item.text("InstanceId") or item.section("Attachment").text("InstanceId"),
        zone=item.text("ZoneId"),
        name=item.text("NetworkInterfaceName"),
        security_groups=tuple(item.texts("SecurityGroupIds.SecurityGroupId")),
        tags={each.text("TagKey"): each.text("TagValue") for each in item.items("Tags.Tag")},
        checks_source=item.flag("SourceDestCheck"),
    )


def assigned4(answer: Answer) -> tuple[Address | Prefix, ...]:
    """What AssignPrivateIpAddresses gave."""
    found = answer.section("AssignedPrivateIpAddressesSet")
    return (*found.addresses("PrivateIpSet.PrivateIpAddress"), *found.prefixes("Ipv4PrefixSet.Ipv4Prefixes"))


def assigned6(answer: Answer) -> tuple[Address | Prefix, ...]:
    """What AssignIpv6Addresses gave."""
    return (*answer.addresses("Ipv6Sets.Ipv6Address"), *answer.prefixes("Ipv6PrefixSets.Ipv6Prefix"))


def instance_of(item: Answer) -> Instance:
    network = item.section("VpcAttributes")
    return Instance(
        item.text("InstanceId"),
        item.text("InstanceType"),
        item.text("ZoneId"),
        network.text("VpcId"),
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
        item.text("ZoneId"),
        cidr,
        gateway_of(cidr, GATEWAY),
        cidr6,
        gateway_of(cidr6, GATEWAY) if cidr6 else None,
        item.number("AvailableIpAddressCount"),
    )


def _prefixes(item: Answer) -> tuple[Prefix, ...]:
    found = [
        *(each.prefix("Ipv4Prefix") for each in item.items("Ipv4PrefixSets.Ipv4PrefixSet")),
        *(each.prefix("Ipv6Prefix") for each in item.items("Ipv6PrefixSets.Ipv6PrefixSet")),
    ]
    return tuple(each for each in found if each is not None)
