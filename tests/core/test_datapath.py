"""The plans that plug a pod in and out, as data: what is in them, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.datapath import (
    ACCEPT_REDIRECTS,
    ACCEPT_SOURCE_ROUTE,
    ARP_ACCEPT,
    GATEWAYS,
    HOST_CONF4,
    POD_CONF4,
    PROXY_ARP,
    RP_FILTER,
    SEND_REDIRECTS,
    attach_plan,
    attachment,
    detach_plan,
    host_items,
    host_settings,
)
from terway_edge.core.models import Bandwidth, Lease, Sandbox
from terway_edge.core.names import link_macs, link_name
from terway_edge.core.plans import (
    HOST,
    FibRoute,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Rule,
    Shaping,
    Sysctl,
    Verb,
    Veth,
)
from terway_edge.testing.plan_rules import check

V4, V6 = Address.parse("10.0.0.5"), Address.parse("fd00::5")
SANDBOX = Sandbox("c1", "eth0", "/run/netns/p1")


def lease(*addresses, sandbox=SANDBOX):
    return Lease(sandbox, addresses, "b", ("p",) * len(addresses), 0.0)


def plan_of(*addresses, sandbox=SANDBOX, mtu=1500):
    return attach_plan(sandbox, lease(*addresses, sandbox=sandbox), host_link=7, pod_link=8, mtu=mtu)


def items(plan, kind, step=None):
    steps = plan.steps if step is None else [plan.steps[step]]
    return [change.item for one in steps for change in one.changes if isinstance(change.item, kind)]


def test_a_pod_takes_three_steps_the_host_ready_before_the_pod_announces_itself():
    plan = plan_of(V4, V6)
    check(plan)
    assert [step.netns for step in plan.steps] == [HOST, HOST, "/run/netns/p1"]
    assert plan.atomic


def test_the_pod_gets_host_addresses_a_default_route_and_its_gateways_mac():
    host_mac, pod_mac = link_macs(SANDBOX.key)
    plan = plan_of(V4, V6)
    assert items(plan, LinkAddress) == [LinkAddress(8, V4, 32), LinkAddress(8, V6, 128)]
    assert items(plan, Neighbour, 2) == [Neighbour(8, GATEWAYS[4], host_mac), Neighbour(8, GATEWAYS[6], host_mac)]
    assert items(plan, FibRoute, 2) == [
        FibRoute(Prefix(family, 0, 0), GATEWAYS[family], 8, onlink=True) for family in (4, 6)
    ]
    (veth,) = items(plan, Veth)
    assert (veth.name, veth.mac, veth.peer_name, veth.peer_mac) == (link_name(SANDBOX.key), host_mac, "eth0", pod_mac)


def test_the_host_reaches_each_address_by_route_and_neighbour():
    _, pod_mac = link_macs(SANDBOX.key)
    expected = [
        FibRoute(V4.host, link=7), Neighbour(7, V4, pod_mac), FibRoute(V6.host, link=7), Neighbour(7, V6, pod_mac),
    ]  # fmt: skip
    assert host_items(lease(V4, V6), 7) == expected
    assert items(plan_of(V4, V6), (FibRoute, Neighbour), 0) == expected


def test_router_advertisements_are_refused_where_there_is_ipv6_only():
    assert Sysctl("ipv6/conf/eth0/accept_ra", "0") in items(plan_of(V6), Sysctl, 2)
    assert items(plan_of(V4), Sysctl, 2) == []


def test_the_host_end_is_hardened_whatever_the_pods_addresses_before_the_pod_can_send():
    name = link_name(SANDBOX.key)
    expected = [Sysctl(f"ipv6/conf/{name}/{key}", "0") for key in ("accept_ra", "accept_redirects")]
    for addresses in ((V4,), (V6,), (V4, V6)):
        assert items(plan_of(*addresses), Sysctl, 1) == expected
        assert items(attach_plan(SANDBOX, lease(*addresses), host_link=7, pod_link=8, mtu=1500, enable_ipv6=True),
                     Sysctl, 1)[1:] == expected  # fmt: skip
    assert items(plan_of(V4, mtu=576), Sysctl, 1) == [], "such a link has no IPv6"
    (setting,) = items(plan_of(V4), LinkSetting, 0)
    assert {PROXY_ARP, ACCEPT_REDIRECTS, SEND_REDIRECTS, ACCEPT_SOURCE_ROUTE, ARP_ACCEPT} == {
        conf for conf, value in setting.conf4 if not value
    } - {RP_FILTER}


def test_an_open_descriptor_of_the_namespace_is_used_before_its_path():
    plan = plan_of(V4, sandbox=Sandbox("c1", "eth0", "/run/netns/p1", netns_fd=5))
    assert plan.steps[2].netns == 5
    assert items(plan, Veth)[0].netns == 5


def test_detach_takes_the_routes_back_and_goes_on_after_failures():
    plan = detach_plan(lease(V4, V6))
    assert not plan.atomic
    assert [(c.verb, c.item) for c in plan.steps[0].changes] == [
        (Verb.REMOVE, FibRoute(V4.host)),
        (Verb.REMOVE, FibRoute(V6.host)),
    ]


def test_the_attachment_tells_what_the_plan_made():
    told = attachment(lease(V6, V4), 1400)
    assert (told.host_link, told.host_mac, told.pod_mac) == (link_name(SANDBOX.key), *link_macs(SANDBOX.key))
    assert (told.mtu, told.addresses, told.gateways) == (1400, (V6, V4), (GATEWAYS[4], GATEWAYS[6]))


@pytest.mark.parametrize("limits", [None, Bandwidth(), Bandwidth(ingress_burst=5)])
def test_no_limit_means_no_shaping(limits):
    assert items(plan_of(V4, sandbox=Sandbox("c1", "eth0", "/n", bandwidth=limits)), Shaping) == []


def test_the_pod_end_limits_what_the_pod_sends_and_the_host_end_what_it_gets():
    plan = plan_of(V4, sandbox=Sandbox("c1", "eth0", "/n", bandwidth=Bandwidth(8_000_000, 0, 16_000_000, 0)))
    assert [(s.link, s.rate) for s in items(plan, Shaping, 2)] == [(8, 2_000_000)]
    assert [(s.link, s.rate) for s in items(plan, Shaping, 0)] == [(7, 1_000_000)]


@pytest.mark.parametrize(
    ("burst", "expected"),
    [
        *((7_999_992, 999_999), (8_000_000, 1_000_000), (8_000_001, 1_000_000), (2**32 - 2, 1_000_000)),
        *((80_000, 10_000), (8, 3000), (0, 3000), (-1, 3000), (2**32 - 1, 3000), (8 * (2**32 - 1), 3000)),
    ],
)
def test_a_burst_is_at_most_a_seconds_worth_unless_it_means_none(burst, expected):
    (shaping,) = items(plan_of(V4, sandbox=Sandbox("c1", "eth0", "/n", bandwidth=Bandwidth(8_000_000, burst))), Shaping)
    assert shaping.burst == expected


rates = st.integers(1, 10**12)
bursts = st.sampled_from([0, 1, 8 * 10**6, 2**32 - 1, 8 * (2**32 - 1), 10**13])


@given(rates, bursts, st.integers(576, 65535))
def test_a_bucket_always_holds_a_packet_and_never_more_than_a_seconds_worth_of_asked_burst(rate, burst, mtu):
    plan = plan_of(V4, sandbox=Sandbox("c1", "eth0", "/n", bandwidth=Bandwidth(rate, burst)), mtu=mtu)
    (shaping,) = items(plan, Shaping)
    assert shaping.rate == max(rate // 8, 1)
    assert mtu <= shaping.burst <= max(shaping.rate, mtu + 1500)
    assert shaping.limit >= shaping.burst


def test_descriptor_zero_is_a_descriptor():
    plan = plan_of(V4, sandbox=Sandbox("c1", "eth0", "/run/netns/p1", netns_fd=0))
    assert (plan.steps[2].netns, items(plan, Veth)[0].netns) == (0, 0)


@pytest.mark.parametrize(("mtu", "has_ipv6"), [(1279, False), (1280, True)])
def test_both_ends_are_set_up_whole_and_hold_back_ipv6s_own_addresses_where_there_is_ipv6(mtu, has_ipv6):
    plan = plan_of(V4, mtu=mtu)
    assert items(plan, LinkSetting) == [
        LinkSetting(7, up=True, conf4=HOST_CONF4, addr_gen_none=has_ipv6),
        LinkSetting(8, conf4=POD_CONF4, addr_gen_none=has_ipv6),
        LinkSetting(8, up=True),
    ]


def test_a_pod_announces_its_ipv6_address_when_it_comes_up():
    assert Sysctl("ipv6/conf/eth0/ndisc_notify", "1") in items(plan_of(V6), Sysctl, 2)


RULE = Rule(2048, 1010, src=V4.host)
LIMITED = Sandbox("c1", "eth0", "/n", bandwidth=Bandwidth(8_000_000, 80_000, 16_000_000, 240_000))


@pytest.mark.parametrize("enable_ipv6", [False, True])
def test_links_addresses_and_rules_are_added_and_what_may_be_there_is_replaced(enable_ipv6):
    plan = attach_plan(LIMITED, lease(V4, V6), host_link=7, pod_link=8, mtu=1500, rules=[RULE], enable_ipv6=enable_ipv6)
    check(plan)
    assert RULE in items(plan, Rule)
    for change in (change for step in plan.steps for change in step.changes):
        replaced = isinstance(change.item, Sysctl | LinkSetting | Shaping)
        assert change.verb is (Verb.REPLACE if replaced else Verb.ADD), change


def test_where_ipv6_is_disabled_it_is_enabled_on_each_end_before_anything_needs_it():
    plan = attach_plan(LIMITED, lease(V6), host_link=7, pod_link=8, mtu=1500, rules=[RULE], enable_ipv6=True)
    name = link_name(SANDBOX.key)
    assert [step.netns for step in plan.steps] == [HOST, HOST, "/n"]
    assert [type(change.item) for change in plan.steps[0].changes] == [Veth]
    assert plan.steps[1].changes[0].item == Sysctl(f"ipv6/conf/{name}/disable_ipv6", "0")
    assert plan.steps[2].changes[0].item == Sysctl("ipv6/conf/eth0/disable_ipv6", "0")
    usual = attach_plan(LIMITED, lease(V6), host_link=7, pod_link=8, mtu=1500, rules=[RULE])
    rest = {change for step in usual.steps for change in step.changes}
    assert {change for step in plan.steps for change in step.changes} - rest == {
        plan.steps[1].changes[0], plan.steps[2].changes[0],
    }  # fmt: skip
    assert rest <= {change for step in plan.steps for change in step.changes}


def test_each_direction_has_its_own_burst():
    plan = plan_of(V4, sandbox=LIMITED)
    assert [(s.link, s.burst) for s in items(plan, Shaping)] == [(7, 10_000), (8, 30_000)]


@pytest.mark.parametrize(("burst", "expected"), [(0, 1_000_003), (1, 3000), (80_007, 10_000)])
def test_a_fast_pod_without_a_burst_has_a_thousandth_of_a_second(burst, expected):
    limits = Bandwidth(8_000_031_999, burst)
    (shaping,) = items(plan_of(V4, sandbox=Sandbox("c1", "eth0", "/n", bandwidth=limits)), Shaping)
    assert (shaping.rate, shaping.burst, type(shaping.burst)) == (1_000_003_999, expected, int)
    assert shaping.limit == 25_000_099 + expected, "what may wait is 25 ms worth beside the burst"


def test_the_settings_of_a_host_end_are_those_that_it_was_made_with():
    name = link_name(SANDBOX.key)
    assert host_settings(lease(V4)) == [
        Sysctl(f"ipv4/conf/{name}/forwarding", "1"),
        *(
            Sysctl(f"ipv4/conf/{name}/{key}", "0")
            for key in (
                "rp_filter", "proxy_arp", "accept_redirects", "send_redirects", "accept_source_route", "arp_accept",
            )
        ),
        *(Sysctl(f"ipv6/conf/{name}/{key}", "0") for key in ("accept_ra", "accept_redirects")),
    ]  # fmt: skip
