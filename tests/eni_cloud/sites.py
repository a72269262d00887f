"""Where the tests' nodes are: an ECS instance and an ENS one, and neighbours who take addresses from the vSwitches."""

from __future__ import annotations

from terway_edge.core.addresses import Prefix
from terway_edge.testing.openapi.example import EDGE, REGION
from terway_edge.testing.openapi.pace import Delay, Pace
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

ECS_NODE, ENS_NODE, OTHER_NODE = "i-1", "i-e1", "i-2"
PACE = Pace(attach=Delay(seconds=4, describes=1), detach=Delay(seconds=3), delete=Delay(seconds=2), metadata_lag=5)
NEIGHBOURS = {"vsw-a": "eni-n1", "vsw-b": "eni-n2", "vsw-e": "eni-n3"}
"""ENIs that are attached to nothing, by vSwitch: who has what is not the node's."""


def make_site(*, enis: int = 6, per_eni: int = 15, length: int = 24, bound: int = 2, pace: Pace = PACE) -> Site:
    """:param enis: of the instance type, the primary one among them
    :param per_eni: addresses of each family on an ENI
    :param length: of the IPv4 CIDR of each vSwitch
    :param bound: secondary ENIs of the ENS instance
    """
    zone = f"{REGION}-h"
    vswitches = tuple(
        VSwitchSpec(
            id=f"vsw-{letter}",
            zone=zone,
            cidr=Prefix.parse(f"192.168.{number}.0/{length}"),
            cidr6=Prefix.parse(f"2001:db8:1:{number}::/64"),
        )
        for number, letter in enumerate("ab")
    )
    vpc = NetworkSpec(
        id="vpc-1",
        cidr=Prefix.parse("192.168.0.0/16"),
        cidr6=Prefix.parse("2001:db8:1::/56"),
        security_groups=("sg-1", "sg-2"),
        vswitches=vswitches,
    )
    edge = NetworkSpec(
        id="n-1",
        cidr=Prefix.parse("10.0.0.0/8"),
        security_groups=("sg-e1",),
        vswitches=(VSwitchSpec(id="vsw-e", cidr=Prefix.parse(f"10.0.0.0/{length}")),),
    )
    neighbours = tuple(EniSpec(id=eni, vswitch=vswitch) for vswitch, eni in NEIGHBOURS.items())
    return Site(
        regions=(RegionSpec(id=REGION, vpcs=(vpc,)),),
        ens_sites=(EnsSiteSpec(id=EDGE, networks=(edge,)),),
        instance_types=(InstanceTypeSpec(id="ecs.t", enis=enis, ipv4_per_eni=per_eni, ipv6_per_eni=per_eni),),
        instances=(
            InstanceSpec(id=ECS_NODE, type="ecs.t", vswitch="vsw-a"),
            InstanceSpec(id=OTHER_NODE, type="ecs.t", vswitch="vsw-a"),
            InstanceSpec(id=ENS_NODE, vswitch="vsw-e", enis=(EniSpec(),) * bound),
        ),
        enis=neighbours,
        pace=pace,
    )
