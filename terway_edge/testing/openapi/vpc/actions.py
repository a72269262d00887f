"""The parameters of the VPC actions."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Action
from terway_edge.testing.openapi.ecs.lookup import OWNER, REGION
from terway_edge.testing.openapi.fields import Cidr, Cidrs, Flag, Number, Text
from terway_edge.testing.openapi.paging import by_number_fields
from terway_edge.testing.openapi.tokens import CLIENT_TOKEN
from terway_edge.testing.openapi.vpc import listing, routes

VERSION = "2016-04-28"
NEXT_HOP_TYPES = (
    *("Instance", "HaVip", "RouterInterface", "NetworkInterface", "VpnGateway", "IPv6Gateway", "NatGateway"),
    *("Attachment", "VpcPeer", "Ipv4Gateway", "GatewayEndpoint", "Ecr", "GatewayLoadBalancerEndpoint"),
)
TABLE = Text("RouteTableId", required=True)
NAME = Text("RouteEntryName", shortest=1, longest=128, pattern="(?!https?://).*")

ACTIONS = (
    Action(
        "DescribeVSwitches",
        (
            *(Text("RegionId"), *OWNER),
            *(Text(each) for each in ("VpcId", "VSwitchId", "VSwitchName", "ZoneId", "RouteTableId")),
            Flag("EnableIpv6"),
            Flag("DryRun"),
            *by_number_fields(),
        ),
        listing.vswitches,
        needed=(("RegionId", "VpcId"),),
    ),
    Action("DescribeVpcs", (*REGION, Text("VpcId"), Flag("DryRun"), *by_number_fields()), listing.vpcs),
    Action(
        "CreateRouteEntry",
        (
            *(Text("RegionId"), *OWNER),
            *(TABLE, CLIENT_TOKEN, NAME, Flag("DryRun")),
            Cidr("DestinationCidrBlock", required=True),
            Text("NextHopId", required=True),
            Text("NextHopType", choices=NEXT_HOP_TYPES),
            Text("Description", shortest=1, longest=256, pattern="(?!https?://).*"),
        ),
        routes.create,
    ),
    Action(
        "DeleteRouteEntry",
        (
            *(Text("RegionId"), *OWNER),
            *(Text("RouteEntryId"), Text("RouteTableId"), Text("NextHopId"), Flag("DryRun")),
            Cidr("DestinationCidrBlock"),
        ),
        routes.delete,
        exclusive=(("RouteEntryId", "DestinationCidrBlock"),),
    ),
    Action(
        "DescribeRouteEntryList",
        (
            *(*REGION, TABLE, Text("NextToken"), Number("MaxResult", 1, 100)),
            *(Cidr("DestinationCidrBlock"), Cidrs("DestCidrBlockList", most=20)),
            Text("RouteEntryType", choices=("Custom", "System", "BGP", "CEN", "ECR")),
            Text("IpVersion", choices=("ipv4", "ipv6")),
            *(Text("NextHopId"), Text("RouteEntryId"), Text("RouteEntryName")),
            Text("NextHopType", choices=NEXT_HOP_TYPES),
        ),
        routes.entries,
        exclusive=(("DestinationCidrBlock", "DestCidrBlockList"),),
    ),
)
