"""What ECS tells about what there is."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.arguments import Arguments
from terway_edge.testing.openapi.ecs import lookup, shapes
from terway_edge.testing.openapi.paging import by_number, by_token
from terway_edge.testing.openapi.records import Eni, Instance, Product, SecurityGroup

LARGEST_LIST = 1600


def network_interfaces(call: Call) -> Body:
    cloud, arguments, region = call.shown, call.arguments, lookup.region(call)
    found = [
        eni
        for eni in cloud.enis.values()
        if eni.product is Product.ECS and eni.region == region and _is_asked(eni, arguments)
    ]
    found.sort(key=lambda eni: eni.serial)
    paging: dict[str, object]
    if "PageNumber" in arguments or "PageSize" in arguments:
        page, paging = by_number(found, arguments)
    else:
        page, token = by_token(found, arguments, lambda eni: f"{eni.serial:012d}")
        # With tokens the real service gives a TotalCount too, which means nothing.
        paging = {"NextToken": token, "TotalCount": 0}
    call.cloud.listed(eni.id for eni in page)
    shown = [shapes.listed(cloud, eni) for eni in call.bent.ordered(page)]
    return {"NetworkInterfaceSets": {"NetworkInterfaceSet": shown}, **paging}


def network_interface(call: Call) -> Body:
    eni = lookup.eni(call, call.shown)
    call.cloud.listed([eni.id])
    return shapes.listed(call.shown, eni)


def instances(call: Call) -> Body:
    cloud, arguments, region = call.shown, call.arguments, lookup.region(call)
    found = [
        item
        for item in cloud.instances.values()
        if item.product is Product.ECS and item.region == region and _is_asked_instance(item, arguments)
    ]
    if "PrivateIpAddresses" in arguments:
        wanted = set(arguments.texts("PrivateIpAddresses"))
        found = [item for item in found if wanted & {str(eni.primary) for eni in cloud.enis_of(item.id)}]
    found.sort(key=lambda item: item.id)
    paging: dict[str, object]
    if "PageNumber" in arguments or "PageSize" in arguments:
        page, paging = by_number(found, arguments)
    else:
        page, token = by_token(found, arguments, lambda item: item.id)
        paging = {"NextToken": token, "TotalCount": len(found)}
    return {"Instances": {"Instance": [shapes.instance(cloud, item) for item in page]}, **paging}


def instance_types(call: Call) -> Body:
    wanted = call.arguments.texts("InstanceTypes")
    found = [kind for name, kind in call.cloud.types.items() if not wanted or name in wanted]
    page, token = by_token(found, call.arguments, lambda kind: kind.id, size=LARGEST_LIST)
    return {"InstanceTypes": {"InstanceType": [shapes.instance_type(kind) for kind in page]}, "NextToken": token}


def security_groups(call: Call) -> Body:
    arguments, region = call.arguments, lookup.region(call)
    wanted = {*arguments.texts("SecurityGroupIds"), *filter(None, [arguments.text("SecurityGroupId")])}

    def is_asked(group: SecurityGroup) -> bool:
        here = group.product is Product.ECS and group.region == region
        return here and (not wanted or group.id in wanted) and arguments.text("VpcId", group.network) == group.network

    found = sorted(filter(is_asked, call.cloud.security_groups.values()))
    page, paging = by_number(found, arguments)
    return {
        "RegionId": region,
        "SecurityGroups": {"SecurityGroup": [shapes.security_group(each) for each in page]},
        **paging,
    }


def _is_asked(eni: Eni, arguments: Arguments) -> bool:
    """Whether every filter given matches; an ENI has all the tags asked for."""
    exact = {
        "InstanceId": eni.instance,
        "VSwitchId": eni.vswitch,
        "VpcId": eni.network,
        "Status": str(eni.status),
        "Type": str(eni.type),
        "NetworkInterfaceName": eni.name,
        "ResourceGroupId": eni.resource_group,
    }
    tags = dict(eni.tags)
    return (
        all(arguments.text(name, value) == value for name, value in exact.items())
        and arguments.flag("ServiceManaged", eni.service_managed) == eni.service_managed
        and _meets(arguments.texts("NetworkInterfaceId"), (eni.id,))
        and ("SecurityGroupId" not in arguments or arguments.text("SecurityGroupId") in eni.security_groups)
        and _meets(arguments.addresses("PrivateIpAddress"), eni.ipv4)
        and _meets(arguments.addresses("Ipv6Address"), eni.ipv6)
        and arguments.address("PrimaryIpAddress") in (None, eni.primary)
        and all(tags.get(key) == value or (key in tags and not value) for key, value in arguments.tags())
    )


def _is_asked_instance(item: Instance, arguments: Arguments) -> bool:
    exact = {
        "VpcId": item.network,
        "VSwitchId": item.vswitch,
        "ZoneId": item.zone,
        "Status": item.status,
        "InstanceType": item.type,
        "InstanceName": item.id,
    }
    return (
        all(arguments.text(name, value) == value for name, value in exact.items())
        and _meets(arguments.texts("InstanceIds"), (item.id,))
        and ("SecurityGroupId" not in arguments or arguments.text("SecurityGroupId") in item.security_groups)
    )


def _meets(wanted: tuple[object, ...], has: tuple[object, ...]) -> bool:
    """Whether nothing is wanted, or one of what it has is."""
    return not wanted or bool(set(wanted) & set(has))
