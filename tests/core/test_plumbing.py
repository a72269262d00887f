"""Plugging in and out on the kernel's twin: what remains, what is found missing, and what is mended."""

import errno

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.datapath import GATEWAYS
from terway_edge.core.errors import KernelError, Refused
from terway_edge.core.models import Lease, Sandbox
from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.core.plans import MAIN, FibRoute, Link, LinkAddress, LinkSetting, Neighbour, Rule, Sysctl, Veth, Where
from terway_edge.core.plumbing import FIRST_IFINDEX, TRIES, Plumbing
from terway_edge.testing import FakeKernel

NETNS = "/run/netns/p1"
ADDRESSES = (Address.parse("10.0.0.5"), Address.parse("fd00::5"))
SANDBOX = Sandbox("c1", "eth0", NETNS)
LEASE = Lease(SANDBOX, ADDRESSES, "b", ("p4", "p6"), 0.0)
HOST_ONLY = Sandbox("c1", "eth0")
HOST_LINK = link_name(SANDBOX.key)


@pytest.fixture
def kernel():
    kernel = FakeKernel(unplug_at_once=True)
    kernel.create_netns(NETNS)
    return kernel


@pytest.fixture
def plumbing(kernel):
    return Plumbing(kernel)


@pytest.fixture
def plugged(plumbing):
    plumbing.attach(SANDBOX, LEASE, 1500)
    return plumbing


def link(kernel, name=HOST_LINK, netns=""):
    return next(i for i in kernel.dump(Link, Where(netns=netns)) if i.name == name)


def test_attach_makes_the_pod_reachable_and_detach_leaves_nothing(kernel, plumbing):
    before = kernel.snapshot()
    plumbing.attach(SANDBOX, LEASE, 1500)
    assert all(kernel.trace("", address).arrived for address in ADDRESSES)
    plumbing.detach(LEASE)
    assert kernel.snapshot() == before
    plumbing.detach(LEASE)
    assert kernel.snapshot() == before


def test_a_link_that_is_about_to_go_is_waited_for():
    kernel = FakeKernel()
    kernel.create_netns(NETNS)
    plumbing = Plumbing(kernel)
    plumbing.attach(SANDBOX, LEASE, 1500)
    plumbing.detach(LEASE)
    other = Sandbox("c2", "eth0", NETNS)
    plumbing.attach(other, Lease(other, ADDRESSES, "b", ("p4", "p6"), 0.0), 1500)
    assert link(kernel, "eth0", NETNS).mac == link_macs(other.key)[1]


RULES = (Rule(512, MAIN, dst=ADDRESSES[0].host), Rule(2048, 1010, src=ADDRESSES[0].host))


def test_rules_come_and_go_with_the_pod_and_are_missed_and_put_back(kernel, plumbing):
    before = kernel.snapshot()
    plumbing.attach(SANDBOX, LEASE, 1500, RULES)
    assert set(RULES) <= set(kernel.dump(Rule))
    assert plumbing.check(SANDBOX, LEASE, RULES) == []
    kernel.foreign_remove(RULES[1])
    (found,) = plumbing.check(HOST_ONLY, LEASE, RULES, repair=True)
    assert (found.what, found.mended) == (f"rule 2048 from {ADDRESSES[0]}/32 is missing", True)
    assert plumbing.check(SANDBOX, LEASE, RULES) == []
    plumbing.detach(LEASE, RULES)
    assert kernel.snapshot() == before
    plumbing.detach(LEASE, RULES)
    assert kernel.snapshot() == before


def test_a_rule_that_an_earlier_pod_left_is_in_nobodys_way(kernel, plumbing):
    kernel.foreign_add(RULES[1])
    plumbing.attach(SANDBOX, LEASE, 1500, RULES)
    assert plumbing.check(SANDBOX, LEASE, RULES) == []
    assert len([rule for rule in kernel.dump(Rule) if rule.priority == 2048]) == 1


def test_detach_forgets_the_connections_of_the_pod_and_no_others(kernel, plugged):
    other = Address.parse("10.0.0.50"), Address.parse("192.0.2.9")
    for address in ADDRESSES:
        kernel.foreign_flow(address, Address.parse("192.0.2.9"))
        kernel.foreign_flow(Address.parse("192.0.2.9"), address)
    kernel.foreign_flow(*other)
    plugged.detach(LEASE)
    assert kernel.conntrack == {other}


def test_links_take_indexes_far_from_the_kernels_and_go_on_after_a_restart(kernel, plugged):
    assert link(kernel).ifindex == FIRST_IFINDEX
    kernel.create_netns("/run/netns/p2")
    sandbox = Sandbox("c2", "eth0", "/run/netns/p2")
    Plumbing(kernel).attach(sandbox, Lease(sandbox, (Address.parse("10.0.0.6"),), "b", ("p4",), 0.0), 1500)
    assert link(kernel, link_name(sandbox.key)).ifindex == FIRST_IFINDEX + 1


def test_a_taken_index_is_passed_over(kernel, plumbing):
    kernel.create_link("other0", ifindex=FIRST_IFINDEX)
    plumbing.attach(SANDBOX, LEASE, 1500)
    assert link(kernel).ifindex == FIRST_IFINDEX + 1


def test_an_existing_pod_link_is_refused_and_left_alone(kernel, plugged):
    sandbox = Sandbox("c2", "eth0", NETNS)
    lease = Lease(sandbox, (Address.parse("10.0.0.6"),), "b", ("p4",), 0.0)
    before = kernel.snapshot()
    with pytest.raises(Refused, match=r"eth0 exists already in /run/netns/p1; nothing was changed"):
        plugged.attach(sandbox, lease, 1500)
    assert kernel.snapshot() == before


def test_a_strangers_link_with_our_name_is_an_error_and_left_alone(kernel, plumbing):
    kernel.create_link(HOST_LINK)
    before = kernel.snapshot()
    with pytest.raises(KernelError) as refused:
        plumbing.attach(SANDBOX, LEASE, 1500)
    assert refused.value.errno == errno.EEXIST
    plumbing.detach(LEASE)
    assert kernel.snapshot() == before
    kernel.delete_link(HOST_LINK)
    plumbing.attach(SANDBOX, LEASE, 1500)
    assert link(kernel).ifindex == FIRST_IFINDEX + 1, "it was tried once: another index would have been of no use"


def test_a_failure_at_any_change_leaves_nothing_behind(kernel, plumbing):
    before = kernel.snapshot()
    changes, reasons = 0, []
    while True:
        kernel.fail_after(changes, errno.EIO)
        try:
            plumbing.attach(SANDBOX, LEASE, 1500)
            break
        except KernelError as error:
            reasons.append(error.errno)
        assert kernel.snapshot() == before, f"left behind by a failure at change {changes}"
        changes += 1
    assert reasons == [errno.EIO] * changes
    assert changes > 10


def test_a_whole_pod_has_no_discrepancies(plugged):
    assert plugged.check(SANDBOX, LEASE) == []


def _remove(kernel, item, netns=""):
    kernel.foreign_remove(item, netns)


def pod_link(kernel):
    return link(kernel, "eth0", NETNS).ifindex


DAMAGES = {
    "host route": lambda k: _remove(k, FibRoute(ADDRESSES[0].host, link=link(k).ifindex)),
    "host IPv6 route": lambda k: _remove(k, FibRoute(ADDRESSES[1].host, link=link(k).ifindex)),
    "host neighbour": lambda k: _remove(k, Neighbour(link(k).ifindex, ADDRESSES[0], link_macs(SANDBOX.key)[1])),
    "host link down": lambda k: k.set_link(HOST_LINK, up=False),
    "host link's MAC": lambda k: k.foreign_replace(LinkSetting(link(k).ifindex, mac=b"\x02\0\0\0\0\1")),
}
POD_DAMAGES = {
    "address": lambda k: _remove(k, LinkAddress(pod_link(k), ADDRESSES[0], 32), NETNS),
    "default route": lambda k: _remove(
        k, FibRoute(Prefix(4, 0, 0), GATEWAYS[4], pod_link(k), onlink=True), NETNS
    ),
    "gateway": lambda k: _remove(k, Neighbour(pod_link(k), GATEWAYS[6], link_macs(SANDBOX.key)[0]), NETNS),
    "gateway's MAC": lambda k: k.foreign_replace(Neighbour(pod_link(k), GATEWAYS[4], b"\x02\0\0\0\0\1"), NETNS),
    "link down": lambda k: k.foreign_replace(LinkSetting(pod_link(k), up=False), NETNS),
    "MAC": lambda k: k.foreign_replace(LinkSetting(pod_link(k), mac=b"\x02\0\0\0\0\1"), NETNS),
    "MTU": lambda k: k.foreign_replace(LinkSetting(pod_link(k), mtu=9000), NETNS),
}  # fmt: skip


@pytest.mark.parametrize("damage", [*DAMAGES, *POD_DAMAGES])
def test_t23_check_sees_every_damage_and_changes_nothing(kernel, plugged, damage):
    (DAMAGES | POD_DAMAGES)[damage](kernel)
    before = kernel.snapshot()
    found = plugged.check(SANDBOX, LEASE)
    assert found
    assert not any(discrepancy.mended for discrepancy in found)
    assert kernel.snapshot() == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_wrong_on_the_host_is_mended(kernel, plugged, damage):
    whole = kernel.snapshot()
    DAMAGES[damage](kernel)
    assert kernel.snapshot() != whole
    found = plugged.check(HOST_ONLY, LEASE, repair=True)
    assert found
    assert all(discrepancy.mended for discrepancy in found)
    assert kernel.snapshot() == whole
    assert plugged.check(SANDBOX, LEASE) == []


def test_t23_a_smaller_mtu_is_a_later_plugins(kernel, plugged):
    kernel.foreign_replace(LinkSetting(pod_link(kernel), mtu=1300), NETNS)
    assert plugged.check(SANDBOX, LEASE) == []


def test_a_missing_host_link_is_told_and_cannot_be_mended(kernel, plugged):
    kernel.delete_link(HOST_LINK)
    (found,) = plugged.check(HOST_ONLY, LEASE, repair=True)
    assert (found.what, found.mended) == (f"host link {HOST_LINK} is missing", False)


def test_a_strangers_link_with_our_name_is_not_taken_for_the_pods(kernel, plumbing):
    kernel.create_link(HOST_LINK, alias="somebody else")
    (found,) = plumbing.check(HOST_ONLY, LEASE, repair=True)
    assert found.what == f"host link {HOST_LINK} is missing"
    assert not kernel.trace("", ADDRESSES[0]).arrived


def test_what_the_kernel_refuses_to_mend_is_told(kernel, plugged):
    kernel.foreign_remove(FibRoute(ADDRESSES[0].host, link=link(kernel).ifindex))
    kernel.fail_next(errno=errno.EIO)
    (found,) = plugged.check(HOST_ONLY, LEASE, repair=True)
    assert not found.mended


def test_a_strangers_route_to_a_pods_address_is_left_alone_and_told(kernel, plugged):
    kernel.create_link("d0", ifindex=77, up=True)
    kernel.foreign_remove(FibRoute(ADDRESSES[0].host, link=link(kernel).ifindex))
    foreign = FibRoute(ADDRESSES[0].host, link=77, proto=4)
    kernel.foreign_add(foreign)
    (found,) = plugged.check(HOST_ONLY, LEASE, repair=True)
    assert not found.mended
    assert foreign in kernel.dump(FibRoute)


def test_a_route_that_stays_fails_the_detach(kernel, plugged):
    kernel.fail_next(lambda change: isinstance(change.item, FibRoute), errno=errno.EPERM)
    with pytest.raises(KernelError, match=r"10\.0\.0\.5 stays"):
        plugged.detach(LEASE)
    plugged.detach(LEASE)
    assert not kernel.trace("", ADDRESSES[0]).arrived


def test_detach_removes_no_route_of_a_stranger(kernel, plumbing):
    kernel.create_link("up0", ifindex=9)
    foreign = FibRoute(ADDRESSES[0].host, link=9, proto=3)
    kernel.foreign_add(foreign)
    plumbing.detach(LEASE)
    assert foreign in kernel.dump(FibRoute)


def test_the_veth_is_the_first_change_and_only_a_free_name_is_tried_again(kernel, plumbing):
    kernel.fail_next(lambda change: isinstance(change.item, Veth), errno=errno.EBUSY)
    plumbing.attach(SANDBOX, LEASE, 1500)
    assert link(kernel).ifindex == FIRST_IFINDEX + 1


def test_ipv6_is_enabled_where_the_runtime_disabled_it(kernel, plumbing):
    written = []
    kernel.fail_next(lambda change: written.append(change.item), errno=errno.EIO)  # sees all, refuses nothing
    plumbing.attach(SANDBOX, LEASE, 1500)
    setting = Sysctl("ipv6/conf/eth0/disable_ipv6", "0")
    assert setting not in written, "usually it is left as it is"
    plumbing.detach(LEASE)
    kernel.fail_next(lambda change: isinstance(change.item, LinkAddress), errno=errno.EACCES)
    plumbing.attach(SANDBOX, LEASE, 1500)
    assert {setting, Sysctl(f"ipv6/conf/{HOST_LINK}/disable_ipv6", "0")} <= set(written)
    assert all(kernel.trace("", address).arrived for address in ADDRESSES)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EEXIST])
def test_a_kernel_that_refuses_for_ever_is_believed_in_the_end(kernel, plumbing, number):
    before = kernel.snapshot()
    for _ in range(TRIES):
        kernel.fail_next(lambda change: isinstance(change.item, Veth), errno=number)
    with pytest.raises(KernelError) as refused:
        plumbing.attach(SANDBOX, LEASE, 1500)
    assert refused.value.errno == number
    assert kernel.snapshot() == before


def test_the_last_try_counts_as_much_as_the_others(kernel, plumbing):
    """Three taken indexes, and then a namespace without IPv6."""
    for _ in range(TRIES - 1):
        kernel.fail_next(lambda change: isinstance(change.item, Veth), errno=errno.EBUSY)
    kernel.fail_next(lambda change: isinstance(change.item, LinkAddress), errno=errno.EACCES)
    with pytest.raises(KernelError) as refused:
        plumbing.attach(SANDBOX, LEASE, 1500)
    assert refused.value.errno == errno.EACCES


def test_a_pod_that_lost_its_link_is_told(kernel, plugged):
    sandbox = Sandbox("c1", "eth0", NETNS)
    kernel.delete_netns(NETNS)
    kernel.create_netns(NETNS)
    kernel.create_link(HOST_LINK, ifindex=FIRST_IFINDEX + 9, alias=link_alias(SANDBOX.key))
    assert "link eth0 in the pod is missing" in [found.what for found in plugged.check(sandbox, LEASE)]


def test_a_descriptor_of_the_pods_namespace_is_as_good_as_its_path(kernel, plumbing):
    sandbox = Sandbox("c1", "eth0", NETNS, netns_fd=kernel.netns_fd(NETNS))
    plumbing.attach(sandbox, LEASE, 1500)
    assert plumbing.check(sandbox, LEASE) == []
    POD_DAMAGES["gateway"](kernel)
    (found,) = plumbing.check(sandbox, LEASE)
    assert found.what == f"neighbour {GATEWAYS[6]} in the pod is missing or has another MAC"
