"""What an ENS call names. Raises ApiError with the code of whatever is not there; the edge site does not matter."""

from __future__ import annotations

from terway_edge.testing.openapi.action import Call
from terway_edge.testing.openapi.errors import ApiError, absent
from terway_edge.testing.openapi.records import Eni, EniType, Instance, Product, VSwitch

GENERIC = "ens.interface.error"
"""What the service says where its documentation knows no better code."""


def eni(call: Call, identifier: str = "") -> Eni:
    """One that may be changed: none that a service of the vendor's manages."""
    identifier = identifier or call.arguments.text("NetworkInterfaceId")
    found = call.cloud.enis.get(identifier)
    if found is None or found.product is not Product.ENS:
        raise absent("InvalidEniId.NotFound", identifier, 400)
    if found.service_managed:
        raise ApiError("InvalidParameter.EniServiceManaged", f"{found.id} is managed by a cloud service")
    return found


def secondary_eni(call: Call, identifier: str = "") -> Eni:
    found = eni(call, identifier)
    if found.type is EniType.PRIMARY:
        raise ApiError("InvalidOperation.InvalidEniType", f"{found.id} is the primary ENI of {found.instance}")
    return found


def instance(call: Call) -> Instance:
    identifier = call.arguments.text("InstanceId")
    found = call.cloud.instances.get(identifier)
    if found is None or found.product is not Product.ENS:
        raise absent("InstanceNotFound", identifier, 400)
    return found


def vswitch(call: Call) -> VSwitch:
    identifier = call.arguments.text("VSwitchId")
    found = call.cloud.vswitches.get(identifier)
    if found is None or found.product is not Product.ENS:
        raise absent("InvalidVSwitchId.NotFound", identifier, 400)
    return found
