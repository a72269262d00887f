"""Rules, tables and addresses of pods on ENIs, as plain data."""

from __future__ import annotations

import errno

from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import (
    MAIN,
    PROTO,
    Change,
    Failure,
    FibRoute,
    Link,
    LinkAddress,
    LinkSetting,
    Rule,
    Sysctl,
    Verb,
)
from terway_edge.eni.policy_routing import (
    eni_plan,
    find_link,
    is_harmless,
    pod_rules,
    remains,
    rules_about,
)
from terway_edge.testing.fake_kernel import FakeKernel
from terway_edge.testing.plan_rules import check

POD4, POD6 = Address.parse("10.0.0.5"), Address.parse("2001:db8::5")
NODE4, NODE6 = Address.parse("10.0.0.1"), Address.parse("2001:db8::1")
VIA4, VIA6 = Address.parse("10.0.0.253"), Address.parse("2001:db8::fd")
MAC = b"\x02\0\0\0\0\x0a"
ETH1 = Link(7, "eth1", MAC, 1500, False, False, "", "", 0)
ALIAS = "container eth0"

addresses = st.builds(Address, st.just(4), st.integers(1, 2**32 - 2)) | st.builds(
    Address, st.just(6), st.integers(1, 2**128 - 2)
)


def test_a_pod_is_reached_over_its_veth_and_leaves_by_its_eni() -> None:
    assert pod_rules([POD4], 7) == (
        Rule(512, MAIN, dst=Prefix.parse("10.0.0.5/32")),
        Rule(2048, 1007, src=Prefix.parse("10.0.0.5/32")),
    )


@given(st.lists(addresses, unique=True, max_size=4), st.integers(1, 2**31 - 1001))
def test_rules_are_valid_ours_and_found_again(pods: list[Address], link: int) -> None:
    rules = pod_rules(pods, link)
    assert {rule.priority: (rule.src is None, rule.dst is None) for rule in rules} == (
        {512: (True, False), 2048: (False, True)} if pods else {}
    )
    assert all(rule.proto == PROTO for rule in rules)
    for pod in pods:
        assert rules_about(rules, [pod]) == pod_rules([pod], link)


def test_rules_of_others_are_none_of_a_pods() -> None:
    foreign = [rule._replace(proto=3) for rule in pod_rules([POD4], 7)]
    other = [Rule(600, 100, src=POD4.host), *pod_rules([NODE4], 7)]
    assert rules_about([*foreign, *other], [POD4]) == ()


def test_the_link_of_an_eni_is_the_one_below_all_with_its_mac() -> None:
    vlan = ETH1._replace(ifindex=3, name="eth1.5", kind="vlan")
    assert find_link([vlan, ETH1, ETH1._replace(ifindex=9, mac=b"\x02" * 6)], MAC) == ETH1
    assert find_link([vlan._replace(kind="veth")], MAC) is not None
    assert find_link([], MAC) is None


def test_a_pods_link_is_no_eni() -> None:
    from terway_edge.core.names import link_alias, link_name

    key = ("container", "eth0")
    own = ETH1._replace(name=link_name(key), alias=link_alias(key), kind="veth")
    assert find_link([own], MAC) is None


def test_a_plan_makes_an_eni_ready_in_a_kernel() -> None:
    kernel = FakeKernel()
    made = kernel.create_link("eth1", up=False)
    kernel.foreign_replace(Sysctl("ipv4/conf/all/rp_filter", "1"))
    plan = eni_plan(made, (VIA4, VIA6), (NODE4, NODE6), 1400)
    check(plan)
    for _ in range(2):
        assert kernel.apply(plan) == ()
        link = next(link for link in kernel.dump(Link) if link.name == "eth1")
        assert (link.up, link.mtu) == (True, 1400)
        own = {each for each in kernel.dump(LinkAddress) if each.link == made.ifindex}
        assert own == {LinkAddress(made.ifindex, NODE4, 32), LinkAddress(made.ifindex, NODE6, 128)}
        table = {route for route in kernel.dump(FibRoute) if route.table == 1000 + made.ifindex}
        assert {(route.prefix, route.via, route.onlink) for route in table} == {
            (Prefix.parse("0.0.0.0/0"), VIA4, True),
            (VIA6.host, None, False),
            (Prefix.parse("::/0"), VIA6, False),
        }
    assert kernel.sysctl("ipv4/conf/all/rp_filter") == kernel.sysctl("ipv4/conf/eth1/rp_filter") == "0"
    assert kernel.sysctl("ipv6/conf/eth1/accept_ra") == "0"
    assert kernel.sysctl("ipv4/conf/eth1/forwarding") == kernel.sysctl("ipv6/conf/eth1/forwarding") == "1"


def test_pods_without_ipv6_need_no_table_for_it() -> None:
    items = [change.item for change in eni_plan(ETH1, (VIA4,), (NODE4,), 1500).steps[0].changes]
    assert all(item.prefix.family == 4 for item in items if isinstance(item, FibRoute))
    assert Sysctl("ipv6/conf/eth1/forwarding", "1") not in items


def test_a_kernel_without_ipv6_is_no_obstacle_but_one_that_refuses_is() -> None:
    missing = Failure(Change(Verb.REPLACE, Sysctl("ipv6/conf/eth1/accept_ra", "0")), errno.ENOENT, "")
    assert is_harmless(missing)
    assert not is_harmless(missing._replace(errno=errno.EROFS))
    assert not is_harmless(Failure(Change(Verb.REPLACE, LinkSetting(7, up=True)), errno.ENOENT, ""))


def test_what_remains_is_known_by_numbers_and_protocol_alone() -> None:
    default = FibRoute(Prefix.parse("0.0.0.0/0"), via=VIA4, link=7, onlink=True, table=1007)
    pod = FibRoute(POD4.host, link=20)
    foreign = default._replace(proto=3, link=8, table=1008)
    elsewhere = default._replace(table=100)
    ours, subnet, other = LinkAddress(7, NODE4, 32), LinkAddress(2, NODE4, 24), LinkAddress(7, POD4, 32)
    rules = [*pod_rules([POD4], 7), Rule(32766, MAIN, proto=2)]
    found = remains([default, pod, foreign, elsewhere], rules, [ours, subnet, other])
    assert set(found) == {*pod_rules([POD4], 7), default, ours}
