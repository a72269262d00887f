"""A small site to begin with: a VPC in three zones with two cloud nodes, and an ENS site with one node."""

from __future__ import annotations

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.site import (
    EniSpec,
    EnsSiteSpec,
    InstanceSpec,
    InstanceTypeSpec,
    NetworkSpec,
    RegionSpec,
    Site,
    VSwitchSpec,
)

REGION, EDGE = "cn-hangzhou", "cn-hangzhou-44"
ROLE = "edge-node"


def example_site() -> Site:
    zones = ("h", "i", "j")
    vpc = NetworkSpec(
        id="vpc-1",
        cidr=Prefix.parse("192.168.0.0/16"),
        cidr6=Prefix.parse("2001:db8:1::/56"),
        route_table="vtb-1",
        security_groups=("sg-1", "sg-2"),
        vswitches=tuple(
            VSwitchSpec(
                id=f"vsw-{zone}",
                zone=f"{REGION}-{zone}",
                cidr=Prefix.parse(f"192.168.{number}.0/24"),
                cidr6=Prefix.parse(f"2001:db8:1:{number}::/64"),
            )
            for number, zone in enumerate(zones)
        ),
    )
    edge = NetworkSpec(
        id="n-1",
        cidr=Prefix.parse("10.0.0.0/8"),
        security_groups=("sg-e1",),
        vswitches=(VSwitchSpec(id="vsw-e1", cidr=Prefix.parse("10.0.0.0/24")),),
    )
    return Site(
        roles=(ROLE,),
        regions=(RegionSpec(id=REGION, vpcs=(vpc,)),),
        ens_sites=(EnsSiteSpec(id=EDGE, name="Hangzhou 44", area="East China", province="Zhejiang", networks=(edge,)),),
        instance_types=(InstanceTypeSpec(id="ecs.g7.xlarge", enis=4, ipv4_per_eni=15, ipv6_per_eni=15),),
        instances=(
            InstanceSpec(id="i-1", type="ecs.g7.xlarge", vswitch="vsw-h", address=_at("192.168.0.11"), role=ROLE),
            InstanceSpec(id="i-2", type="ecs.g7.xlarge", vswitch="vsw-i", address=_at("192.168.1.12"), role=ROLE),
            InstanceSpec(id="i-e1", vswitch="vsw-e1", address=_at("10.0.0.11"), enis=(EniSpec(), EniSpec())),
        ),
    )


def _at(text: str) -> Address:
    return Address.parse(text)
