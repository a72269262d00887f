"""What the datapath says: each complaint in an operator's words, and the sysctls that let a node forward."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.datapath import GATEWAYS
from terway_edge.core.errors import KernelError, Refused, Retry
from terway_edge.core.models import Lease, Node, NodeView, Sandbox, Selection, Uplink
from terway_edge.core.names import link_macs, link_name
from terway_edge.core.plans import MAIN, FibRoute, Link, LinkAddress, LinkSetting, Neighbour, Rule, Sysctl, Where
from terway_edge.core.plumbing import Plumbing
from terway_edge.testing import FakeKernel

NETNS = "/run/netns/p1"
V4, V6 = Address.parse("10.0.0.5"), Address.parse("fd00::5")
SANDBOX = Sandbox("c1", "eth0", NETNS)
LEASE = Lease(SANDBOX, (V4, V6), "b", ("p4", "p6"), 0.0)
HOST_MAC, POD_MAC = link_macs(SANDBOX.key)
OTHER_MAC = b"\x02\0\0\0\0\1"
HOST_LINK = link_name(SANDBOX.key)
RULES = (Rule(512, MAIN, dst=V4.host), Rule(2048, 1010, src=V4.host))


@pytest.fixture
def kernel() -> FakeKernel:
    kernel = FakeKernel(unplug_at_once=True)
    kernel.create_netns(NETNS)
    return kernel


def ifindex(kernel: FakeKernel, name: str, netns: str = "") -> int:
    return next(link.ifindex for link in kernel.dump(Link, Where(netns=netns)) if link.name == name)


def on_host(kernel: FakeKernel) -> int:
    return ifindex(kernel, HOST_LINK)


def in_pod(kernel: FakeKernel) -> int:
    return ifindex(kernel, "eth0", NETNS)


Damage = Callable[[FakeKernel], None]
COMPLAINTS: dict[str, Damage] = {
    "route to 10.0.0.5/32 is missing": lambda k: k.foreign_remove(FibRoute(V4.host, link=on_host(k))),
    "neighbour entry for fd00::5 is missing": lambda k: k.foreign_remove(Neighbour(on_host(k), V6, POD_MAC)),
    "rule 512 to 10.0.0.5/32 is missing": lambda k: k.foreign_remove(RULES[0]),
    "rule 2048 from 10.0.0.5/32 is missing": lambda k: k.foreign_remove(RULES[1]),
    f"host link has not the MAC {HOST_MAC.hex(':')}": lambda k: k.foreign_replace(
        LinkSetting(on_host(k), mac=OTHER_MAC)
    ),
    "link eth0 in the pod is down": lambda k: k.foreign_replace(LinkSetting(in_pod(k), up=False), NETNS),
    f"link eth0 in the pod has MAC 02:00:00:00:00:01, not {POD_MAC.hex(':')}": lambda k: k.foreign_replace(
        LinkSetting(in_pod(k), mac=OTHER_MAC), NETNS
    ),
    "link eth0 in the pod has MTU 9000, its host end 1500": lambda k: k.foreign_replace(
        LinkSetting(in_pod(k), mtu=9000), NETNS
    ),
    "address 10.0.0.5 on eth0 in the pod is missing": lambda k: k.foreign_remove(LinkAddress(in_pod(k), V4, 32), NETNS),
    "neighbour 169.254.1.1 in the pod is missing or has another MAC": lambda k: k.foreign_replace(
        Neighbour(in_pod(k), GATEWAYS[4], OTHER_MAC), NETNS
    ),
    "IPv6 default route in the pod is missing": lambda k: k.foreign_remove(
        FibRoute(Prefix(6, 0, 0), GATEWAYS[6], in_pod(k), onlink=True), NETNS
    ),
}


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_each_damage_has_its_own_words(kernel: FakeKernel, complaint: str) -> None:
    plumbing = Plumbing(kernel)
    plumbing.attach(SANDBOX, LEASE, 1500, RULES)
    COMPLAINTS[complaint](kernel)
    assert complaint in [found.what for found in plumbing.check(SANDBOX, LEASE, RULES)]


def test_a_link_that_is_down_on_the_host_is_said_to_be(kernel: FakeKernel) -> None:
    plumbing = Plumbing(kernel)
    plumbing.attach(SANDBOX, LEASE, 1500)
    kernel.set_link(HOST_LINK, up=False)
    assert "host link is down" in [found.what for found in plumbing.check(SANDBOX, LEASE)]


def test_what_is_on_another_link_of_the_pod_is_no_substitute(kernel: FakeKernel) -> None:
    plumbing = Plumbing(kernel)
    plumbing.attach(SANDBOX, LEASE, 1500)
    kernel.foreign_remove(LinkAddress(in_pod(kernel), V4, 32), NETNS)
    kernel.foreign_add(LinkAddress(ifindex(kernel, "lo", NETNS), V4, 32), NETNS)
    assert "address 10.0.0.5 on eth0 in the pod is missing" in [f.what for f in plumbing.check(SANDBOX, LEASE)]


def test_the_attachment_has_the_mtu_that_was_asked_for(kernel: FakeKernel) -> None:
    assert Plumbing(kernel).attach(SANDBOX, LEASE, 1400).mtu == 1400


def test_a_namespace_without_a_path_is_called_the_pod(kernel: FakeKernel) -> None:
    plumbing = Plumbing(kernel)
    plumbing.attach(SANDBOX, LEASE, 1500)
    nameless = Sandbox("c2", "eth0", netns_fd=kernel.netns_fd(NETNS))
    lease = Lease(nameless, (Address.parse("10.0.0.6"),), "b", ("p4",), 0.0)
    with pytest.raises(Refused, match="link eth0 exists already in the pod; nothing was changed"):
        plumbing.attach(nameless, lease, 1500)


def test_a_route_that_stays_is_told_with_the_kernels_own_number(kernel: FakeKernel) -> None:
    plumbing = Plumbing(kernel)
    plumbing.attach(SANDBOX, LEASE, 1500)
    kernel.fail_next(lambda change: isinstance(change.item, FibRoute), errno=errno.EPERM)
    with pytest.raises(KernelError) as caught:
        plumbing.detach(LEASE)
    assert caught.value.errno == errno.EPERM


@pytest.mark.parametrize("own_rule_is_first", [True, False])
def test_a_rule_that_is_left_is_removed_whichever_it_is(kernel: FakeKernel, own_rule_is_first: bool) -> None:
    """Of the rules of a pod only some may be left; removing what is not there is no failure."""
    kernel.foreign_add(RULES[0 if own_rule_is_first else 1])
    plumbing = Plumbing(kernel)
    plumbing.attach(SANDBOX, LEASE, 1500, RULES)
    assert plumbing.check(SANDBOX, LEASE, RULES) == []


def view(*cidrs: str, uplink: bool = True) -> NodeView:
    node = Node("n1", {}, (), tuple(map(Prefix.parse, cidrs)))
    return NodeView(node, Selection("b"), uplink=Uplink(2, "up0", 1500, (), (), "w") if uplink else None)


FORWARDING4, FORWARDING6, ACCEPT_RA = "ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv6/conf/up0/accept_ra"


@pytest.mark.parametrize(
    ("seen", "families", "six"),
    [
        (view("10.0.0.0/24"), (), False),
        (view("10.0.0.0/24", "fd00::/64"), (), True),
        (view("10.0.0.0/24"), (4, 6), True),
        (view("10.0.0.0/24"), (4,), False),
        (view(), (), False),
    ],
)
def test_a_node_forwards_the_families_of_its_pods(
    kernel: FakeKernel, seen: NodeView, families: tuple[int, ...], six: bool
) -> None:
    kernel.create_link("up0", ifindex=2)
    for name in (FORWARDING4, FORWARDING6):
        kernel.foreign_replace(Sysctl(name, "0"))
    kernel.foreign_replace(Sysctl(ACCEPT_RA, "1"))
    Plumbing(kernel).forward_packets(seen, families)
    assert [kernel.sysctl(name) for name in (FORWARDING4, FORWARDING6)] == ["1", "1" if six else "0"]
    assert kernel.sysctl(ACCEPT_RA) == ("2" if six else "1"), "else the uplink loses the default route that it learnt"


def test_an_uplink_that_takes_no_advertisements_still_takes_none(kernel: FakeKernel) -> None:
    kernel.create_link("up0", ifindex=2)
    kernel.foreign_replace(Sysctl(ACCEPT_RA, "0"))
    Plumbing(kernel).forward_packets(view("fd00::/64"))
    assert kernel.sysctl(ACCEPT_RA) == "0"


def test_a_node_whose_uplink_is_not_known_yet_forwards_too(kernel: FakeKernel) -> None:
    Plumbing(kernel).forward_packets(view("fd00::/64", uplink=False))
    assert kernel.sysctl(FORWARDING6) == "1"


def test_a_node_that_cannot_forward_says_which_setting_was_refused(kernel: FakeKernel) -> None:
    kernel.fail_next(lambda change: isinstance(change.item, Sysctl), errno=errno.EPERM)
    with pytest.raises(Retry, match=r"ipv4/ip_forward.*; the node cannot forward packets for its pods"):
        Plumbing(kernel).forward_packets(view("10.0.0.0/24"))


def test_a_node_that_forwards_is_not_told_again_until_it_should_forward_more(kernel: FakeKernel) -> None:
    kernel.create_link("up0", ifindex=2)
    plumbing = Plumbing(kernel)
    plumbing.forward_packets(view("10.0.0.0/24"))
    before = kernel.changes
    plumbing.forward_packets(view("10.0.0.0/24"))
    assert kernel.changes == before
    plumbing.forward_packets(view("10.0.0.0/24", "fd00::/64"))
    assert kernel.changes > before
    assert kernel.sysctl(FORWARDING6) == "1"


def test_what_was_refused_is_tried_again(kernel: FakeKernel) -> None:
    kernel.create_link("up0", ifindex=2)
    kernel.foreign_replace(Sysctl(FORWARDING4, "0"))
    plumbing = Plumbing(kernel)
    kernel.fail_next(lambda change: isinstance(change.item, Sysctl), errno=errno.EPERM)
    with pytest.raises(Retry):
        plumbing.forward_packets(view("10.0.0.0/24"))
    plumbing.forward_packets(view("10.0.0.0/24"))
    assert kernel.sysctl(FORWARDING4) == "1"


def test_an_uplink_that_is_gone_keeps_no_node_from_forwarding(kernel: FakeKernel) -> None:
    for name in (FORWARDING4, FORWARDING6):
        kernel.foreign_replace(Sysctl(name, "0"))
    Plumbing(kernel).forward_packets(view("fd00::/64"))
    assert [kernel.sysctl(name) for name in (FORWARDING4, FORWARDING6)] == ["1", "1"]


@pytest.mark.parametrize(
    ("path", "number", "uplink"),
    [("ip_forward", errno.ENOENT, True), ("up0", errno.EPERM, True), ("all", errno.ENOENT, False)],
)
def test_only_of_the_uplink_a_setting_may_be_missing(kernel: FakeKernel, path: str, number: int, uplink: bool) -> None:
    kernel.create_link("up0", ifindex=2)
    kernel.fail_next(lambda change: isinstance(change.item, Sysctl) and path in change.item.path, errno=number)
    with pytest.raises(Retry, match="the node cannot forward packets for its pods"):
        Plumbing(kernel).forward_packets(view("fd00::/64", uplink=uplink))
