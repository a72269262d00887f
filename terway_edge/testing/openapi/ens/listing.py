"""What ENS tells about what there is. Every filter that is given must match."""

from __future__ import annotations

from collections.abc import Mapping

from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.arguments import Arguments
from terway_edge.testing.openapi.ens import lookup, shapes
from terway_edge.testing.openapi.paging import by_number
from terway_edge.testing.openapi.records import Eni, Instance, Network, Product, VSwitch


def network_interfaces(call: Call) -> Body:
    arguments = call.arguments
    found = [
        each for each in call.shown.enis.values() if each.product is Product.ENS and _is_asked_eni(each, arguments)
    ]
    found.sort(key=lambda eni: eni.serial)
    page, paging = by_number(found, arguments)
    call.cloud.listed(eni.id for eni in page)
    shown = [shapes.eni(each) for each in call.bent.ordered(page)]
    return {"NetworkInterfaceSets": {"NetworkInterfaceSet": shown}, **paging}


def vswitches(call: Call) -> Body:
    arguments = call.arguments
    found = sorted(each for each in call.shown.vswitches_of(Product.ENS) if _is_asked_vswitch(each, arguments))
    page, paging = by_number(found, arguments)
    return {"VSwitches": {"VSwitch": [shapes.vswitch(call.shown, each) for each in page]}, **paging}


def vswitch_attributes(call: Call) -> Body:
    return shapes.vswitch_attributes(call.shown, lookup.vswitch(call))


def networks(call: Call) -> Body:
    arguments = call.arguments
    found = sorted(
        each
        for each in call.shown.networks.values()
        if each.product is Product.ENS and _is_asked_network(each, arguments)
    )
    page, paging = by_number(found, arguments)
    return {"Networks": {"Network": [shapes.network(call.shown, each) for each in page]}, **paging}


def instances(call: Call) -> Body:
    arguments, cloud = call.arguments, call.shown
    found = [
        each
        for each in cloud.instances.values()
        if each.product is Product.ENS
        and _is_asked_instance(each, arguments)
        and arguments.text("IntranetIp", _first_address(cloud.enis_of(each.id)))
        == _first_address(cloud.enis_of(each.id))
    ]
    found.sort(key=lambda instance: instance.id)
    page, paging = by_number(found, arguments)
    return {"Code": 0, "Instances": {"Instance": [shapes.instance(cloud, each) for each in page]}, **paging}


def regions(call: Call) -> Body:
    wanted = call.arguments.text("EnsRegionId")
    found = [each for each in call.shown.site.ens_sites if wanted in ("", each.id)]
    return {"Code": 0, "EnsRegions": {"EnsRegions": [shapes.region(each) for each in found]}}


def _first_address(enis: list[Eni]) -> str:
    return str(enis[0].primary) if enis else ""


def _is_asked_eni(eni: Eni, arguments: Arguments) -> bool:
    exact = {
        "NetworkInterfaceId": eni.id,
        "InstanceId": eni.instance,
        "EnsRegionId": eni.region,
        "NetworkId": eni.network,
        "VSwitchId": eni.vswitch,
        "Status": str(eni.status),
        "Type": str(eni.type),
        "NetworkInterfaceName": eni.name,
    }
    addresses6 = arguments.addresses("Ipv6Address")
    return (
        _matches(arguments, exact, {"NetworkInterfaceIds": eni.id, "EnsRegionIds": eni.region})
        and ("SecurityGroupId" not in arguments or arguments.text("SecurityGroupId") in eni.security_groups)
        and arguments.address("PrimaryIpAddress") in (None, eni.primary)
        and (not addresses6 or bool(set(addresses6) & set(eni.ipv6)))
    )


def _is_asked_vswitch(vswitch: VSwitch, arguments: Arguments) -> bool:
    exact = {
        "VSwitchId": vswitch.id,
        "EnsRegionId": vswitch.region,
        "NetworkId": vswitch.network,
        "VSwitchName": vswitch.name,
    }
    six = arguments.flag("EnableIpv6", vswitch.cidr6 is not None) == (vswitch.cidr6 is not None)
    return six and _matches(arguments, exact, {"VSwitchIds": vswitch.id, "EnsRegionIds": vswitch.region})


def _is_asked_network(network: Network, arguments: Arguments) -> bool:
    exact = {"NetworkId": network.id, "EnsRegionId": network.region, "NetworkName": network.id}
    return _matches(arguments, exact, {"NetworkIds": network.id, "EnsRegionIds": network.region})


def _is_asked_instance(instance: Instance, arguments: Arguments) -> bool:
    exact = {
        "InstanceId": instance.id,
        "InstanceName": instance.id,
        "EnsRegionId": instance.region,
        "NetworkId": instance.network,
        "VSwitchId": instance.vswitch,
        "Status": instance.status,
    }
    return _matches(arguments, exact, {"InstanceIds": instance.id, "EnsRegionIds": instance.region}) and (
        "SecurityGroupId" not in arguments or arguments.text("SecurityGroupId") in instance.security_groups
    )


def _matches(arguments: Arguments, exact: Mapping[str, str], among: Mapping[str, str]) -> bool:
    return all(arguments.text(name, value) == value for name, value in exact.items()) and all(
        not arguments.texts(name) or value in arguments.texts(name) for name, value in among.items()
    )
