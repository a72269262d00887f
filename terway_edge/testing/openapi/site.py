"""What there is before the first call: accounts, networks, machines. Written by people, in YAML or in Python."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from terway_edge.core.config import Section
from terway_edge.core.fields import Cidr, IpAddress, Ipv4Address
from terway_edge.testing.openapi.pace import Pace

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]
OptionalName = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$", max_length=128)]


class KeySpec(Section):
    """A permanent AccessKey pair."""

    id: Name
    secret: str = Field(min_length=1, repr=False)


class VSwitchSpec(Section):
    """`zone` is taken in a VPC only: on ENS the edge site is the zone."""

    id: Name
    cidr: Cidr
    cidr6: Cidr | None = None
    zone: OptionalName = ""
    name: str = ""


class NetworkSpec(Section):
    """A VPC, or a network of an ENS site."""

    id: Name
    cidr: Cidr
    cidr6: Cidr | None = None
    secondary_cidrs: tuple[Cidr, ...] = ()
    user_cidrs: tuple[Cidr, ...] = ()
    route_table: OptionalName = ""
    security_groups: tuple[Name, ...] = ()
    vswitches: tuple[VSwitchSpec, ...] = ()


class RegionSpec(Section):
    id: Name
    vpcs: tuple[NetworkSpec, ...] = ()


class EnsSiteSpec(Section):
    """An edge site; `id` is its EnsRegionId."""

    id: Name
    name: str = ""
    area: str = ""
    province: str = ""
    networks: tuple[NetworkSpec, ...] = ()


class InstanceTypeSpec(Section):
    """Quotas of an ECS instance type; `ipv4_per_eni` counts the primary address, `enis` the primary ENI."""

    id: Name
    enis: int = Field(ge=1, le=64)
    total_enis: int = Field(0, ge=0, description="0 means as many as enis")
    ipv4_per_eni: int = Field(ge=1, le=50)
    ipv6_per_eni: int = Field(0, ge=0, le=50)
    trunk: bool = False
    hot_attach: bool = Field(True, description="false: ENIs are attached and detached while the instance is Stopped")
    cores: int = Field(2, ge=1)
    memory_gib: float = Field(8.0, gt=0)


class EniSpec(Section):
    """A secondary ENI that exists from the start."""

    id: OptionalName = ""
    vswitch: OptionalName = Field("", description="default: that of the instance")
    mac: str = Field("", pattern=r"^([0-9a-f]{2}(:[0-9a-f]{2}){5})?$")
    address: Ipv4Address | None = None
    addresses: tuple[IpAddress, ...] = Field((), description="secondary ones; IPv6 ones too")
    security_groups: tuple[Name, ...] = ()
    name: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    service_managed: bool = False


class InstanceSpec(Section):
    """An ECS or an ENS instance, as its vSwitch tells."""

    id: Name
    vswitch: Name
    type: Name = "ens.sn1.small"
    address: Ipv4Address | None = Field(None, description="of the primary ENI; default: the first that is free")
    mac: str = Field("", pattern=r"^([0-9a-f]{2}(:[0-9a-f]{2}){5})?$")
    security_groups: tuple[Name, ...] = ()
    status: Literal["Pending", "Running", "Starting", "Stopping", "Stopped", "Expired"] = "Running"
    role: OptionalName = ""
    hardened_metadata: bool = Field(False, description="metadata needs a token, as with HttpTokens=required")
    enis: tuple[EniSpec, ...] = Field((), description="secondary ENIs, attached from the start")


class EnsLimits(Section):
    enis_per_instance: int = Field(10, ge=1, description="the primary one included")
    addresses_per_eni: int = Field(25, ge=1)
    primary_counts: bool = Field(True, description="whether an ENI's own primary address is one of addresses_per_eni")


class Site(Section):
    """All of it. References are checked when a `Cloud` is founded on it."""

    account: Annotated[str, Field(pattern=r"^\d+$")] = "1000000000000001"
    keys: tuple[KeySpec, ...] = (KeySpec(id="testid", secret="testsecret"),)  # noqa: S106 - known to everyone
    roles: tuple[Name, ...] = ()
    regions: tuple[RegionSpec, ...] = ()
    ens_sites: tuple[EnsSiteSpec, ...] = ()
    instance_types: tuple[InstanceTypeSpec, ...] = ()
    instances: tuple[InstanceSpec, ...] = ()
    enis: tuple[EniSpec, ...] = Field((), description="ENIs that are not attached")
    enis_per_region: int = Field(500, ge=1, description="the account's quota of ECS ENIs")
    ens_limits: EnsLimits = EnsLimits()
    pace: Pace = Pace()
