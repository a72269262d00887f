"""VPCs and vSwitches."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.errors import ApiError, invalid
from terway_edge.testing.openapi.paging import by_number
from terway_edge.testing.openapi.records import Network, Product, VSwitch

MOST_VPCS = 20


def vswitches(call: Call) -> Body:
    arguments, cloud = call.arguments, call.shown
    refuse_dry_run(call)
    exact = ("RegionId", "VpcId", "VSwitchId", "ZoneId", "VSwitchName", "RouteTableId")

    def is_asked(item: VSwitch) -> bool:
        table = cloud.networks[item.network].route_table
        has = dict(
            zip(exact, (item.region, item.network, item.id, item.zone, item.name, table), strict=True),
        )
        six = arguments.flag("EnableIpv6", item.cidr6 is not None) == (item.cidr6 is not None)
        return six and all(arguments.text(name, value) == value for name, value in has.items())

    found = sorted(filter(is_asked, cloud.vswitches_of(Product.ECS)))
    page, paging = by_number(found, arguments)
    return {"VSwitches": {"VSwitch": [_vswitch(cloud, each) for each in page]}, **paging}


def vpcs(call: Call) -> Body:
    arguments, cloud = call.arguments, call.shown
    refuse_dry_run(call)
    wanted = [each for each in arguments.text("VpcId").split(",") if each]
    if len(wanted) > MOST_VPCS:
        raise invalid("VpcId", f"{len(wanted)} ids are more than {MOST_VPCS}")
    found = sorted(
        each
        for each in cloud.networks.values()
        if each.product is Product.ECS
        and each.region == arguments.text("RegionId")
        and (not wanted or each.id in wanted)
    )
    page, paging = by_number(found, arguments)
    return {"Vpcs": {"Vpc": [_vpc(cloud, each) for each in page]}, **paging}


def refuse_dry_run(call: Call) -> None:
    """A dry run that would succeed ends in an error, as the service's do."""
    if call.arguments.flag("DryRun"):
        raise ApiError("DryRunOperation", "the request would succeed without DryRun", parameter="DryRun")


def _vswitch(cloud: Cloud, item: VSwitch) -> Body:
    return {
        "VSwitchId": item.id,
        "VSwitchName": item.name,
        "VpcId": item.network,
        "ZoneId": item.zone,
        "Status": "Available",
        "CidrBlock": str(item.cidr),
        "Ipv6CidrBlock": str(item.cidr6 or ""),
        "EnabledIpv6": item.cidr6 is not None,
        "AvailableIpAddressCount": cloud.subnet(item, 4).free_count,
        "RouteTable": {"RouteTableId": cloud.networks[item.network].route_table, "RouteTableType": "System"},
        "Tags": {"Tag": []},
    }


def _vpc(cloud: Cloud, item: Network) -> Body:
    mine = [each.id for each in cloud.vswitches.values() if each.network == item.id]
    blocks6 = [{"Ipv6CidrBlock": str(item.cidr6), "Ipv6Isp": "BGP"}] if item.cidr6 else []
    return {
        "VpcId": item.id,
        "VpcName": item.id,
        "RegionId": item.region,
        "Status": "Available",
        "CidrBlock": str(item.cidr),
        "SecondaryCidrBlocks": {"SecondaryCidrBlock": [str(each) for each in item.secondary_cidrs]},
        "UserCidrs": {"UserCidr": [str(each) for each in item.user_cidrs]},
        "Ipv6CidrBlock": str(item.cidr6 or ""),
        "Ipv6CidrBlocks": {"Ipv6CidrBlock": blocks6},
        "VSwitchIds": {"VSwitchId": mine},
        "VRouterId": f"vrt-{item.id}",
        "RouterTableIds": {"RouterTableIds": [item.route_table]},
        "Tags": {"Tag": []},
    }
