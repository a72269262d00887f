"""On Linux: pods leave by their own ENI only, and reach their node and each other."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from terway_edge.core.addresses import Address
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.node_settings import NodeSettings
from terway_edge.core.plans import HOST, Change, LinkAddress, LinkSetting, Neighbour, Sysctl, Verb
from terway_edge.core.plumbing import Plumbing
from terway_edge.eni.links import EniLinks, Wanted
from terway_edge.eni.policy_routing import pod_rules
from terway_edge.testing.clock import FakeClock
from terway_edge.testing.netns_world import NetnsWorld
from terway_edge.testing.worlds import UPLINK
from tests.backends.eni_node import LINKS, MACS, wire_enis

pytestmark = pytest.mark.root

VSWITCH = (Address.parse("10.9.255.253"), Address.parse("2001:db8:9::fd"))
LINK_LOCAL = (VSWITCH[0], Address.parse("fe80::fd"))
"""Gateways of a vSwitch, one by an address of its own and one by the link-local one that routers advertise."""
OWN = (Address.parse("10.9.0.2"), Address.parse("2001:db8:9::2"))
"""The node's addresses if its own ENI is of the same vSwitch."""
FAR = {4: Address.parse("203.0.113.9"), 6: Address.parse("2001:db8:ffff::9")}
NODE = tuple(address for address, _ in UPLINK.addresses)
LOOPBACK = 1
PATIENCE = 0.1  # seconds in which a packet arrives, or does not
TRIES = 20  # the kernel asks for no IPv6 neighbour before it has tried out its own link-local address


class Pod(NamedTuple):
    netns: str
    addresses: tuple[Address, ...]


@dataclass
class Site:
    """A node with two ENIs of one vSwitch; the far address is in both clouds."""

    world: NetnsWorld
    vpcs: list[str]
    pods: list[Pod]

    def arrivals(self, pod: Pod, family: int) -> set[int]:
        """In which of the clouds packets of the pod to the far address arrive, and are answered."""
        to, found = FAR[family], set()
        receivers = [self.udp(path, family) for path in self.vpcs]
        with self.udp(pod.netns, family) as sender:
            for receiver in receivers:
                receiver.bind((str(to), 4000))
            for _ in range(TRIES):
                sender.sendto(b"there", (str(to), 4000))
                found |= {number for number, receiver in enumerate(receivers) if _answered(receiver, sender)}
                if found:
                    break
        for receiver in receivers:
            receiver.close()
        return found

    def udp(self, netns: str, family: int) -> socket.socket:
        made = self.world._udp(netns, family)
        made.settimeout(PATIENCE)
        return made


@pytest.fixture(params=["elsewhere", "same vSwitch", "link-local gateway"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The node's own ENI, which is its uplink, is of another vSwitch than those of pods, or of the same."""
    world, gateways = NetnsWorld(), LINK_LOCAL if request.param == "link-local gateway" else VSWITCH
    try:
        vpcs = wire_enis(world)
        if request.param != "elsewhere":
            subnets = (LinkAddress(UPLINK.ifindex, own, length) for own, length in zip(OWN, (16, 64), strict=True))
            world.interfere(*(Change(Verb.ADD, subnet) for subnet in subnets))
        world.interfere(Change(Verb.REPLACE, Sysctl("ipv4/ip_forward", "1")))
        world.interfere(Change(Verb.REPLACE, Sysctl("ipv4/conf/all/rp_filter", "1")))
        world.interfere(Change(Verb.REPLACE, Sysctl("ipv6/conf/all/forwarding", "1")))
        links, plumbing, pods = EniLinks(world.kernel, FakeClock(), NodeSettings()), Plumbing(world.kernel), []
        for number, (vpc, mac) in enumerate(zip(vpcs, MACS, strict=True)):
            ifindex = links.make_ready(Wanted(f"eni-{number}", mac, gateways, NODE, 1500))
            assert ifindex == LINKS[number]
            addresses = (Address.parse(f"10.9.0.{number + 5}"), Address.parse(f"2001:db8:9::{number + 5}"))
            sandbox = Sandbox(f"pod{number}", "eth0", world.create_netns())
            lease = Lease(sandbox, addresses, "terway", (), 0.0)
            plumbing.attach(sandbox, lease, 1500, pod_rules(addresses, ifindex))
            pods.append(Pod(sandbox.netns, addresses))
            _be_a_cloud(world, vpc, ifindex, mac, addresses, gateways)
        yield Site(world, vpcs, pods)
    finally:
        world.close()


def _answered(receiver: socket.socket, sender: socket.socket) -> bool:
    try:
        _, origin = receiver.recvfrom(16)
        receiver.sendto(b"and back", origin)
        return sender.recv(16) == b"and back"
    except TimeoutError:
        return False


def _be_a_cloud(
    world: NetnsWorld, vpc: str, link: int, mac: bytes, pod: tuple[Address, ...], gateways: tuple[Address, ...]
) -> None:
    """The gateway of the vSwitch, which sends what is for a pod to the ENI that has its address."""
    changes: list[Change] = [Change(Verb.REPLACE, LinkSetting(LOOPBACK, up=True))]
    addresses = [*zip(VSWITCH, (16, 64), strict=True), *((each, 64) for each in set(gateways) - set(VSWITCH))]
    changes += [Change(Verb.ADD, LinkAddress(link, address, length)) for address, length in addresses]
    for gateway, own in zip(VSWITCH, pod, strict=True):
        changes.append(Change(Verb.ADD, LinkAddress(LOOPBACK, FAR[gateway.family], FAR[gateway.family].bits)))
        changes.append(Change(Verb.ADD, Neighbour(link, own, mac)))
    world.interfere(*changes, netns=vpc)


@pytest.mark.parametrize("family", [4, pytest.param(6, marks=pytest.mark.slow)])
def test_a_pod_leaves_by_the_eni_that_has_its_address(site: Site, family: int) -> None:
    assert [site.arrivals(pod, family) for pod in site.pods] == [{0}, {1}]


@pytest.mark.slow
@pytest.mark.parametrize("site", ["elsewhere"], indirect=True)
def test_a_pod_whose_eni_is_down_does_not_leave_by_another(site: Site) -> None:
    site.world.interfere(Change(Verb.REPLACE, LinkSetting(LINKS[0], up=False)))
    assert [site.arrivals(pod, 4) for pod in site.pods] == [set(), {1}]


def test_pods_reach_their_node_and_each_other_though_their_enis_differ(site: Site) -> None:
    first, second = site.pods
    for own, other, node in zip(first.addresses, second.addresses, NODE, strict=True):
        assert site.world.reaches(HOST, own)
        assert site.world.reaches(first.netns, node)
        assert site.world.reaches(first.netns, other)
        assert site.world.reaches(second.netns, own)
