"""Laws of the route model, over clusters of any shape."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.models import Member, Node, NodeView, Scope, Selection, Uplink
from terway_edge.core.routes import AGGREGATE, CROSS_DOMAIN, RouteMemory, desired_routes
from tests.core.bgp_peers import make_peer

OWN = "n0"
UPLINK = Uplink(2, "up0", 1500, ((Address.parse("192.0.2.10"), 24), (Address.parse("2001:db8::10"), 64)))
GATEWAYS = (Address.parse("192.0.2.254"), Address.parse("2001:db8::ffff"))
EDGE = (Prefix.parse("10.0.0.0/13"),)

addresses = st.sampled_from(
    [Address.parse(text) for text in ("192.0.2.11", "192.0.2.12", "203.0.113.9", "2001:db8::11", "2001:db8:9::1")]
)
cidrs = st.one_of(
    st.integers(0, 15).map(lambda n: Prefix(4, (10 << 24) + (n << 16), 16)),
    st.integers(0, 7).map(lambda n: Prefix(4, (10 << 24) + (n << 8), 24)),
    st.integers(0, 7).map(lambda n: Prefix(6, (0xFD << 120) + (n << 64), 64)),
)


def node(name, own_addresses=(), pod_cidrs=()):
    return Node(name, {}, tuple(own_addresses), tuple(pod_cidrs))


@st.composite
def views(draw):
    names = draw(st.lists(st.sampled_from([f"n{number}" for number in range(1, 9)]), unique=True))
    members = [
        Member(
            node(name, draw(st.lists(addresses, max_size=2)), draw(st.lists(cidrs, max_size=2, unique=True))),
            draw(st.sampled_from(["here", "there"])),
        )
        for name in names
    ]
    own = node(OWN, (Address.parse("192.0.2.10"),), draw(st.lists(cidrs, max_size=2, unique=True)))
    uplink = draw(st.sampled_from([UPLINK, None]))
    return NodeView(own, Selection("flannel_route", (), "here"), tuple(members), uplink)


gateway_lists = st.sampled_from([(), GATEWAYS, GATEWAYS[:1]])
edge_lists = st.sampled_from([(), EDGE])
cross_domain_lists = st.lists(cidrs | st.sampled_from([Prefix.parse("172.16.0.0/12"), Prefix.parse("192.0.2.0/25")]))


@settings(deadline=None)
@given(views(), gateway_lists, edge_lists, cross_domain_lists, st.randoms())
def test_laws(view, gateways, edge_cidrs, cross_domain_cidrs, random):
    wishes = {"gateways": gateways, "edge_cidrs": edge_cidrs, "cross_domain_cidrs": cross_domain_cidrs}
    found = desired_routes(view, **wishes)
    prefixes = [route.prefix for route in found.routes]
    assert len(set(prefixes)) == len(prefixes), "at most one route for each prefix"
    assert not any(own.covers(prefix) for own in view.node.pod_cidrs for prefix in prefixes), "own pods stay here"
    assert all(route.next_hop.family == route.prefix.family for route in found.routes)

    shuffled = list(view.members)
    random.shuffle(shuffled)
    other = NodeView(view.node, view.selection, tuple(shuffled), view.uplink)
    wishes["cross_domain_cidrs"] = cross_domain_cidrs[::-1]
    assert desired_routes(other, **wishes) == found, "order does not matter"

    members = {member.node.name: member for member in view.members}
    for route in found.routes:
        if route.scope is Scope.LAN:
            member = members[route.origin]
            assert member.lan == "here"
            assert route.next_hop in member.node.addresses
            assert any(on_link.contains(route.next_hop) for on_link in view.uplink.on_link)
        else:
            assert route.next_hop in gateways
            assert route.origin == AGGREGATE or route.origin == CROSS_DOMAIN or route.origin in members
            assert route.origin != CROSS_DOMAIN or route.prefix in cross_domain_cidrs
    for condition in found.conditions:
        assert condition.subject in {OWN, *members}
        assert ";" in condition.message, "a condition says what to do"


@settings(deadline=None)
@given(st.lists(st.tuples(views(), gateway_lists, edge_lists), max_size=4), st.data())
def test_a_memory_changes_nothing(steps, data):
    memory, before = RouteMemory(), {}
    for view, gateways, edge_cidrs in steps:
        kept = {name: member for name, member in before.items() if data.draw(st.booleans())}  # the very same objects
        members = {**{member.node.name: member for member in view.members}, **kept}
        seen = replace(view, members=tuple(members.values()))
        wishes = {"gateways": gateways, "edge_cidrs": edge_cidrs}
        assert desired_routes(seen, **wishes, memory=memory) == desired_routes(seen, **wishes)
        before = members


def test_a_route_that_stays_is_the_same_object_as_long_as_the_surroundings_are():
    view = lan_of(
        ("n1", "here", ("192.0.2.11",), ("10.0.1.0/24",)),
        ("n2", "here", ("192.0.2.12",), ("10.0.2.0/24",)),
    )
    memory = RouteMemory()
    (one, _) = desired_routes(view, memory=memory).routes
    (again,) = desired_routes(replace(view, members=view.members[:1]), memory=memory).routes
    assert again is one
    elsewhere = replace(view, uplink=replace(UPLINK, addresses=((Address.parse("203.0.113.1"), 24),)))
    assert desired_routes(elsewhere, memory=memory).routes == ()


@settings(deadline=None)
@given(views(), gateway_lists, edge_lists)
def test_every_pod_cidr_is_routed_or_explained(view, gateways, edge_cidrs):
    found = desired_routes(view, gateways=gateways, edge_cidrs=edge_cidrs)
    explained = {condition.subject for condition in found.conditions}
    for member in view.members:
        for prefix in member.node.pod_cidrs:
            covered = any(route.prefix.covers(prefix) for route in found.routes)
            assert covered or member.node.name in explained or OWN in explained


@settings(deadline=None)
@given(views(), gateway_lists, cross_domain_lists)
def test_every_cross_domain_cidr_is_routed_or_explained(view, gateways, cross_domain_cidrs):
    found = desired_routes(view, gateways=gateways, cross_domain_cidrs=cross_domain_cidrs)
    told = [condition.message for condition in found.conditions if condition.subject == OWN]
    for prefix in cross_domain_cidrs:
        routed = any(route.prefix == prefix for route in found.routes)
        assert routed or any(message.startswith(f"{prefix} of routes.cross_domain_cidrs ") for message in told)


def lan_of(*members, own=("10.9.0.0/24",), uplink=UPLINK):
    return NodeView(
        node(OWN, (Address.parse("192.0.2.10"),), map(Prefix.parse, own)),
        Selection("flannel_route", (), "here"),
        tuple(
            Member(node(name, map(Address.parse, own_addresses), map(Prefix.parse, pod_cidrs)), lan)
            for name, lan, own_addresses, pod_cidrs in members
        ),
        uplink,
    )


def told(view, **options):
    found = desired_routes(view, **options)
    routes = {str(r.prefix): (str(r.next_hop), r.origin, r.scope.value) for r in found.routes}
    return routes, [(c.reason, c.subject) for c in found.conditions]


@pytest.mark.parametrize(
    ("lan", "address", "expected", "conditions"),
    [
        ("here", "192.0.2.11", ("192.0.2.11", "n1", "lan"), []),
        ("here", "203.0.113.9", ("192.0.2.254", "n1", "gateway"), [("OffLink", "n1")]),
        ("there", "192.0.2.11", ("192.0.2.254", "n1", "gateway"), []),
        ("there", "203.0.113.9", ("192.0.2.254", "n1", "gateway"), []),
    ],
)
def test_next_hop(lan, address, expected, conditions):
    view = lan_of(("n1", lan, [address], ["10.1.0.0/24"]))
    assert told(view, gateways=GATEWAYS) == ({"10.1.0.0/24": expected}, conditions)


@pytest.mark.parametrize(
    ("lan", "addresses", "reason"),
    [("here", [], "NoInternalIP"), ("here", ["203.0.113.9"], "NoGateway"), ("there", ["203.0.113.9"], "NoGateway")],
)
def test_what_cannot_be_routed_is_told(lan, addresses, reason):
    assert told(lan_of(("n1", lan, addresses, ["10.1.0.0/24"]))) == ({}, [(reason, "n1")])


def test_other_lans_share_one_route_for_a_configured_edge_cidr():
    view = lan_of(
        ("n1", "there", ["203.0.113.1"], ["10.1.0.0/24"]),
        ("n2", "there", ["203.0.113.2"], ["10.2.0.0/24"]),
        ("n3", "there", ["203.0.113.3"], ["10.200.0.0/24"]),
        ("n4", "here", ["192.0.2.14"], ["10.4.0.0/24"]),
    )
    assert told(view, gateways=GATEWAYS, edge_cidrs=EDGE)[0] == {
        "10.0.0.0/13": ("192.0.2.254", AGGREGATE, "gateway"),
        "10.200.0.0/24": ("192.0.2.254", "n3", "gateway"),
        "10.4.0.0/24": ("192.0.2.14", "n4", "lan"),
    }


def test_cross_domain_cidrs_go_via_the_gateway_and_leave_pods_and_lan_alone():
    view = lan_of(("n1", "here", ["192.0.2.11"], ["10.1.0.0/24"]))
    cidrs = [
        Prefix.parse(text) for text in ("172.16.0.0/12", "10.1.0.0/24", "10.9.0.0/25", "192.0.2.0/24", "10.0.0.0/8")
    ]
    routes, conditions = told(view, gateways=GATEWAYS[:1], cross_domain_cidrs=[*cidrs, Prefix.parse("2001:db8:7::/48")])
    assert routes == {
        "10.0.0.0/8": ("192.0.2.254", CROSS_DOMAIN, "gateway"),
        "10.1.0.0/24": ("192.0.2.11", "n1", "lan"),
        "172.16.0.0/12": ("192.0.2.254", CROSS_DOMAIN, "gateway"),
    }
    assert conditions == [("CrossDomainInside", OWN), ("CrossDomainInside", OWN), ("NoGateway", OWN)]


def test_the_gateway_of_a_bgp_peer_leads_to_other_lans():
    view = replace(lan_of(("n1", "there", [], ["10.1.0.0/24"])), peers=(make_peer(peerIP="192.0.2.1"),))
    assert told(view)[0]["10.1.0.0/24"][0] == "192.0.2.1"
    assert told(view, gateways=GATEWAYS)[0]["10.1.0.0/24"][0] == "192.0.2.254"


def test_a_configured_gateway_wins_over_the_uplinks():
    uplink = Uplink(2, "up0", 1500, UPLINK.addresses, (Address.parse("192.0.2.1"),))
    view = lan_of(("n1", "there", [], ["10.1.0.0/24"]), uplink=uplink)
    assert told(view)[0]["10.1.0.0/24"][0] == "192.0.2.1"
    assert told(view, gateways=GATEWAYS)[0]["10.1.0.0/24"][0] == "192.0.2.254"


def test_families_are_routed_each_by_its_own_address():
    view = lan_of(("n1", "here", ["192.0.2.11", "2001:db8::11"], ["10.1.0.0/24", "fd00:1::/64"]))
    assert told(view) == (
        {"10.1.0.0/24": ("192.0.2.11", "n1", "lan"), "fd00:1::/64": ("2001:db8::11", "n1", "lan")},
        [],
    )


def test_overlapping_pod_cidrs_are_told_and_ours_stay_ours():
    view = lan_of(("n1", "here", ["192.0.2.11"], ["10.9.0.0/25"]), ("n2", "here", ["192.0.2.12"], ["10.9.0.0/24"]))
    routes, conditions = told(view)
    assert routes == {}
    assert conditions == [("PodCIDROverlap", "n2"), ("PodCIDROverlap", "n1")]


def test_pod_cidrs_of_different_sizes_that_overlap_are_told_too():
    view = lan_of(("n1", "here", ["192.0.2.11"], ["10.1.0.0/24"]), ("n2", "here", ["192.0.2.12"], ["10.1.0.0/25"]))
    routes, conditions = told(view)
    assert routes.keys() == {"10.1.0.0/24", "10.1.0.0/25"}
    assert conditions == [("PodCIDROverlap", "n2")]


def test_a_host_route_address_makes_nobody_on_link():
    uplink = Uplink(2, "up0", 1500, ((Address.parse("192.0.2.10"), 32),))
    view = lan_of(("n1", "here", ["192.0.2.11"], ["10.1.0.0/24"]), uplink=uplink)
    assert told(view, gateways=GATEWAYS)[1] == [("OffLink", "n1")]


def test_an_incomplete_listing_is_passed_on():
    view = NodeView(node(OWN), Selection("b", (), "here"), in_sync=False)
    assert desired_routes(view).in_sync is False


def clashing(*members, own=()):
    return NodeView(
        node(OWN, (Address.parse("192.0.2.10"),), map(Prefix.parse, own)),
        Selection("flannel_route", (), "here"),
        tuple(
            Member(node(name, (Address.parse(at),), map(Prefix.parse, cidrs)), lan) for name, lan, at, *cidrs in members
        ),
        UPLINK,
    )


def test_a_cidr_that_is_ours_hides_no_other_of_its_node():
    view = clashing(("n1", "here", "192.0.2.11", "10.0.0.0/25", "10.0.1.0/24"), own=("10.0.0.0/24",))
    assert [str(route.prefix) for route in desired_routes(view).routes] == ["10.0.1.0/24"]


def test_what_is_unreachable_is_told_with_its_reason():
    view = clashing(("n1", "there", "192.0.2.11", "10.0.0.0/24"), ("n2", "here", "203.0.113.9", "10.0.1.0/24"))
    lines = {condition.subject: condition.message for condition in desired_routes(view).conditions}
    assert lines["n1"].startswith("pods of 10.0.0.0/24 are unreachable: node is in LAN 'there', and this node knows no")
    assert lines["n2"].startswith(
        "pods of 10.0.1.0/24 are unreachable: its address 203.0.113.9 is not on this node's link, and this node knows"
    )


@pytest.mark.parametrize(
    ("cidrs", "told"),
    [
        (["10.0.0.0/30", "10.0.0.3/32"], ["10.0.0.3/32 overlaps 10.0.0.0/30"]),
        (["10.0.0.0/30", "10.0.0.4/32"], []),
        (
            ["10.0.0.0/16", "10.0.1.0/24", "10.0.2.0/24"],
            ["10.0.1.0/24 overlaps 10.0.0.0/16", "10.0.2.0/24 overlaps 10.0.0.0/16"],
        ),
        (["10.0.0.0/24", "10.0.1.0/25", "10.0.1.0/26"], ["10.0.1.0/26 overlaps 10.0.1.0/25"]),
        (["255.0.0.0/8", "10.0.0.0/24", "::/64", "::/65"], ["::/65 overlaps ::/64"]),
    ],
)
def test_a_cidr_is_compared_with_the_widest_that_begins_before_it(cidrs, told):
    view = clashing(*((f"n{number}", "here", "192.0.2.11", cidr) for number, cidr in enumerate(cidrs, 1)))
    found = [each.message for each in desired_routes(view).conditions if each.reason == "PodCIDROverlap"]
    assert [line.removeprefix("pod CIDR ").split(" of node")[0] for line in found] == told
