"""The example site with more in it."""

from __future__ import annotations

from terway_edge.core.addresses import Address, Prefix
from terway_edge.testing.openapi.site import (
    EniSpec,
    InstanceSpec,
    InstanceTypeSpec,
    NetworkSpec,
    RegionSpec,
    Site,
    VSwitchSpec,
)

LAST = Address.parse("192.168.2.252")


def wider(site: Site) -> Site:
    """The example with another VPC and region, machines that need a stop, and an ENI of a service."""
    other = NetworkSpec(
        id="vpc-2",
        cidr=Prefix.parse("172.16.0.0/16"),
        security_groups=("sg-other",),
        vswitches=(VSwitchSpec(id="vsw-other", zone="cn-hangzhou-h", cidr=Prefix.parse("172.16.0.0/24")),),
    )
    away = NetworkSpec(
        id="vpc-3",
        cidr=Prefix.parse("172.20.0.0/16"),
        security_groups=("sg-away",),
        vswitches=(VSwitchSpec(id="vsw-away", zone="cn-beijing-a", cidr=Prefix.parse("172.20.0.0/24")),),
    )
    hangzhou = site.regions[0]
    managed = EniSpec(id="eni-managed", vswitch="vsw-h", service_managed=True)
    return site.model_copy(
        update={
            "regions": (
                hangzhou.model_copy(update={"vpcs": (*hangzhou.vpcs, other)}),
                RegionSpec(id="cn-beijing", vpcs=(away,)),
            ),
            "instance_types": (
                *site.instance_types,
                InstanceTypeSpec(id="ecs.cold", enis=3, ipv4_per_eni=4, hot_attach=False),
            ),
            "instances": (
                *site.instances,
                InstanceSpec(id="i-cold", type="ecs.cold", vswitch="vsw-h"),
                InstanceSpec(id="i-other", type="ecs.cold", vswitch="vsw-other", status="Stopped"),
                InstanceSpec(id="i-cold-i", type="ecs.cold", vswitch="vsw-i", status="Stopped"),
                InstanceSpec(id="i-starting", type="ecs.g7.xlarge", vswitch="vsw-j", address=LAST, status="Starting"),
            ),
            "enis": (managed,),
        }
    )
