"""Create, attach, detach, delete, modify."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.core.addresses import Address
from terway_edge.testing.openapi import transition
from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.ecs import lookup, shapes
from terway_edge.testing.openapi.ecs.granting import Granted, Wish, grant
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.records import Eni, EniStatus, EniType, Instance, Product, VSwitch, mac_of


def create(call: Call) -> Body:
    arguments, cloud = call.arguments, call.cloud
    vswitch = lookup.vswitch(call)
    groups = arguments.texts("SecurityGroupIds") or (arguments.text("SecurityGroupId"),)
    lookup.check_groups(call, groups, vswitch.network)
    _check_account(cloud, vswitch.region)
    primary, four, six = _addresses(call, vswitch)
    identifier, serial = cloud.new_id("eni")
    eni = Eni(
        identifier,
        serial,
        Product.ECS,
        vswitch.region,
        vswitch.zone,
        vswitch.network,
        vswitch.id,
        EniType.SECONDARY,
        mac_of(serial),
        primary,
        cloud.wall,
        secondary=four.addresses,
        prefixes=four.prefixes,
        ipv6=six.addresses,
        prefixes6=six.prefixes,
        security_groups=groups,
        name=arguments.text("NetworkInterfaceName"),
        description=arguments.text("Description"),
        tags=arguments.tags(),
        resource_group=arguments.text("ResourceGroupId"),
        traffic_mode=arguments.text("NetworkInterfaceTrafficMode", "Standard"),
        queues=arguments.number("QueueNumber"),
        source_dest_check=arguments.flag("SourceDestCheck"),
        delete_on_release=arguments.flag("DeleteOnRelease", True),
    )
    cloud.put(eni)
    return shapes.created(eni)


def attach(call: Call) -> Body:
    instance, eni = lookup.instance(call), lookup.own_eni(call)
    if eni.status is not EniStatus.AVAILABLE:
        raise ApiError("InvalidOperation.InvalidEniState", f"{eni.id} is {eni.status}, not Available")
    _check_state(call.cloud, instance)
    _check_place(eni, instance)
    _check_type(call.cloud, eni, instance)
    transition.attach(call, eni, instance)
    return {}


def detach(call: Call) -> Body:
    instance, eni = lookup.instance(call), lookup.own_eni(call)
    if eni.type is EniType.PRIMARY:
        raise ApiError("InvalidOperation.DetachPrimaryEniNotAllowed", f"{eni.id} is the primary ENI of {eni.instance}")
    if eni.instance != instance.id or not eni.is_plugged:
        raise ApiError(
            "InvalidOperation.InvalidEniState", f"{eni.id} is {eni.status} and not attached to {instance.id}"
        )
    _check_state(call.cloud, instance)
    transition.detach(call, eni)
    return {}


def delete(call: Call) -> Body:
    eni = lookup.own_eni(call)
    if eni.status not in (EniStatus.AVAILABLE, EniStatus.DELETING):
        raise ApiError("InvalidOperation.InvalidEniState", f"{eni.id} is {eni.status}, not Available")
    transition.delete(call, eni)
    return {}


def modify(call: Call) -> Body:
    arguments, eni = call.arguments, lookup.own_eni(call)
    groups = arguments.texts("SecurityGroupId") or eni.security_groups
    lookup.check_groups(call, groups, eni.network)
    running = eni.instance and call.cloud.instances[eni.instance].status != "Stopped"
    if "QueueNumber" in arguments and running:
        raise ApiError("InvalidOperation.InvalidEniState", f"{eni.id} is {eni.status} and its instance not Stopped")
    call.cloud.put(
        replace(
            eni,
            security_groups=groups,
            name=arguments.text("NetworkInterfaceName", eni.name),
            description=arguments.text("Description", eni.description),
            queues=arguments.number("QueueNumber", eni.queues),
            source_dest_check=arguments.flag("SourceDestCheck", eni.source_dest_check),
            delete_on_release=arguments.flag("DeleteOnRelease", eni.delete_on_release),
        )
    )
    return {}


def _addresses(call: Call, vswitch: VSwitch) -> tuple[Address, Granted, Granted]:
    """The primary address, and the others of both families, of which a fault may give less than asked."""
    taken = ApiError("InvalidPrivateIpAddress.Duplicated", "an address has an owner already")
    wish4, wish6 = Wish.of(call.arguments, 4), Wish.of(call.arguments, 6)
    primary = call.arguments.address("PrimaryIpAddress")
    named = (primary,) if primary else ()
    bent = wish4.bent(call.bent)
    with_primary = bent._replace(addresses=(*named, *bent.addresses), any_addresses=bent.any_addresses + 1 - len(named))
    four = grant(call.cloud, vswitch, with_primary, taken=taken)
    six = grant(call.cloud, vswitch, wish6.bent(call.bent), taken=taken)
    # Those named come first: then the primary address is the first of them, or else of the others.
    place = 0 if named else len(bent.addresses)
    rest = (*four.addresses[:place], *four.addresses[place + 1 :])
    return four.addresses[place], Granted(rest, four.prefixes), six


def _check_account(cloud: Cloud, region: str) -> None:
    count = sum(eni.product is Product.ECS and eni.region == region for eni in cloud.enis.values())
    if count >= cloud.site.enis_per_region:
        raise ApiError("MaxEniCountExceeded", f"the account has {count} ENIs in {region}", 403)


def _check_state(cloud: Cloud, instance: Instance) -> None:
    hot = cloud.types[instance.type].hot_attach
    if instance.status not in (("Running", "Stopped") if hot else ("Stopped",)):
        raise ApiError("InvalidOperation.InvalidEcsState", f"{instance.id} is {instance.status}")


def _check_place(eni: Eni, instance: Instance) -> None:
    if eni.network != instance.network:
        raise ApiError("InvalidOperation.VpcMismatch", f"{eni.id} is in {eni.network}, not {instance.network}", 403)
    if eni.zone != instance.zone:
        raise ApiError(
            "InvalidOperation.AvailabilityZoneMismatch", f"{eni.id} is in {eni.zone}, not {instance.zone}", 403
        )


def _check_type(cloud: Cloud, eni: Eni, instance: Instance) -> None:
    """The quotas of the instance's type."""
    kind, attached = cloud.types[instance.type], len(cloud.enis_of(instance.id))
    if attached >= kind.enis:
        raise ApiError("EniPerInstanceLimitExceeded", f"{instance.id} has {attached} of {kind.enis} ENIs", 403)
    for family, count, limit in (4, eni.ipv4_count, kind.ipv4_per_eni), (6, eni.ipv6_count, kind.ipv6_per_eni):
        if count > limit:
            raise ApiError(f"InvalidOperation.Ipv{family}CountExceeded", f"{eni.id} has {count} of {limit}", 403)
