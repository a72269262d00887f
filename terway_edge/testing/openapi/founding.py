"""A cloud as its site describes it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import TypeVar

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.config_error import ConfigError, nearest
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.invariants import violations
from terway_edge.testing.openapi.records import (
    Eni,
    EniStatus,
    EniType,
    Instance,
    Network,
    Product,
    SecurityGroup,
    VSwitch,
    mac_of,
)
from terway_edge.testing.openapi.site import EniSpec, InstanceSpec, NetworkSpec, Site
from terway_edge.testing.openapi.subnet import Exhausted

Found = TypeVar("Found")
STATUSES = {
    Product.ECS: ("Pending", "Running", "Starting", "Stopping", "Stopped"),
    Product.ENS: ("Running", "Stopped", "Expired"),
}


def found(site: Site, *, now: float, wall: float) -> Cloud:
    """The cloud at its beginning. Raises ConfigError, one line for the first mistake of each kind."""
    cloud = Cloud(site, now=now, wall=wall)
    for region, product, network in _networks(site):
        _add_network(cloud, product, region, network)
    for instance in site.instances:
        _add_instance(cloud, instance)
    for eni in site.enis:
        _add_eni(cloud, eni, eni.vswitch, None)
    if wrong := violations(cloud):
        raise ConfigError(wrong)
    cloud.events.clear()
    return cloud


def _networks(site: Site) -> Iterator[tuple[str, Product, NetworkSpec]]:
    for region in site.regions:
        yield from ((region.id, Product.ECS, vpc) for vpc in region.vpcs)
    for edge in site.ens_sites:
        yield from ((edge.id, Product.ENS, network) for network in edge.networks)


def _add_network(cloud: Cloud, product: Product, region: str, spec: NetworkSpec) -> None:
    _new(cloud.networks, spec.id)
    network = Network(
        spec.id,
        product,
        region,
        spec.cidr,
        spec.cidr6,
        spec.secondary_cidrs,
        spec.user_cidrs,
        spec.route_table or f"vtb-{spec.id}",
    )
    cloud.networks[spec.id] = network
    for group in spec.security_groups:
        _new(cloud.security_groups, group)
        cloud.security_groups[group] = SecurityGroup(group, product, region, spec.id)
    for each in spec.vswitches:
        _new(cloud.vswitches, each.id)
        zone = region if product is Product.ENS else each.zone
        if not zone:
            raise ConfigError([f"vSwitch {each.id}: is in a VPC, so it needs a zone"])
        _check_cidr(cloud, network, each.id, each.cidr)
        if each.cidr6 and not (spec.cidr6 and spec.cidr6.covers(each.cidr6)):
            raise ConfigError([f"vSwitch {each.id}: {each.cidr6} is not in the IPv6 CIDR of {spec.id}"])
        cloud.vswitches[each.id] = VSwitch(
            each.id, product, region, zone, spec.id, each.cidr, each.cidr6, each.name or each.id
        )


def _check_cidr(cloud: Cloud, network: Network, identifier: str, cidr: Prefix) -> None:
    if not any(each.covers(cidr) for each in (network.cidr, *network.secondary_cidrs)):
        raise ConfigError([f"vSwitch {identifier}: {cidr} is not in {network.id}, which has {network.cidr}"])
    for other in cloud.vswitches.values():
        if other.network == network.id and (other.cidr.covers(cidr) or cidr.covers(other.cidr)):
            raise ConfigError([f"vSwitch {identifier}: {cidr} overlaps {other.cidr} of {other.id}"])


def _add_instance(cloud: Cloud, spec: InstanceSpec) -> None:
    _new(cloud.instances, spec.id)
    vswitch = _known(cloud.vswitches, spec.vswitch, f"instance {spec.id}: vSwitch")
    if vswitch.product is Product.ECS:
        _known(cloud.types, spec.type, f"instance {spec.id}: instance type")
    if spec.status not in STATUSES[vswitch.product]:
        raise ConfigError([f"instance {spec.id}: {spec.status} is no status of {vswitch.product} instances"])
    if spec.role:
        _known(dict.fromkeys(cloud.site.roles), spec.role, f"instance {spec.id}: role")
    groups = spec.security_groups or _groups_of(cloud, vswitch)
    instance = Instance(
        spec.id,
        vswitch.product,
        spec.type,
        vswitch.region,
        vswitch.zone,
        vswitch.network,
        vswitch.id,
        spec.status,
        groups,
        spec.role,
        spec.hardened_metadata,
    )
    cloud.instances[spec.id] = instance
    primary = EniSpec(mac=spec.mac, address=spec.address, security_groups=groups)
    _add_eni(cloud, primary, vswitch.id, instance, EniType.PRIMARY)
    for each in spec.enis:
        _add_eni(cloud, each, each.vswitch or vswitch.id, instance)


def _add_eni(
    cloud: Cloud, spec: EniSpec, vswitch_id: str, instance: Instance | None, kind: EniType = EniType.SECONDARY
) -> None:
    vswitch = _known(cloud.vswitches, vswitch_id, f"ENI {spec.id}: vSwitch")
    identifier, serial = cloud.new_id("eni")
    _new(cloud.enis, spec.id)
    primary = spec.address or _any_address(cloud, vswitch)
    for address in (primary, *spec.addresses):
        _check_address(cloud, vswitch, address)
    groups = spec.security_groups or (instance.security_groups if instance else _groups_of(cloud, vswitch))
    for group in groups:
        _known(cloud.security_groups, group, f"ENI {spec.id}: security group")
    cloud.put(
        Eni(
            spec.id or identifier,
            serial,
            vswitch.product,
            vswitch.region,
            vswitch.zone,
            vswitch.network,
            vswitch.id,
            kind,
            spec.mac or mac_of(serial),
            primary,
            cloud.wall,
            EniStatus.IN_USE if instance else EniStatus.AVAILABLE,
            instance.id if instance else "",
            tuple(each for each in spec.addresses if each.family == 4),
            tuple(each for each in spec.addresses if each.family == 6),
            security_groups=groups,
            name=spec.name,
            tags=tuple(spec.tags.items()),
            service_managed=spec.service_managed,
        )
    )


def _any_address(cloud: Cloud, vswitch: VSwitch) -> Address:
    try:
        return cloud.subnet(vswitch, 4).take(1)[0].address
    except Exhausted as error:
        raise ConfigError([str(error)]) from None


def _check_address(cloud: Cloud, vswitch: VSwitch, address: Address) -> None:
    if address.family == 6 and not vswitch.cidr6:
        raise ConfigError([f"address {address}: {vswitch.id} has no IPv6 CIDR"])
    subnet = cloud.subnet(vswitch, address.family)
    if not subnet.is_usable(address.host) or not subnet.is_free(address.host):
        raise ConfigError([f"address {address}: is not in {vswitch.cidr} of {vswitch.id}, or kept back, or taken"])


def _groups_of(cloud: Cloud, vswitch: VSwitch) -> tuple[str, ...]:
    """The network's first security group."""
    groups = [each.id for each in cloud.security_groups.values() if each.network == vswitch.network]
    return tuple(groups[:1])


def _new(known: Container[str], identifier: str) -> None:
    if identifier in known:
        raise ConfigError([f"{identifier}: is there twice"])


def _known(known: Mapping[str, Found], name: str, what: str) -> Found:
    if name not in known:
        raise ConfigError([f"{what} {name!r} is not known{nearest(name, known)}"])
    return known[name]
