"""Records as ECS answers show them: sets nested twice, tags as TagKey and TagValue."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Body
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.gate import utc
from terway_edge.testing.openapi.records import Eni, Instance, SecurityGroup
from terway_edge.testing.openapi.site import InstanceTypeSpec


def created(eni: Eni) -> Body:
    """What CreateNetworkInterface answers: less than a listing shows."""
    return {
        "NetworkInterfaceId": eni.id,
        "NetworkInterfaceName": eni.name,
        "Description": eni.description,
        "Status": str(eni.status),
        "Type": str(eni.type),
        "MacAddress": eni.mac,
        "VpcId": eni.network,
        "VSwitchId": eni.vswitch,
        "ZoneId": eni.zone,
        "ResourceGroupId": eni.resource_group,
        "ServiceManaged": eni.service_managed,
        "SourceDestCheck": eni.source_dest_check,
        "PrivateIpAddress": str(eni.primary),
        "SecurityGroupIds": {"SecurityGroupId": list(eni.security_groups)},
        "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in eni.tags]},
        **_address_sets(eni),
    }


def listed(cloud: Cloud, eni: Eni) -> Body:
    attachment: Body = {}
    if eni.instance:
        attachment = {
            "InstanceId": eni.instance,
            "DeviceIndex": [each.id for each in cloud.enis_of(eni.instance)].index(eni.id),
            "NetworkCardIndex": 0,
            "TrunkNetworkInterfaceId": "",
        }
    return {
        **created(eni),
        "InstanceId": eni.instance,
        "Attachment": attachment,
        "CreationTime": utc(eni.created),
        "OwnerId": cloud.site.account,
        "DeleteOnRelease": eni.delete_on_release,
        "NetworkInterfaceTrafficMode": eni.traffic_mode,
        "QueueNumber": eni.queues,
    }


def instance(cloud: Cloud, item: Instance) -> Body:
    enis = cloud.enis_of(item.id)
    return {
        "InstanceId": item.id,
        "InstanceName": item.id,
        "HostName": item.id,
        "InstanceType": item.type,
        "InstanceNetworkType": "vpc",
        "Status": item.status,
        "RegionId": item.region,
        "ZoneId": item.zone,
        "VpcAttributes": {
            "VpcId": item.network,
            "VSwitchId": item.vswitch,
            "PrivateIpAddress": {"IpAddress": [str(each.primary) for each in enis[:1]]},
        },
        "SecurityGroupIds": {"SecurityGroupId": list(item.security_groups)},
        "NetworkInterfaces": {"NetworkInterface": [_of_instance(each) for each in enis]},
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required" if item.hardened_metadata else "optional",
        },
    }


def instance_type(kind: InstanceTypeSpec) -> Body:
    return {
        "InstanceTypeId": kind.id,
        "InstanceTypeFamily": kind.id.rpartition(".")[0],
        "CpuCoreCount": kind.cores,
        "MemorySize": kind.memory_gib,
        "EniQuantity": kind.enis,
        "EniTotalQuantity": kind.total_enis or kind.enis,
        "EniPrivateIpAddressQuantity": kind.ipv4_per_eni,
        "EniIpv6AddressQuantity": kind.ipv6_per_eni,
        "EniTrunkSupported": kind.trunk,
        "EriQuantity": 0,
        "NetworkCardQuantity": 1,
        "NetworkCards": {"NetworkCardInfo": [{"NetworkCardIndex": 0}]},
    }


def security_group(item: SecurityGroup) -> Body:
    return {
        "SecurityGroupId": item.id,
        "SecurityGroupName": item.id,
        "SecurityGroupType": "normal",
        "VpcId": item.network,
        "ServiceManaged": False,
    }


def _of_instance(eni: Eni) -> Body:
    return {
        "NetworkInterfaceId": eni.id,
        "MacAddress": eni.mac,
        "Type": str(eni.type),
        "PrimaryIpAddress": str(eni.primary),
        **_address_sets(eni),
    }


def _address_sets(eni: Eni) -> Body:
    return {
        "PrivateIpSets": {
            "PrivateIpSet": [{"PrivateIpAddress": str(each), "Primary": each == eni.primary} for each in eni.ipv4]
        },
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": str(each)} for each in eni.ipv6]},
        "Ipv4PrefixSets": {"Ipv4PrefixSet": [{"Ipv4Prefix": str(each)} for each in eni.prefixes]},
        "Ipv6PrefixSets": {"Ipv6PrefixSet": [{"Ipv6Prefix": str(each)} for each in eni.prefixes6]},
    }
