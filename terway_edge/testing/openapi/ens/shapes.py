"""Records as ENS answers show them: other names than ECS, and some sets flat."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Body
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.gate import utc
from terway_edge.testing.openapi.records import Eni, Instance, Network, VSwitch
from terway_edge.testing.openapi.site import EnsSiteSpec
from terway_edge.testing.openapi.subnet import gateway


def eni(item: Eni) -> Body:
    addresses = [
        {"PrivateIpAddress": str(each), "Primary": each == item.primary, "PrivateIpStatus": "Available"}
        for each in item.ipv4
    ]
    return {
        "NetworkInterfaceId": item.id,
        "NetworkInterfaceName": item.name,
        "Description": item.description,
        "InstanceId": item.instance,
        "EnsRegionId": item.region,
        "NetworkId": item.network,
        "VSwitchId": item.vswitch,
        "MacAddress": item.mac,
        "PrimaryIp": str(item.primary),
        "Status": str(item.status),
        "Type": str(item.type),
        "CreationTime": utc(item.created),
        "SecurityGroupIds": {"SecurityGroup": list(item.security_groups)},
        "PrivateIpSets": {"PrivateIpSet": addresses},
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": str(each)} for each in item.ipv6]},
    }


def vswitch(cloud: Cloud, item: VSwitch) -> Body:
    return {**_vswitch(item), "FreeIpCount": cloud.subnet(item, 4).free_count, "Tags": {"Tag": []}}


def vswitch_attributes(cloud: Cloud, item: VSwitch) -> Body:
    """The same count under another name."""
    return {
        **_vswitch(item),
        "AvailableIpAddressCount": cloud.subnet(item, 4).free_count,
        "NetworkInterfaceIds": {
            "NetworkInterfaceId": [each.id for each in cloud.enis.values() if each.vswitch == item.id]
        },
        "InstanceIds": {"InstanceId": [each.id for each in cloud.instances.values() if each.vswitch == item.id]},
    }


def network(cloud: Cloud, item: Network) -> Body:
    return {
        "NetworkId": item.id,
        "NetworkName": item.id,
        "EnsRegionId": item.region,
        "CidrBlock": str(item.cidr),
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": [str(each) for each in item.secondary_cidrs]},
        "RouteTableId": item.route_table,
        "RouterTableId": item.route_table,
        "Status": "Available",
        "VSwitchIds": {"VSwitchId": [each.id for each in cloud.vswitches.values() if each.network == item.id]},
    }


def instance(cloud: Cloud, item: Instance) -> Body:
    enis = cloud.enis_of(item.id)
    primary = [str(each.primary) for each in enis[:1]]
    way = str(gateway(cloud.vswitches[item.vswitch]))
    return {
        "InstanceId": item.id,
        "InstanceName": item.id,
        "HostName": item.id,
        "Status": item.status,
        "EnsRegionId": item.region,
        "SpecName": item.type,
        "InstanceTypeFamily": item.type.rpartition(".")[0],
        "NetworkAttributes": {
            "NetworkId": item.network,
            "VSwitchId": item.vswitch,
            "PrivateIpAddress": {"IpAddress": primary},
        },
        "NetworkInterfaces": {"NetworkInterfaces": [_of_instance(each) for each in enis]},
        "PrivateIpAddresses": {"PrivateIpAddress": [{"Ip": each, "GateWay": way, "Isp": ""} for each in primary]},
        "SecurityGroupIds": {"SecurityGroupId": list(item.security_groups)},
    }


def region(site: EnsSiteSpec) -> Body:
    name = site.name or site.id
    return {"EnsRegionId": site.id, "Name": name, "EnName": name, "Area": site.area, "Province": site.province}


def _vswitch(item: VSwitch) -> Body:
    return {
        "VSwitchId": item.id,
        "VSwitchName": item.name,
        "NetworkId": item.network,
        "EnsRegionId": item.region,
        "CidrBlock": str(item.cidr),
        "Ipv6CidrBlock": str(item.cidr6 or ""),
        "Status": "Available",
    }


def _of_instance(item: Eni) -> Body:
    return {
        "NetworkInterfaceId": item.id,
        "MacAddress": item.mac,
        "Type": str(item.type),
        "PrimaryIpAddress": str(item.primary),
        "PrivateIpSets": {
            "PrivateIpSet": [{"PrivateIpAddress": str(each), "Primary": each == item.primary} for each in item.ipv4]
        },
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": str(each)} for each in item.ipv6]},
    }
