"""Which addresses a call that asks for some gets, and how many an ENI may have."""

from __future__ import annotations

from typing import NamedTuple

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.action import Bent
from terway_edge.testing.openapi.arguments import Arguments
from terway_edge.testing.openapi.cloud import Cloud
from terway_edge.testing.openapi.errors import ApiError
from terway_edge.testing.openapi.fields import Cidrs, Field, Ips, Number
from terway_edge.testing.openapi.records import Eni, VSwitch
from terway_edge.testing.openapi.subnet import BLOCK, Exhausted, Subnet

UNATTACHED = {4: 50, 6: 10}
"""Addresses that an ENI may have that is not attached, the primary one included; else its instance's type says."""
FAMILY_4 = ("PrivateIpAddress", "SecondaryPrivateIpAddressCount", "Ipv4Prefix", "Ipv4PrefixCount")
FAMILY_6 = ("Ipv6Address", "Ipv6AddressCount", "Ipv6Prefix", "Ipv6PrefixCount")
WISHES = {4: FAMILY_4, 6: FAMILY_6}


def named(family: int, most: int) -> tuple[Field, ...]:
    """Parameters that name so many addresses or 10 prefixes at most."""
    return Ips(WISHES[family][0], family, most), Cidrs(WISHES[family][2], BLOCK[family], 10)


def counted(family: int, most: int) -> tuple[Field, ...]:
    """Parameters that ask for so many addresses or 10 prefixes at most."""
    return Number(WISHES[family][1], 1, most), Number(WISHES[family][3], 1, 10)


class Wish(NamedTuple):
    """Named addresses or so many of any; named prefixes or so many of any."""

    family: int
    addresses: tuple[Address, ...]
    any_addresses: int
    prefixes: tuple[Prefix, ...]
    any_prefixes: int

    @classmethod
    def of(cls, arguments: Arguments, family: int) -> Wish:
        names = WISHES[family]
        return cls(
            family,
            arguments.addresses(names[0]),
            arguments.number(names[1]),
            arguments.prefixes(names[2]),
            arguments.number(names[3]),
        )

    @property
    def size(self) -> int:
        return len(self.addresses) + self.any_addresses + len(self.prefixes) + self.any_prefixes

    def bent(self, bent: Bent) -> Wish:
        return Wish(
            self.family,
            bent.some(self.addresses),
            bent.count(self.any_addresses),
            bent.some(self.prefixes),
            bent.count(self.any_prefixes),
        )


class Granted(NamedTuple):
    addresses: tuple[Address, ...] = ()
    prefixes: tuple[Prefix, ...] = ()


def grant(cloud: Cloud, vswitch: VSwitch, wish: Wish, *, taken: ApiError) -> Granted:
    """What the wish gets. Raises ApiError; `taken` if a named address or prefix has an owner."""
    if not wish.size:
        return Granted()
    if wish.family == 6 and vswitch.cidr6 is None:
        raise ApiError("InvalidVSwitch.Ipv6NotTurnOn", f"{vswitch.id} has no IPv6 CIDR block", 403)
    subnet = cloud.subnet(vswitch, wish.family)
    chosen = (*(each.host for each in wish.addresses), *wish.prefixes)
    _check_named(subnet, chosen, taken)
    subnet.owned += chosen
    try:
        addresses = subnet.take(wish.any_addresses)
        prefixes = subnet.take(wish.any_prefixes, BLOCK[wish.family])
    except Exhausted as error:
        raise ApiError("InvalidVSwitchId.IpNotEnough", str(error), 403) from None
    return Granted((*wish.addresses, *(each.address for each in addresses)), (*wish.prefixes, *prefixes))


def check_quota(cloud: Cloud, eni: Eni, family: int, count: int) -> None:
    """Whether an ENI may have so many addresses of a family. Raises ApiError."""
    if not eni.instance:
        if count > UNATTACHED[family]:
            code = "MaxEniPrivateIpsCountExceeded" if family == 4 else "MaxEniIpv6IpsCountExceeded"
            raise ApiError(code, f"{count} addresses are more than {UNATTACHED[family]}", 403)
        return
    kind = cloud.types[cloud.instances[eni.instance].type]
    limit = kind.ipv4_per_eni if family == 4 else kind.ipv6_per_eni
    if family == 6 and count and not limit:
        raise ApiError("InvalidOperation.Ipv6NotSupport", f"instance type {kind.id} has no IPv6", 403)
    if count > limit:
        raise ApiError(
            f"InvalidOperation.Ipv{family}CountExceeded", f"{count} are more than the {limit} of {kind.id}", 403
        )


def _check_named(subnet: Subnet, chosen: tuple[Prefix, ...], taken: ApiError) -> None:
    if len(set(chosen)) < len(chosen):
        raise ApiError("InvalidIp.IpRepeated", "an address is named twice", 403)
    for each in chosen:
        if not subnet.is_usable(each):
            raise ApiError("InvalidVSwitchId.IpInvalid", f"{each} is not in {subnet.vswitch.id}, or kept back", 403)
        if not subnet.is_free(each):
            raise taken
