"""What must be true of a cloud at any time, whatever was called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise

from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.records import Eni, EniStatus, EniType, Instance, Product, VSwitch
from terway_edge.testing.openapi.subnet import Subnet


def violations(cloud: Cloud) -> list[str]:
    """One line for each, empty if all is well."""
    return [
        *_shared_addresses(cloud),
        *(line for eni in cloud.enis.values() for line in _eni(cloud, eni)),
        *(line for instance in cloud.instances.values() for line in _instance(cloud, instance)),
        *(line for vswitch in cloud.vswitches.values() for line in _vswitch(cloud, vswitch)),
        *(f"MAC {mac} belongs to {count} ENIs" for mac, count in _macs(cloud).items() if count > 1),
    ]


def orphans(cloud: Cloud, tags: Mapping[str, str], *, name_prefix: str = "") -> list[str]:
    """ENIs with all these tags and such a name that no instance has, and that are not on their way out."""
    return [
        eni.id
        for eni in cloud.enis.values()
        if not eni.instance
        and eni.status is not EniStatus.DELETING
        and eni.name.startswith(name_prefix)
        and tags.items() <= dict(eni.tags).items()
    ]


def _shared_addresses(cloud: Cloud) -> Iterator[str]:
    """Ranges of one network sorted by where they begin: each must end before the next."""
    ranges = sorted(
        (eni.network, owned.family, owned.first, owned.last, eni.id, str(owned))
        for eni in cloud.enis.values()
        for owned in eni.owned()
    )
    for one, other in pairwise(ranges):
        if one[:2] == other[:2] and other[2] <= one[3]:
            yield f"{other[5]} of {other[4]} is in {one[5]} of {one[4]}"


def _eni(cloud: Cloud, eni: Eni) -> Iterator[str]:
    if bool(eni.instance) == (eni.status in (EniStatus.AVAILABLE, EniStatus.DELETING)):
        yield f"{eni.id} is {eni.status} with instance {eni.instance or 'none'}"
    if eni.instance and eni.instance not in cloud.instances:
        yield f"{eni.id} belongs to {eni.instance}, which does not exist"
    vswitch = cloud.vswitches[eni.vswitch]
    for owned in eni.owned():
        cidr = vswitch.cidr if owned.family == 4 else vswitch.cidr6
        if cidr is None or not cidr.covers(owned):
            yield f"{owned} of {eni.id} is not in {vswitch.id}"
        elif not Subnet.of(vswitch, owned.family, ()).is_usable(owned):
            yield f"{owned} of {eni.id} is one that {vswitch.id} keeps back"


def _instance(cloud: Cloud, instance: Instance) -> Iterator[str]:
    enis = [eni for eni in cloud.enis.values() if eni.instance == instance.id]
    primaries = sum(eni.type is EniType.PRIMARY for eni in enis)
    if primaries != 1:
        yield f"{instance.id} has {primaries} primary ENIs"
    for eni in enis:
        if (eni.network, eni.zone) != (instance.network, instance.zone):
            yield f"{eni.id} of {instance.id} is in {eni.network} {eni.zone}"
    most, four, six = _quotas(cloud, instance)
    if len(enis) > most:
        yield f"{instance.id} has {len(enis)} ENIs of {most}"
    for eni in enis:
        if eni.ipv4_count > four or eni.ipv6_count > six:
            yield f"{eni.id} of {instance.id} has {eni.ipv4_count} of {four} IPv4, {eni.ipv6_count} of {six} IPv6"


def _quotas(cloud: Cloud, instance: Instance) -> tuple[int, int, int]:
    """ENIs, IPv4 addresses per ENI with the primary one, IPv6 addresses per ENI."""
    if instance.product is Product.ECS:
        kind = cloud.types[instance.type]
        return kind.enis, kind.ipv4_per_eni, kind.ipv6_per_eni
    limits = cloud.site.ens_limits
    return limits.enis_per_instance, limits.addresses_per_eni + (not limits.primary_counts), limits.addresses_per_eni


def _vswitch(cloud: Cloud, vswitch: VSwitch) -> Iterator[str]:
    """The free count is what is left when every owner's addresses are counted one by one."""
    kept = 4 if vswitch.product is Product.ECS else 3
    owned = sum(
        each.size
        for eni in cloud.enis.values()
        if eni.vswitch == vswitch.id
        for each in eni.owned()
        if each.family == 4
    )
    expected, told = vswitch.cidr.size - kept - owned, cloud.subnet(vswitch, 4).free_count
    if told != expected or told < 0:
        yield f"{vswitch.id} tells {told} free addresses, {expected} are"


def _macs(cloud: Cloud) -> Counter[str]:
    return Counter(eni.mac for eni in cloud.enis.values())
