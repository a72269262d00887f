"""Who needs which route: the product's example, several LANs, ENS, and that every packet arrives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.planner.network import ClusterNetwork
from terway_edge.core.planner.plan import plan_network
from terway_edge.core.planner.routes import How, PlannedRoute, title
from tests.core.planned import SEVERAL_LANS, network, plan

ENS = ["172.30.0.0/16"]


def words(routes: tuple[PlannedRoute, ...], device: str = "") -> list[str]:
    return [
        " ".join((route.device, route.direction, str(route.destination), route.how, route.next_hop)).strip()
        for route in routes
        if device in ("", route.device)
    ]


def test_the_example_of_the_product() -> None:
    assert words(plan().routes) == [
        "switch inbound 192.168.0.0/16 static gateway",
        "gateway inbound 192.168.0.0/16 static vbr",
        "vbr inbound 192.168.0.0/16 static ecr",
        "ecr inbound 192.168.0.0/16 static cen",
        "cen inbound 192.168.0.0/16 static vpc",
        "vpc outbound 172.16.0.0/16 static cen",
        "vpc outbound 10.0.0.0/8 static cen",
        "cen outbound 172.16.0.0/16 static ecr",
        "cen outbound 10.0.0.0/8 static ecr",
        "ecr outbound 172.16.0.0/16 static vbr",
        "ecr outbound 10.0.0.0/8 static vbr",
        "vbr outbound 172.16.0.0/16 static gateway",
        "vbr outbound 10.0.0.0/8 static gateway",
        "gateway outbound 172.16.0.0/16 static switch",
        "gateway outbound 10.0.0.0/8 static switch",
        "switch outbound 10.0.0.0/8 BGP speakers",
        "switch outbound 10.0.0.0/8 reject",
    ]


def test_of_several_lans_the_gateway_knows_which_is_which() -> None:
    found = plan(lans=SEVERAL_LANS, transit=["vbr"]).routes
    assert words(found, "switch-a") == [
        "switch-a inbound 192.168.0.0/16 static gateway",
        "switch-a inbound 172.16.0.0/16 static gateway",
        "switch-a outbound 10.0.0.0/8 BGP speakers, gateway",
    ]
    assert words(found, "gateway") == [
        "gateway inbound 192.168.0.0/16 static vbr",
        "gateway outbound 172.16.1.0/24 static switch-a",
        "gateway outbound 172.16.2.0/24 static switch-b",
        "gateway outbound 172.16.3.0/24 static switch-b",
        "gateway outbound 10.0.0.0/8 BGP switches",
        "gateway outbound 10.0.0.0/8 reject",
    ]
    assert words(found, "vbr")[1:] == [
        "vbr outbound 172.16.0.0/16 static gateway",
        "vbr outbound 10.0.0.0/8 static gateway",
    ]


def test_a_lan_that_is_the_data_center_needs_no_way_to_it() -> None:
    lans = [{"switch": "tor", "cidrs": ["172.16.0.0/16"]}]
    assert words(plan(lans=lans).routes, "tor") == [
        "tor inbound 192.168.0.0/16 static gateway",
        "tor outbound 10.0.0.0/8 BGP speakers",
        "tor outbound 10.0.0.0/8 reject",
    ]


def test_an_ens_network_is_behind_the_vpc() -> None:
    found = plan(ens_network_cidrs=ENS, transit=["cen"]).routes
    assert words(found, "ens") == [
        "ens inbound 192.168.0.0/16 static vpc",
        "ens inbound 172.16.0.0/16 static vpc",
        "ens inbound 10.0.0.0/8 static vpc",
    ]
    assert "vpc outbound 172.30.0.0/16 static ens" in words(found, "vpc")
    assert [word for word in words(found) if "172.30" in word][:3] == [
        "switch inbound 172.30.0.0/16 static gateway",
        "gateway inbound 172.30.0.0/16 static cen",
        "cen inbound 172.30.0.0/16 static vpc",
    ]


def test_next_hops_have_the_addresses_of_their_links() -> None:
    links = [
        {"switch": "172.16.255.2", "gateway": "172.16.255.1"},
        {"vbr": "172.16.254.2", "gateway": "172.16.254.1"},
        {"gateway": "fd00:254::1", "vbr": "fd00:254::2"},
    ]
    found = plan(links=links, vpc_cidrs=["192.168.0.0/16", "fd00:192::/56"]).routes
    addresses = {(r.device, r.next_hop, r.destination.family): r.address for r in found if r.how is How.STATIC}
    assert addresses["switch", "gateway", 4] == Address.parse("172.16.255.1")
    assert addresses["gateway", "switch", 4] == Address.parse("172.16.255.2")
    assert addresses["gateway", "vbr", 4] == Address.parse("172.16.254.2")
    assert addresses["vbr", "gateway", 4] == Address.parse("172.16.254.1")
    assert addresses["gateway", "vbr", 6] == Address.parse("fd00:254::2")
    assert addresses["switch", "gateway", 6] is None
    assert addresses["vbr", "ecr", 4] is None


@pytest.mark.parametrize(
    ("device", "shown"), [("switch", "LAN switch"), ("switch-a", "LAN switch switch-a"), ("vpc", "VPC route table")]
)
def test_titles(device: str, shown: str) -> None:
    assert title(device) == shown


networks = st.builds(
    lambda lans, transit, ens: network(lans=SEVERAL_LANS[:lans], transit=transit, ens_network_cidrs=ens),
    st.integers(0, 2),
    st.sets(st.sampled_from(["vbr", "ecr", "cen"])).map(lambda kinds: [k for k in ("vbr", "ecr", "cen") if k in kinds]),
    st.sampled_from([[], ENS]),
)


@given(networks, st.data())
def test_a_packet_from_any_device_arrives_or_is_refused_where_nobody_is(found: ClusterNetwork, data: Any) -> None:
    owners = owners_of(found)
    destination = data.draw(st.sampled_from([*owners, "10.250.0.1"]))
    start = data.draw(st.sampled_from([device for level in found.path for device in level]))
    assert forward(found, start, Address.parse(destination)) == owners.get(destination, "refused")


def owners_of(found: ClusterNetwork) -> dict[str, str]:
    """Some addresses, and the device behind which each is. Every LAN has an edge node, with a /24 for its pods."""
    owners = {"192.168.7.7": "vpc", "172.16.99.9": "gateway" if found.lans else "switch"}
    owners |= {f"172.16.{n}.5": lan.switch for n, lan in enumerate(found.lans, 1)}
    owners |= {f"10.0.{n}.5": switch for n, switch in enumerate(found.switches)}
    return owners | ({"172.30.1.1": "ens"} if found.ens_network_cidrs else {})


def forward(found: ClusterNetwork, start: str, destination: Address) -> str:
    """The device where a packet ends, by the longest matching route of each; BGP carries the edge nodes' /24."""
    routes, device = plan_network(found).routes, start
    for _ in range(10):
        hop = next_hop(found, device, routes, destination)
        if hop in ("", "refused"):
            return hop or device
        device = hop
    return "goes round in circles"


def next_hop(found: ClusterNetwork, device: str, routes: tuple[PlannedRoute, ...], destination: Address) -> str:
    """Empty for what a device has itself, as a connected route or over BGP."""
    learned = by_bgp(found, device) if any(r.how is How.BGP for r in routes if r.device == device) else {}
    own = {Prefix.parse(cidr): "" for cidr in connected(found, device)}
    static = {r.destination: r.next_hop or "refused" for r in routes if r.device == device and r.how is not How.BGP}
    table = {**static, **learned, **own}
    around = [prefix for prefix in table if prefix.contains(destination)]
    return table[max(around, key=lambda prefix: prefix.length)] if around else "refused"


def by_bgp(found: ClusterNetwork, device: str) -> dict[Prefix, str]:
    """A switch has its own node's pods from the speakers; the rest is told by and to the gateway."""
    table = {}
    for n, switch in enumerate(found.switches):
        hop = "" if device == switch else switch if device == "gateway" else "gateway"
        table[Prefix.parse(f"10.0.{n}.0/24")] = hop
    return table


def connected(found: ClusterNetwork, device: str) -> list[str]:
    """What a device has without a planned route."""
    if device == "gateway":
        return ["172.16.0.0/16"] if found.lans else []
    of_lan = [str(cidr) for lan in found.lans if lan.switch == device for cidr in lan.cidrs]
    return {"vpc": ["192.168.0.0/16"], "ens": ENS, "switch": ["172.16.0.0/16"]}.get(device, of_lan)
