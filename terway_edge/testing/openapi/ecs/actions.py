"""The parameters of the ECS actions. What the emulator does not act upon it does not take."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Action
from terway_edge.testing.openapi.ecs import addresses, enis, listing
from terway_edge.testing.openapi.ecs.granting import FAMILY_4, FAMILY_6, counted, named
from terway_edge.testing.openapi.ecs.lookup import NETWORK_INTERFACE, OWNER, REGION
from terway_edge.testing.openapi.fields import Field, Flag, Ip, Ips, JsonTexts, Number, TagList, Text, Texts
from terway_edge.testing.openapi.paging import by_number_fields, by_token_fields
from terway_edge.testing.openapi.records import EniStatus
from terway_edge.testing.openapi.tokens import CLIENT_TOKEN

VERSION = "2014-05-26"
MOST_GROUPS = 10
INSTANCE = Text("InstanceId", required=True)
NAME = Text("NetworkInterfaceName", shortest=2, longest=128)
DESCRIPTION = Text("Description", shortest=2, longest=256, pattern="(?!https?://).*")
CHANGEABLE: tuple[Field, ...] = (
    *(NAME, DESCRIPTION, Number("QueueNumber", 1, 2048), Flag("SourceDestCheck"), Flag("DeleteOnRelease")),
)
FILTERS: tuple[Field, ...] = (
    *(Text("InstanceId"), Text("VSwitchId"), Text("VpcId"), Text("SecurityGroupId"), Text("ResourceGroupId")),
    *(Text("Status", choices=tuple(EniStatus)), Text("Type", choices=("Primary", "Secondary"))),
    *(Text("NetworkInterfaceName"), Flag("ServiceManaged"), Ip("PrimaryIpAddress"), TagList()),
    *(Texts("NetworkInterfaceId"), Ips("PrivateIpAddress"), Ips("Ipv6Address", 6)),
)

ACTIONS = (
    Action(
        "CreateNetworkInterface",
        (
            *REGION,
            *CHANGEABLE,
            CLIENT_TOKEN,
            TagList(),
            Text("VSwitchId", required=True),
            Text("SecurityGroupId"),
            Texts("SecurityGroupIds", MOST_GROUPS),
            Text("InstanceType", choices=("Secondary",)),
            Text("NetworkInterfaceTrafficMode", choices=("Standard", "HighPerformance")),
            Text("ResourceGroupId"),
            Ip("PrimaryIpAddress"),
            *(*named(4, 10), *counted(4, 49)),
            *(*named(6, 10), *counted(6, 10)),
        ),
        enis.create,
        exclusive=(("SecurityGroupId", "SecurityGroupIds"), FAMILY_4, FAMILY_6),
        needed=(("SecurityGroupId", "SecurityGroupIds"),),
    ),
    Action(
        "AttachNetworkInterface",
        (*REGION, INSTANCE, NETWORK_INTERFACE, Number("NetworkCardIndex", 0, 0)),
        enis.attach,
    ),
    Action("DetachNetworkInterface", (*REGION, INSTANCE, NETWORK_INTERFACE), enis.detach),
    Action("DeleteNetworkInterface", (*REGION, NETWORK_INTERFACE), enis.delete),
    Action(
        "ModifyNetworkInterfaceAttribute",
        (*REGION, NETWORK_INTERFACE, *CHANGEABLE, Texts("SecurityGroupId", MOST_GROUPS)),
        enis.modify,
    ),
    Action(
        "AssignPrivateIpAddresses",
        (*REGION, NETWORK_INTERFACE, CLIENT_TOKEN, *named(4, 32), *counted(4, 49)),
        addresses.assign_ipv4,
        exclusive=(FAMILY_4,),
        needed=(FAMILY_4,),
    ),
    Action(
        "UnassignPrivateIpAddresses",
        (*REGION, NETWORK_INTERFACE, *named(4, 32)),
        addresses.unassign_ipv4,
        needed=(("PrivateIpAddress", "Ipv4Prefix"),),
    ),
    Action(
        "AssignIpv6Addresses",
        (*REGION, NETWORK_INTERFACE, CLIENT_TOKEN, *named(6, 10), *counted(6, 10)),
        addresses.assign_ipv6,
        exclusive=(FAMILY_6,),
        needed=(FAMILY_6,),
    ),
    Action(
        "UnassignIpv6Addresses",
        (*REGION, NETWORK_INTERFACE, *named(6, 10)),
        addresses.unassign_ipv6,
        needed=(("Ipv6Address", "Ipv6Prefix"),),
    ),
    Action(
        "DescribeNetworkInterfaces",
        (*REGION, *FILTERS, *by_token_fields(500), *by_number_fields(500)),
        listing.network_interfaces,
        exclusive=(("NextToken", "PageNumber"), ("MaxResults", "PageSize")),
    ),
    Action("DescribeNetworkInterfaceAttribute", (*REGION, NETWORK_INTERFACE), listing.network_interface),
    Action(
        "DescribeInstances",
        (
            *REGION,
            *(
                Text(each)
                for each in ("VpcId", "VSwitchId", "ZoneId", "SecurityGroupId", "InstanceType", "InstanceName")
            ),
            Text("Status", choices=("Pending", "Running", "Starting", "Stopping", "Stopped")),
            JsonTexts("InstanceIds"),
            JsonTexts("PrivateIpAddresses"),
            *by_token_fields(100),
            *by_number_fields(100),
        ),
        listing.instances,
        exclusive=(("NextToken", "PageNumber"), ("MaxResults", "PageSize")),
    ),
    Action(
        "DescribeInstanceTypes",
        (Text("RegionId"), *OWNER, Texts("InstanceTypes", 10), *by_token_fields(listing.LARGEST_LIST, smallest=1)),
        listing.instance_types,
    ),
    Action(
        "DescribeSecurityGroups",
        (
            *REGION,
            *(Text("VpcId"), Text("SecurityGroupId"), JsonTexts("SecurityGroupIds")),
            *by_number_fields(),
        ),
        listing.security_groups,
    ),
)
