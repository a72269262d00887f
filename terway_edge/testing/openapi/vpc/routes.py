"""Route tables of VPCs: one system route per vSwitch and one for cloud services, and custom ones."""

from __future__ import annotations

from terway_edge.core.addresses import Prefix
from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.arguments import Arguments
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.errors import ApiError, absent, missing
from terway_edge.testing.openapi.paging import by_token
from terway_edge.testing.openapi.records import Network, Product, Route
from terway_edge.testing.openapi.vpc.listing import refuse_dry_run

SERVICES = Prefix.parse("100.64.0.0/10")


def create(call: Call) -> Body:
    arguments, cloud = call.arguments, call.cloud
    network = _network(call)
    destination = arguments.prefix("DestinationCidrBlock")
    _check_destination(cloud, network, destination)
    kind = arguments.text("NextHopType", "Instance")
    _check_next_hop(cloud, network, kind, arguments.text("NextHopId"))
    refuse_dry_run(call)
    identifier, _ = cloud.new_id("rte")
    cloud.routes[identifier] = Route(
        identifier,
        network.route_table,
        destination,
        arguments.text("NextHopId"),
        kind,
        False,
        arguments.text("RouteEntryName"),
        arguments.text("Description"),
    )
    return {"RouteEntryId": identifier}


def delete(call: Call) -> Body:
    arguments = call.arguments
    route = _by_id(call) if "RouteEntryId" in arguments else _by_destination(call)
    if route is None or arguments.text("NextHopId", route.next_hop) != route.next_hop:
        raise absent("InvalidRouteEntry.NotFound", arguments.text("RouteEntryId"))
    refuse_dry_run(call)
    del call.cloud.routes[route.id]
    return {}


def entries(call: Call) -> Body:
    arguments, network = call.arguments, _network(call)
    custom = [each for each in call.cloud.routes.values() if each.table == network.route_table]
    found = [each for each in (*_system(call.cloud, network), *custom) if _is_asked(each, arguments)]
    page, token = by_token(found, arguments, lambda route: route.id, "MaxResult")
    return {
        "RouteEntrys": {"RouteEntry": [_shown(each) for each in page]},
        "NextToken": token,
        "TotalCount": len(found),
    }


def _network(call: Call) -> Network:
    """The VPC whose table is named."""
    table, region = call.arguments.text("RouteTableId"), call.arguments.text("RegionId")
    for network in call.cloud.networks.values():
        if network.product is Product.ECS and network.route_table == table and region in ("", network.region):
            return network
    raise absent("InvalidRouteTableId.NotFound", table)


def _by_id(call: Call) -> Route | None:
    return call.cloud.routes.get(call.arguments.text("RouteEntryId"))


def _by_destination(call: Call) -> Route | None:
    for name in ("RouteTableId", "DestinationCidrBlock"):
        if name not in call.arguments:
            raise missing(name)
    wanted = (_network(call).route_table, call.arguments.prefix("DestinationCidrBlock"))
    return next((each for each in call.cloud.routes.values() if (each.table, each.destination) == wanted), None)


def _check_destination(cloud: Cloud, network: Network, destination: Prefix) -> None:
    if SERVICES.covers(destination) or any(
        each.network == network.id and each.cidr.covers(destination) for each in cloud.vswitches.values()
    ):
        raise ApiError("InvalidCidrBlock", f"{destination} is in a vSwitch, or in {SERVICES} of cloud services")
    if any((each.table, each.destination) == (network.route_table, destination) for each in cloud.routes.values()):
        raise ApiError("RouterEntryConflict.Duplicated", f"{network.route_table} has a route to {destination}")


def _check_next_hop(cloud: Cloud, network: Network, kind: str, identifier: str) -> None:
    """Of instances and ENIs the emulator knows which there are; of others it does not."""
    if kind not in ("Instance", "NetworkInterface"):
        return
    found = cloud.instances.get(identifier) if kind == "Instance" else cloud.enis.get(identifier)
    if found is None or found.network != network.id:
        raise absent("InvalidNextHopId.NotFound", identifier)


def _system(cloud: Cloud, network: Network) -> list[Route]:
    prefixes = [each.cidr for each in cloud.vswitches.values() if each.network == network.id]
    return [
        Route(f"rte-{network.route_table}-{number}", network.route_table, prefix, "", "local", True, "", "")
        for number, prefix in enumerate((*prefixes, SERVICES))
    ]


def _is_asked(route: Route, arguments: Arguments) -> bool:
    exact = {
        "RouteEntryId": route.id,
        "RouteEntryType": "System" if route.is_system else "Custom",
        "NextHopId": route.next_hop,
        "NextHopType": route.next_hop_type,
        "IpVersion": f"ipv{route.destination.family}",
        "RouteEntryName": route.name,
    }
    named = {*arguments.prefixes("DestCidrBlockList")}
    if "DestinationCidrBlock" in arguments:
        named.add(arguments.prefix("DestinationCidrBlock"))
    matches = all(arguments.text(name, value) == value for name, value in exact.items())
    return matches and (not named or route.destination in named)


def _shown(route: Route) -> Body:
    hop = {"NextHopId": route.next_hop, "NextHopType": route.next_hop_type, "Enabled": 1, "Weight": 0}
    return {
        "RouteEntryId": route.id,
        "RouteTableId": route.table,
        "RouteEntryName": route.name,
        "Description": route.description,
        "DestinationCidrBlock": str(route.destination),
        "IpVersion": f"ipv{route.destination.family}",
        "Type": "System" if route.is_system else "Custom",
        "Status": "Available",
        "NextHops": {"NextHop": [hop]},
    }
