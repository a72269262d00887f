"""What flannel_route does beside the laws of every backend: pools, MTU, forwarding, masquerade, repair."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.flannel_route import FlannelRoute
from terway_edge.backends.flannel_route.backend import wanted_masquerade
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Retry
from terway_edge.core.models import Condition, RouteSet, StopReason
from terway_edge.core.plans import PROTO, Change, FibRoute, LinkAddress, RouteKind, Sysctl, Verb, Where
from terway_edge.testing import FakeKernel, MemoryFirewall
from terway_edge.testing.contract import at_work
from terway_edge.testing.harness import make_context, make_view
from tests.backends.flannel_node import NAME, deselected, via_routes, working

# --- MTU and forwarding -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("setting", "uplink_mtu", "expected"), [(1400, 1500, 1400), (None, 9000, 9000)])
def test_the_mtu_is_the_settings_or_else_the_uplinks(setting, uplink_mtu, expected):
    with working(mtu=setting) as harness:
        harness.view = replace(harness.view, uplink=replace(harness.view.uplink, mtu=uplink_mtu))
        assert harness.plug().attachment.mtu == expected


def test_without_an_uplink_the_mtu_is_that_of_ethernet(harness):
    harness.view = replace(harness.view, uplink=None)
    assert harness.plug().attachment.mtu == 1500


def test_the_node_forwards_both_families(harness):
    kernel = harness.world.kernel
    assert kernel.sysctl("ipv4/ip_forward") == "1"
    assert kernel.sysctl("ipv6/conf/all/forwarding") == "1"


@pytest.mark.parametrize(("before", "after"), [("0", "0"), ("1", "2"), ("2", "2")])
def test_a_forwarding_node_keeps_its_default_route_from_router_advertisements(before, after):
    kernel = FakeKernel()
    kernel.create_link("up0", ifindex=10)
    kernel.foreign_replace(Sysctl("ipv6/conf/up0/accept_ra", before))
    FlannelRoute(make_context(kernel)).terway_edge_start(make_view(NAME))
    assert kernel.sysctl("ipv6/conf/up0/accept_ra") == after


def test_a_node_without_ipv6_pods_does_not_forward_ipv6():
    kernel, view = FakeKernel(), make_view(NAME)
    only4 = view.node._replace(pod_cidrs=view.node.pod_cidrs[:1])
    FlannelRoute(make_context(kernel)).terway_edge_start(replace(view, node=only4))
    assert kernel.sysctl("ipv4/ip_forward") == "1"
    assert kernel.sysctl("ipv6/conf/all/forwarding") == "0"


def test_a_node_that_may_not_forward_does_not_start():
    kernel = FakeKernel()
    kernel.fail_next(errno=30)
    with pytest.raises(Retry, match=r"ip_forward.*cannot forward packets"):
        FlannelRoute(make_context(kernel)).terway_edge_start(make_view(NAME))


def test_ipv6_that_arrives_late_is_forwarded(harness):
    kernel, both = FakeKernel(), make_view(NAME)
    kernel.create_link("up0", ifindex=10)
    only4 = replace(both, node=both.node._replace(pod_cidrs=both.node.pod_cidrs[:1]), uplink=None)
    plugin = FlannelRoute(make_context(kernel))
    plugin.terway_edge_start(only4)
    plugin.terway_edge_advertise(RouteSet(), both)
    assert kernel.sysctl("ipv6/conf/all/forwarding") == "1"
    assert kernel.sysctl("ipv6/conf/up0/accept_ra") == "2"


def test_forwarding_is_written_once_and_then_left_to_the_keeper_of_settings(harness):
    settings = harness.context.plumbing.settings
    harness.advertise(harness.routes())
    harness.world.interfere(Change(Verb.REPLACE, Sysctl("ipv4/ip_forward", "0")))
    harness.advertise(harness.routes())
    lost = ("ipv4/ip_forward", f"ipv4/conf/{harness.view.uplink.name}/forwarding")
    assert harness.world.kernel.deviations(settings.all()) == [Sysctl(path, "1") for path in lost]


def test_forwarding_that_the_kernel_refuses_is_reported_and_the_routes_are_in_force(harness):
    harness.context.plumbing.settings.drop(harness.context.plumbing)
    harness.world.kernel.fail_next(lambda change: isinstance(change.item, Sysctl), errno=30)
    harness.advertise(harness.routes())
    assert [condition.reason for condition in harness.hooks.report(NAME).conditions] == ["ForwardingRefused"]
    assert len(via_routes(harness)) == len(harness.routes().routes)
    harness.advertise(harness.routes())
    assert harness.hooks.report(NAME).in_sync


# --- masquerade ---------------------------------------------------------------------------------------------------


def test_masquerade_spares_whoever_has_a_route_back():
    view = make_view(NAME, others=1)
    own, other = view.node, view.members[0].node
    excluded = Prefix.parse("172.16.0.0/12")
    wanted = wanted_masquerade(view, [excluded])
    assert wanted.sources == tuple(sorted(own.pod_cidrs))
    hosts = {address.host for node in (own, other) for address in node.addresses}
    assert set(wanted.direct) == {*own.pod_cidrs, *other.pod_cidrs, *hosts, excluded}
    assert list(wanted.direct) == sorted(wanted.direct)


def test_masquerade_does_not_depend_on_the_order_of_nodes():
    view = make_view(NAME, others=3)
    assert wanted_masquerade(view, []) == wanted_masquerade(replace(view, members=view.members[::-1]), [])


def test_the_firewall_is_written_once_for_equal_input_and_follows_changes(harness):
    harness.advertise(harness.routes())
    harness.advertise(harness.routes())
    assert harness.firewall.writes == 1
    harness.view = replace(harness.view, members=harness.view.members[:1])
    harness.advertise(harness.routes())
    assert harness.firewall.writes == 2
    assert harness.firewall.masquerade == wanted_masquerade(harness.view, [])


def test_pods_of_other_lans_and_other_domains_are_reached_without_masquerade():
    direct = ("172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16")
    with working(
        masquerade={"exclude": direct[:1]}, routes={"edge_cidrs": direct[1:2], "cross_domain_cidrs": direct[2:]}
    ) as harness:
        harness.advertise(RouteSet())
        assert set(map(Prefix.parse, direct)) <= set(harness.firewall.masquerade.direct)


def test_masquerade_that_was_switched_off_is_removed():
    with working(masquerade={"enabled": False}) as harness:
        harness.firewall.set_masquerade(wanted_masquerade(harness.view, []))
        harness.advertise(harness.routes())
        assert harness.firewall.masquerade is None


# --- routes -------------------------------------------------------------------------------------------------------


def test_without_an_uplink_only_the_own_pod_cidrs_are_covered(harness):
    routes = harness.routes()
    harness.view = replace(harness.view, uplink=None)
    harness.advertise(routes)
    assert {route.prefix for route in harness.kernel.dump(FibRoute, Where(proto=PROTO))} == set(
        harness.view.node.pod_cidrs
    )


def test_routes_follow_the_uplink_to_another_link(harness):
    harness.advertise(harness.routes())
    other = harness.world.kernel.create_link("up1", ifindex=11)
    for text, length in (("192.0.2.9", 24), ("2001:db8::9", 64)):
        harness.world.interfere(Change(Verb.ADD, LinkAddress(other.ifindex, Address.parse(text), length)))
    harness.view = replace(harness.view, uplink=replace(harness.view.uplink, ifindex=other.ifindex, name=other.name))
    harness.advertise(harness.routes())
    assert {route.link for route in via_routes(harness)} == {other.ifindex}
    assert len(via_routes(harness)) == len(harness.routes().routes)


def test_an_address_of_the_pod_cidr_that_no_pod_has_is_unreachable_and_not_sent_out(harness):
    harness.advertise(harness.routes())
    pod = harness.plug()
    nobody = Address(4, harness.view.node.pod_cidrs[0].last - 1)
    assert not harness.world.reaches(pod.sandbox.netns, nobody)
    assert "unreachable" in harness.world.kernel.trace("", nobody).hops[-1]


def test_the_report_counts_routes_and_carries_the_conditions_of_the_set(harness):
    condition = Condition("OffLink", "node-b", "give it another node pool")
    harness.advertise(replace(harness.routes(), conditions=(condition,)))
    report = harness.hooks.report(NAME)
    assert report.conditions == (condition,)
    assert not report.in_sync
    assert report.details["routes"] == len(harness.routes().routes) + len(harness.view.node.pod_cidrs)


def test_uninstall_removes_the_firewall_table():
    firewall = MemoryFirewall()
    kernel = FakeKernel()
    kernel.create_link("up0", ifindex=10)
    plugin = FlannelRoute(make_context(kernel, firewall=firewall))
    plugin.terway_edge_start(make_view(NAME))
    plugin.terway_edge_advertise(RouteSet(), make_view(NAME))
    assert firewall.masquerade is not None
    plugin.terway_edge_stop(StopReason.UPGRADE)
    assert firewall.masquerade is not None
    plugin.terway_edge_stop(StopReason.UNINSTALL)
    assert firewall.masquerade is None
    assert kernel.dump(FibRoute, Where(proto=PROTO)) == []


# --- deselected ---------------------------------------------------------------------------------------------------


def test_once_deselected_nothing_stays(harness):
    harness.advertise(harness.routes())
    harness.view = deselected(harness.view)
    harness.world.interfere(Change(Verb.REPLACE, Sysctl("ipv4/ip_forward", "0")))
    harness.advertise(RouteSet())
    assert harness.kernel.dump(FibRoute, Where(proto=PROTO)) == []
    assert harness.firewall.masquerade is None
    assert harness.world.kernel.sysctl("ipv4/ip_forward") == "0", "no longer any of our business"


def test_once_deselected_the_last_pod_takes_covers_and_masquerade_along(harness):
    pod = harness.plug()
    harness.advertise(harness.routes())
    harness.view = deselected(harness.view)
    harness.advertise(RouteSet())
    covers = {r.prefix for r in harness.kernel.dump(FibRoute, Where(proto=PROTO)) if r.kind is RouteKind.UNREACHABLE}
    assert covers == set(harness.view.node.pod_cidrs)
    assert harness.firewall.masquerade is not None
    harness.unplug(pod)
    harness.advertise(RouteSet())
    assert harness.kernel.dump(FibRoute, Where(proto=PROTO)) == []
    assert harness.firewall.masquerade is None


def test_a_mere_advertiser_covers_and_masquerades_for_the_backends_pods():
    with at_work(NAME, FlannelRoute, serves_pods=False) as harness:
        harness.advertise(harness.routes())
        assert harness.firewall.masquerade == wanted_masquerade(harness.view, [])
        assert len(via_routes(harness)) == len(harness.routes().routes)


def test_before_the_first_whole_listing_a_deselected_backend_removes_nothing(harness):
    harness.advertise(harness.routes())
    before, masquerade = via_routes(harness), harness.firewall.masquerade
    harness.view = deselected(harness.view)
    harness.advertise(RouteSet(in_sync=False))
    assert via_routes(harness) == before
    assert harness.firewall.masquerade == masquerade
