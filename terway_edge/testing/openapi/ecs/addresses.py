"""Assign and unassign addresses and prefixes, of both families."""

from __future__ import annotations

from dataclasses import replace

from terway_edge.testing.openapi.action import Body, Call
from terway_edge.testing.openapi.ecs import lookup
from terway_edge.testing.openapi.ecs.granting import Granted, Wish, check_quota, grant
from terway_edge.testing.openapi.errors import ApiError, invalid
from terway_edge.testing.openapi.records import Eni, EniStatus, EniType


def assign_ipv4(call: Call) -> Body:
    eni, granted = _grant(call, 4)
    call.cloud.put(
        replace(eni, secondary=(*eni.secondary, *granted.addresses), prefixes=(*eni.prefixes, *granted.prefixes))
    )
    return {
        "AssignedPrivateIpAddressesSet": {
            "NetworkInterfaceId": eni.id,
            "PrivateIpSet": {"PrivateIpAddress": [str(each) for each in granted.addresses]},
            "Ipv4PrefixSet": {"Ipv4Prefixes": [str(each) for each in granted.prefixes]},
        }
    }


def assign_ipv6(call: Call) -> Body:
    eni, granted = _grant(call, 6)
    call.cloud.put(replace(eni, ipv6=(*eni.ipv6, *granted.addresses), prefixes6=(*eni.prefixes6, *granted.prefixes)))
    return {
        "NetworkInterfaceId": eni.id,
        "Ipv6Sets": {"Ipv6Address": [str(each) for each in granted.addresses]},
        "Ipv6PrefixSets": {"Ipv6Prefix": [str(each) for each in granted.prefixes]},
    }


def unassign_ipv4(call: Call) -> Body:
    eni, gone = _unassigned(call, 4)
    call.cloud.put(
        replace(
            eni,
            secondary=tuple(each for each in eni.secondary if each not in gone.addresses),
            prefixes=tuple(each for each in eni.prefixes if each not in gone.prefixes),
        )
    )
    return {}


def unassign_ipv6(call: Call) -> Body:
    eni, gone = _unassigned(call, 6)
    call.cloud.put(
        replace(
            eni,
            ipv6=tuple(each for each in eni.ipv6 if each not in gone.addresses),
            prefixes6=tuple(each for each in eni.prefixes6 if each not in gone.prefixes),
        )
    )
    return {}


def _grant(call: Call, family: int) -> tuple[Eni, Granted]:
    eni = _steady_eni(call)
    wish = Wish.of(call.arguments, family)
    check_quota(call.cloud, eni, family, (eni.ipv4_count if family == 4 else eni.ipv6_count) + wish.size)
    taken = ApiError("InvalidIp.IpAssigned", "an address has an owner already", 403)
    return eni, grant(call.cloud, call.cloud.vswitches[eni.vswitch], wish.bent(call.bent), taken=taken)


def _unassigned(call: Call, family: int) -> tuple[Eni, Granted]:
    """What is to go, all of which the ENI has."""
    eni = _steady_eni(call)
    wish = Wish.of(call.arguments, family)
    if eni.primary in wish.addresses:
        raise invalid("PrivateIpAddress.1", f"{eni.primary} is the primary address of {eni.id}")
    owned = {*eni.owned()}
    for each in (*(address.host for address in wish.addresses), *wish.prefixes):
        if each not in owned:
            raise ApiError("InvalidIp.IpUnassigned", f"{each} is not assigned to {eni.id}", 403)
    bent = wish.bent(call.bent)
    return eni, Granted(bent.addresses, bent.prefixes)


def _steady_eni(call: Call) -> Eni:
    eni = lookup.own_eni(call)
    if eni.status not in (EniStatus.AVAILABLE, EniStatus.IN_USE):
        raise ApiError("InvalidOperation.InvalidEniState", f"{eni.id} is {eni.status}")
    if eni.type is EniType.PRIMARY and call.cloud.instances[eni.instance].status not in ("Running", "Stopped"):
        raise ApiError("InvalidOperation.InvalidEcsState", f"the instance of {eni.id} is not Running or Stopped")
    return eni
