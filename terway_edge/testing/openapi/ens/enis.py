"""Create, attach, detach, delete ENIs of an edge site; assign and unassign their addresses."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.core.addresses import Address
from terway_edge.testing.openapi import transition
from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.ens import lookup
from terway_edge.testing.openapi.errors import ApiError, absent, invalid
from terway_edge.testing.openapi.records import Eni, EniStatus, EniType, Instance, Product, VSwitch, mac_of
from terway_edge.testing.openapi.subnet import Exhausted


def create(call: Call) -> Body:
    arguments, cloud = call.arguments, call.cloud
    vswitch = lookup.vswitch(call)
    groups = arguments.texts("SecurityGroupIds")
    for group in groups:
        found = cloud.security_groups.get(group)
        if found is None or found.network != vswitch.network:
            raise absent("InvalidSecurityGroupId.NotFound", group, 400)
    primary = _free_address(cloud, vswitch)
    identifier, serial = cloud.new_id("eni")
    cloud.put(
        Eni(
            identifier,
            serial,
            Product.ENS,
            vswitch.region,
            vswitch.zone,
            vswitch.network,
            vswitch.id,
            EniType.SECONDARY,
            mac_of(serial),
            primary,
            cloud.wall,
            security_groups=groups,
            name=arguments.text("Name"),
            description=arguments.text("Description"),
            delete_on_release=False,
        )
    )
    return {"NetworkInterfaceIds": [identifier]}


def attach(call: Call) -> Body:
    instance, eni = lookup.instance(call), lookup.secondary_eni(call)
    _check_status(eni, EniStatus.AVAILABLE)
    _check_stopped(instance)
    if (eni.network, eni.zone) != (instance.network, instance.zone):
        raise ApiError(lookup.GENERIC, f"{eni.id} is in {eni.network}, {instance.id} in {instance.network}")
    limit = call.cloud.site.ens_limits.enis_per_instance
    if len(call.cloud.enis_of(instance.id)) >= limit:
        raise ApiError(lookup.GENERIC, f"{instance.id} has {limit} ENIs, the most allowed")
    transition.attach(call, eni, instance)
    return {}


def detach(call: Call) -> Body:
    eni = lookup.secondary_eni(call)
    _check_status(eni, EniStatus.IN_USE)
    _check_stopped(call.cloud.instances[eni.instance])
    transition.detach(call, eni)
    return {}


def delete(call: Call) -> Body:
    """All of them or none, as long as no fault makes it some."""
    enis = [lookup.secondary_eni(call, each) for each in call.arguments.texts("NetworkInterfaceIds")]
    for eni in enis:
        if eni.status not in (EniStatus.AVAILABLE, EniStatus.DELETING):
            raise ApiError("InvalidParameter.NetworkInterfaceIds", f"{eni.id} is {eni.status}, not Available")
    for eni in call.bent.some(tuple(enis)):
        transition.delete(call, eni)
    return {}


def assign(call: Call) -> Body:
    """One address, whatever is asked."""
    eni = lookup.secondary_eni(call)
    _check_status(eni, EniStatus.AVAILABLE, EniStatus.IN_USE)
    if call.arguments.text("VSwitchId", eni.vswitch) != eni.vswitch:
        raise invalid("VSwitchId", f"{eni.id} is in {eni.vswitch}")
    limits = call.cloud.site.ens_limits
    if len(eni.ipv4 if limits.primary_counts else eni.secondary) >= limits.addresses_per_eni:
        raise ApiError(lookup.GENERIC, f"{eni.id} has {limits.addresses_per_eni} addresses, the most allowed")
    granted = call.bent.some((_free_address(call.cloud, call.cloud.vswitches[eni.vswitch]),))
    call.cloud.put(replace(eni, secondary=(*eni.secondary, *granted)))
    shown = {"NetworkInterfaceId": eni.id, "PrivateIpSet": [str(each) for each in granted]}
    return {"AssignedPrivateIpAddressesSet": shown}


def unassign(call: Call) -> Body:
    eni = lookup.secondary_eni(call)
    _check_status(eni, EniStatus.AVAILABLE, EniStatus.IN_USE)
    wanted = call.arguments.addresses("PrivateIpAddress")
    if eni.primary in wanted:
        raise invalid("PrivateIpAddress.1", f"{eni.primary} is the primary address of {eni.id}")
    for address in wanted:
        if address not in eni.secondary:
            raise absent("InvalidPrivateIpAddress.NotFound", str(address), 400)
    gone = call.bent.some(wanted)
    call.cloud.put(replace(eni, secondary=tuple(each for each in eni.secondary if each not in gone)))
    return {}


def _free_address(cloud: Cloud, vswitch: VSwitch) -> Address:
    try:
        return cloud.subnet(vswitch, 4).take(1)[0].address
    except Exhausted as error:
        raise ApiError("InvalidVSwitchId.IpNotEnough", str(error)) from None


def _check_status(eni: Eni, *allowed: EniStatus) -> None:
    if eni.status not in allowed:
        raise ApiError("InvalidOperation.InvalidEniStatus", f"{eni.id} is {eni.status}, not {' or '.join(allowed)}")


def _check_stopped(instance: Instance) -> None:
    if instance.status != "Stopped" or instance.change:
        raise ApiError("InvalidOperation.InvalidEnsStatus", f"{instance.id} is {instance.status}, not Stopped")
