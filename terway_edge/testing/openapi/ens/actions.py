"""The parameters of the ENS actions. How a list travels differs from one parameter to the next, as it does there."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Action
from terway_edge.testing.openapi.ens import enis, instances, listing
from terway_edge.testing.openapi.fields import Field, Flag, Ip, Ips, JsonTexts, Text, Texts
from terway_edge.testing.openapi.paging import by_number_fields
from terway_edge.testing.openapi.records import EniStatus

VERSION = "2017-11-10"
ANY_REGION = Text("RegionId")
"""The vendor's client adds it to every call; nothing here depends on it."""
INSTANCE = Text("InstanceId", required=True)
NETWORK_INTERFACE = Text("NetworkInterfaceId", required=True)
EDGE: tuple[Field, ...] = (Text("EnsRegionId"), Texts("EnsRegionIds"))

ACTIONS = (
    Action(
        "CreateNetworkInterface",
        (
            ANY_REGION,
            Text("VSwitchId", required=True),
            JsonTexts("SecurityGroupIds", required=True),
            Text("Name", longest=128),
            Text("Description", longest=256),
        ),
        enis.create,
    ),
    Action("AttachNetworkInterface", (ANY_REGION, INSTANCE, NETWORK_INTERFACE), enis.attach),
    Action("DetachNetworkInterface", (ANY_REGION, NETWORK_INTERFACE), enis.detach),
    Action("DeleteNetworkInterfaces", (ANY_REGION, JsonTexts("NetworkInterfaceIds", required=True)), enis.delete),
    Action("AssignPrivateIpAddresses", (ANY_REGION, NETWORK_INTERFACE, Text("VSwitchId")), enis.assign),
    Action(
        "UnassignPrivateIpAddresses",
        (ANY_REGION, NETWORK_INTERFACE, Ips("PrivateIpAddress", required=True)),
        enis.unassign,
    ),
    Action(
        "DescribeNetworkInterfaces",
        (
            ANY_REGION,
            *EDGE,
            *(Text(each) for each in ("NetworkInterfaceId", "InstanceId", "NetworkId", "VSwitchId", "SecurityGroupId")),
            *(Text("Status", choices=tuple(EniStatus)), Text("Type", choices=("Primary", "Secondary"))),
            *(
                Text("NetworkInterfaceName"),
                Ip("PrimaryIpAddress"),
                Ips("Ipv6Address", 6),
                Texts("NetworkInterfaceIds"),
            ),
            *by_number_fields(),
        ),
        listing.network_interfaces,
    ),
    Action(
        "DescribeVSwitches",
        (
            ANY_REGION,
            *EDGE,
            *(Text("VSwitchId"), Texts("VSwitchIds"), Text("NetworkId"), Text("VSwitchName"), Flag("EnableIpv6")),
            *by_number_fields(),
        ),
        listing.vswitches,
    ),
    Action("DescribeVSwitchAttributes", (ANY_REGION, Text("VSwitchId", required=True)), listing.vswitch_attributes),
    Action(
        "DescribeNetworks",
        (ANY_REGION, *EDGE, Text("NetworkId"), Texts("NetworkIds"), Text("NetworkName"), *by_number_fields()),
        listing.networks,
    ),
    Action(
        "DescribeInstances",
        (
            ANY_REGION,
            *(Text("InstanceId"), JsonTexts("InstanceIds"), Text("EnsRegionId"), JsonTexts("EnsRegionIds")),
            *(Text(each) for each in ("NetworkId", "VSwitchId", "SecurityGroupId", "InstanceName", "IntranetIp")),
            Text("Status", choices=("Running", "Stopped", "Expired")),
            *by_number_fields(100),
        ),
        listing.instances,
    ),
    Action("DescribeEnsRegions", (ANY_REGION, Text("EnsRegionId")), listing.regions),
    Action("StartInstance", (ANY_REGION, INSTANCE), instances.start),
    Action("StopInstance", (ANY_REGION, INSTANCE, Text("ForceStop", choices=("true", "false"))), instances.stop),
)
