"""The actions used, and how each of their parameters travels.

The names are the vendor's. Requests carry pairs of text, so that none of the quirks of the SDK's setters matters:
`None` and `True` as texts, names with a doubled s, lists that they encode differently from one action to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from terway_edge.cloud.parameters import Codec, Value, flag, indexed, json_list, number, tags, text
from terway_edge.core.errors import Bug


class Product(NamedTuple):
    """A service: its name in RAM policies, and where the SDK has its request classes."""

    name: str
    package: str


class Request(NamedTuple):
    """One call, ready to be signed."""

    action: Action
    query: Mapping[str, str]


class Action(NamedTuple):
    product: Product
    name: str
    parameters: Mapping[str, Codec]

    def __str__(self) -> str:
        return f"{self.product.name}:{self.name}"

    def request(self, values: Mapping[str, Value | None]) -> Request:
        """What is None is left out. Raises Bug for a parameter that the action does not have."""
        query: dict[str, str] = {}
        for name, value in values.items():
            if name not in self.parameters:
                raise Bug(f"{self} has no parameter {name}; report it")
            if value is not None:
                query.update(self.parameters[name](name, value))
        return Request(self, query)


ECS = Product("ecs", "aliyunsdkecs.request.v20140526")
VPC = Product("vpc", "aliyunsdkvpc.request.v20160428")
ENS = Product("ens", "aliyunsdkens.request.v20171110")

_ENI = {"NetworkInterfaceId": text}
_ENI_OF_INSTANCE = {**_ENI, "InstanceId": text}

ECS_CREATE = Action(
    ECS,
    "CreateNetworkInterface",
    {
        "VSwitchId": text,
        "SecurityGroupIds": indexed,
        "SecondaryPrivateIpAddressCount": number,
        "Ipv6AddressCount": number,
        "Ipv4PrefixCount": number,
        "Ipv6PrefixCount": number,
        "SourceDestCheck": flag,
        "DeleteOnRelease": flag,
        "ResourceGroupId": text,
        "Description": text,
        "Tag": tags,
        "ClientToken": text,
    },
)
ECS_ATTACH = Action(ECS, "AttachNetworkInterface", _ENI_OF_INSTANCE)
ECS_DETACH = Action(ECS, "DetachNetworkInterface", _ENI_OF_INSTANCE)
ECS_DELETE = Action(ECS, "DeleteNetworkInterface", _ENI)
ECS_MODIFY = Action(ECS, "ModifyNetworkInterfaceAttribute", {**_ENI, "SourceDestCheck": flag})
ECS_ENIS = Action(
    ECS,
    "DescribeNetworkInterfaces",
    {
        "NetworkInterfaceId": indexed,
        "InstanceId": text,
        "NetworkInterfaceName": text,
        "Tag": tags,
        "MaxResults": number,
        "NextToken": text,
    },
)
ECS_ASSIGN = Action(
    ECS,
    "AssignPrivateIpAddresses",
    {**_ENI, "SecondaryPrivateIpAddressCount": number, "Ipv4PrefixCount": number, "ClientToken": text},
)
ECS_UNASSIGN = Action(ECS, "UnassignPrivateIpAddresses", {**_ENI, "PrivateIpAddress": indexed, "Ipv4Prefix": indexed})
ECS_ASSIGN6 = Action(
    ECS, "AssignIpv6Addresses", {**_ENI, "Ipv6AddressCount": number, "Ipv6PrefixCount": number, "ClientToken": text}
)
ECS_UNASSIGN6 = Action(ECS, "UnassignIpv6Addresses", {**_ENI, "Ipv6Address": indexed, "Ipv6Prefix": indexed})
ECS_INSTANCES = Action(ECS, "DescribeInstances", {"InstanceIds": json_list})
ECS_TYPES = Action(ECS, "DescribeInstanceTypes", {"InstanceTypes": indexed})

VPC_VSWITCHES = Action(VPC, "DescribeVSwitches", {"VSwitchId": text})

ENS_CREATE = Action(
    ENS,
    "CreateNetworkInterface",
    {"VSwitchId": text, "SecurityGroupIds": json_list, "Name": text, "Description": text},
)
ENS_ATTACH = Action(ENS, "AttachNetworkInterface", _ENI_OF_INSTANCE)
ENS_DETACH = Action(ENS, "DetachNetworkInterface", _ENI)
ENS_DELETE = Action(ENS, "DeleteNetworkInterfaces", {"NetworkInterfaceIds": json_list})
ENS_ENIS = Action(
    ENS,
    "DescribeNetworkInterfaces",
    {
        "NetworkInterfaceIds": indexed,
        "InstanceId": text,
        "EnsRegionId": text,
        "NetworkInterfaceName": text,
        "PageNumber": number,
        "PageSize": number,
    },
)
ENS_ASSIGN = Action(ENS, "AssignPrivateIpAddresses", _ENI)
ENS_UNASSIGN = Action(ENS, "UnassignPrivateIpAddresses", {**_ENI, "PrivateIpAddress": indexed})
ENS_INSTANCES = Action(ENS, "DescribeInstances", {"InstanceIds": json_list})
ENS_VSWITCHES = Action(ENS, "DescribeVSwitches", {"VSwitchIds": indexed, "PageNumber": number, "PageSize": number})

ACTIONS = (
    *(ECS_CREATE, ECS_ATTACH, ECS_DETACH, ECS_DELETE, ECS_MODIFY, ECS_ENIS, ECS_ASSIGN, ECS_UNASSIGN, ECS_ASSIGN6),
    *(ECS_UNASSIGN6, ECS_INSTANCES, ECS_TYPES, VPC_VSWITCHES),
    *(ENS_CREATE, ENS_ATTACH, ENS_DETACH, ENS_DELETE, ENS_ENIS, ENS_ASSIGN, ENS_UNASSIGN, ENS_INSTANCES, ENS_VSWITCHES),
)
"""All of them."""
