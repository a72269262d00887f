"""What an ECS call names, in the region it names. Raises ApiError with the code of whatever is not there."""

from __future__ import annotations

from collections.abc import Iterable

from terway_edge.testing.openapi.action import Call
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.errors import ApiError, absent
from terway_edge.testing.openapi.fields import Field, Text
from terway_edge.testing.openapi.records import Eni, Instance, Product, VSwitch

OWNER: tuple[Field, ...] = (
    *(Text("OwnerId"), Text("OwnerAccount"), Text("ResourceOwnerId"), Text("ResourceOwnerAccount")),
)
REGION: tuple[Field, ...] = (Text("RegionId", required=True), *OWNER)
NETWORK_INTERFACE = Text("NetworkInterfaceId", required=True)


def region(call: Call) -> str:
    name = call.arguments.text("RegionId")
    if name not in {each.id for each in call.cloud.site.regions}:
        raise absent("InvalidRegionId.NotFound", name)
    return name


def eni(call: Call, cloud: Cloud) -> Eni:
    """:param cloud: `call.cloud`, or `call.shown` for a listing"""
    identifier = call.arguments.text("NetworkInterfaceId")
    found = cloud.enis.get(identifier)
    if found is None or found.product is not Product.ECS or found.region != region(call):
        raise absent("InvalidEniId.NotFound", identifier)
    return found


def own_eni(call: Call) -> Eni:
    """One that may be changed: none that a service of the vendor's manages."""
    found = eni(call, call.cloud)
    if found.service_managed:
        raise ApiError("InvalidOperation.EniServiceManaged", f"{found.id} is managed by a cloud service", 403)
    return found


def instance(call: Call) -> Instance:
    identifier = call.arguments.text("InstanceId")
    found = call.cloud.instances.get(identifier)
    if found is None or found.product is not Product.ECS or found.region != region(call):
        raise absent("InvalidEcsId.NotFound", identifier)
    return found


def vswitch(call: Call) -> VSwitch:
    identifier = call.arguments.text("VSwitchId")
    found = call.cloud.vswitches.get(identifier)
    if found is None or found.product is not Product.ECS or found.region != region(call):
        raise absent("InvalidVSwitchId.NotFound", identifier)
    return found


def check_groups(call: Call, groups: Iterable[str], vpc: str) -> None:
    for identifier in groups:
        found = call.cloud.security_groups.get(identifier)
        if found is None or found.product is not Product.ECS or found.region != region(call):
            raise absent("InvalidSecurityGroupId.NotFound", identifier)
        if found.network != vpc:
            raise ApiError("InvalidOperation.VpcMismatch", f"{identifier} is in {found.network}, not in {vpc}", 403)
