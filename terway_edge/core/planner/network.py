"""What is planned: the parameters that a cluster is created with, and the way between its data center and its VPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.config_error import ConfigError, explain
from terway_edge.core.fields import Cidr, IpAddress

SWITCH, GATEWAY, VPC, ENS = "switch", "gateway", "vpc", "ens"
Transit = Literal["vbr", "ecr", "cen"]
TRANSIT: tuple[Transit, ...] = ("vbr", "ecr", "cen")
RESERVED = (GATEWAY, *TRANSIT, VPC, ENS)
DEVICE_NAME = r"^[a-z][a-z0-9-]{0,62}$"
MAX_PODS = 65536

Name = Annotated[str, Field(min_length=1, max_length=128)]
Count = Annotated[int, Field(strict=True, ge=1, le=MAX_PODS)]


def _ipv4(value: Prefix) -> Prefix:
    if value.family != 4:
        raise ValueError("expected an IPv4 CIDR, such as 192.168.0.0/24")
    return value


def _link(value: Mapping[str, Address]) -> Mapping[str, Address]:
    if len(value) != 2:
        raise ValueError("expected the addresses of two devices, such as {switch: 172.16.0.2, gateway: 172.16.0.1}")
    first, second = value.values()
    if first.family != second.family or first == second:
        raise ValueError("expected two addresses of one family, each device its own")
    return value


def _filled(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value:
        raise ValueError("expected at least one")
    return value


Link = Annotated[Mapping[str, IpAddress], AfterValidator(_link)]
Cidrs = Annotated[tuple[Cidr, ...], AfterValidator(_filled)]


class Part(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedVSwitch(Part):
    id: Name = Field(description="id or name of the vSwitch")
    zone: Name = Field(description="zone, such as cn-hangzhou-h")
    cidr: Annotated[Cidr, AfterValidator(_ipv4)] = Field(description="its IPv4 CIDR, part of a VPC CIDR")


VSwitches = Annotated[tuple[PlannedVSwitch, ...], AfterValidator(_filled)]


class InstanceType(Part):
    name: Name = Field(description="instance type, such as ecs.g7.xlarge")
    enis: Count = Field(description="ENIs of an instance with its primary one")
    ipv4_per_eni: Count = Field(description="IPv4 addresses of an ENI with its primary one")


class PlannedLan(Part):
    switch: str = Field(pattern=DEVICE_NAME, description="name of its switch: letters, digits and -")
    cidrs: Cidrs = Field(description="list of CIDRs of its nodes")


class ClusterNetwork(Part):
    vpc_cidrs: Cidrs = Field(description="list of the VPC's CIDRs")
    node_vswitches: VSwitches = Field(
        description="list of vSwitches of the cloud's nodes: at least three, in different zones"
    )
    pod_vswitches: VSwitches = Field(
        description="list of vSwitches of the cloud's pods, one in each zone of node_vswitches"
    )
    edge_container_cidrs: Cidrs = Field(description="list of CIDRs of the edge's pods")
    service_cidr: Cidr = Field(description="CIDR of Services")
    pods_per_node: Count = Field(description=f"most pods of an edge node, 1..{MAX_PODS}")
    data_center_cidrs: Cidrs = Field(description="list of CIDRs of the data center, with those of the edge's nodes")
    ens_network_cidrs: tuple[Cidr, ...] = Field((), description="list of CIDRs of ENS networks")
    instance_types: tuple[InstanceType, ...] = Field((), description="list of instance types of the cloud or of ENS")
    lans: tuple[PlannedLan, ...] = Field(
        (), description="list of LANs of the edge; none: one, which is the data center, with a switch named switch"
    )
    transit: tuple[Transit, ...] = Field(
        TRANSIT, description="list of what stands between the gateway and the VPC, in this order: vbr, ecr, cen"
    )
    links: tuple[Link, ...] = Field(
        (), description="list of links, each with its two devices' addresses: {switch: ADDRESS, gateway: ADDRESS}"
    )

    @field_validator("transit")
    @classmethod
    def _in_order(cls, value: tuple[Transit, ...]) -> tuple[Transit, ...]:
        if value != tuple(kind for kind in TRANSIT if kind in value):
            raise ValueError("expected each at most once, in the order vbr, ecr, cen")
        return value

    @field_validator("lans")
    @classmethod
    def _distinct(cls, value: tuple[PlannedLan, ...]) -> tuple[PlannedLan, ...]:
        names = [lan.switch for lan in value]
        for name in names:
            if name in RESERVED or names.count(name) > 1:
                raise ValueError(f"expected names of switches that no other device has; rename {name!r}")
        return value

    @property
    def switches(self) -> tuple[str, ...]:
        return tuple(lan.switch for lan in self.lans) or (SWITCH,)

    @property
    def path(self) -> tuple[tuple[str, ...], ...]:
        """Names of devices from the LANs, over the VPC, to the ENS network."""
        ends = ((VPC,), (ENS,)) if self.ens_network_cidrs else ((VPC,),)
        return (self.switches, (GATEWAY,), *((kind,) for kind in self.transit), *ends)

    @property
    def way(self) -> str:
        return " - ".join("/".join(level) for level in self.path)


def read_network(document: Any) -> ClusterNetwork:
    """A plan's file. Raises ConfigError with one line per mistake."""
    try:
        return ClusterNetwork.model_validate(document)
    except ValidationError as error:
        raise ConfigError(explain(error, ClusterNetwork, {})) from None
