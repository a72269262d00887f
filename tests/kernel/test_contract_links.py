"""The contract of every kernel port: addresses, neighbours, rules, sysctls, links, and the events about them."""

from __future__ import annotations

import errno

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.core.names import link_name
from terway_edge.core.plans import (
    HOST,
    PROTO,
    FibRoute,
    LinkAddress,
    LinkSetting,
    Neighbour,
    Rule,
    Setting,
    Shaping,
    Sysctl,
    Where,
)
from terway_edge.core.ports import Happening
from tests.kernel.contract import (
    ADD,
    FAR,
    HOST_LINK,
    MAC,
    NEAR,
    NOBODY,
    OTHER_MAC,
    OURS,
    POD,
    POD_CIDR,
    POD_LINK,
    REMOTE,
    REMOVE,
    REPLACE,
    SPARE,
    UPLINK,
    Watcher,
    address,
    both_families,
    change,
    cover,
    link_of,
    own_routes,
    plug,
    refusal,
    route,
)

# --- addresses, neighbours, rules, links, sysctls -------------------------------------------------------------------


@both_families
def test_address_is_added_once_and_removed(kernel, family):
    made = LinkAddress(UPLINK, address({4: "203.0.113.9", 6: "2001:db8:7::9"}[family]), {4: 32, 6: 128}[family])
    change(kernel, ADD, made)
    assert refusal(kernel, ADD, made) == errno.EEXIST
    assert made in kernel.dump(LinkAddress, Where(family=family, link=UPLINK))
    change(kernel, REPLACE, made)
    change(kernel, REMOVE, made)
    assert made not in kernel.dump(LinkAddress)


def test_address_on_a_missing_link_is_enodev(kernel):
    assert refusal(kernel, ADD, LinkAddress(NOBODY, address("203.0.113.9"), 32)) == errno.ENODEV
    assert refusal(kernel, ADD, LinkAddress(NOBODY, address("2001:db8:7::9"), 128)) == errno.ENODEV


def test_routes_with_a_removed_source_go_in_ipv4_and_lose_it_in_ipv6(kernel):
    sources = {
        4: LinkAddress(UPLINK, address("203.0.113.9"), 32),
        6: LinkAddress(UPLINK, address("2001:db8:7::9"), 128),
    }
    change(kernel, ADD, *sources.values())
    change(kernel, ADD, *(route(family, src=source.address) for family, source in sources.items()))
    change(kernel, REMOVE, *sources.values())
    assert own_routes(kernel) == {route(6)}


def test_last_ipv4_address_of_a_link_takes_its_ipv4_routes_and_neighbours_along(kernel):
    entries = {family: Neighbour(UPLINK, address(NEAR[family]), MAC) for family in (4, 6)}
    change(kernel, ADD, route(4), route(6), *entries.values())
    change(
        kernel, REMOVE, LinkAddress(UPLINK, address("192.0.2.1"), 24), LinkAddress(UPLINK, address("2001:db8::1"), 64)
    )
    assert own_routes(kernel) == {route(6)}
    assert kernel.dump(Neighbour) == [entries[6]]


@both_families
def test_neighbour_is_added_replaced_and_removed(kernel, family):
    made = Neighbour(UPLINK, address(NEAR[family]), MAC)
    change(kernel, ADD, made)
    assert refusal(kernel, ADD, made._replace(mac=OTHER_MAC)) == errno.EEXIST
    change(kernel, REPLACE, made._replace(mac=OTHER_MAC))
    assert kernel.dump(Neighbour, Where(family=family)) == [made._replace(mac=OTHER_MAC)]
    assert kernel.dump(Neighbour, Where(link=SPARE)) == []
    change(kernel, REMOVE, made)
    change(kernel, REMOVE, made)
    assert kernel.dump(Neighbour) == []


@both_families
def test_rule_is_added_once_and_removed(kernel, family):
    made = Rule(512, 1000, src=Prefix.parse(POD_CIDR[family]), dst=Prefix.parse(REMOTE[family]), family=family)
    change(kernel, ADD, made)
    assert refusal(kernel, ADD, made) == errno.EEXIST
    change(kernel, REPLACE, made)
    assert kernel.dump(Rule, OURS) == [made]
    assert kernel.dump(Rule, Where(proto=PROTO, family=10 - family)) == []
    change(kernel, REMOVE, made)
    change(kernel, REMOVE, made)
    assert kernel.dump(Rule, OURS) == []


def test_rules_of_one_priority_are_told_apart(kernel):
    rules = {Rule(512, 254, dst=address(text).host) for text in ("10.9.0.5", "10.9.0.6")}
    rules |= {Rule(512, 254, dst=address(POD[6]).host, family=6), Rule(2048, 1001, src=address(POD[4]).host)}
    change(kernel, ADD, *rules)
    assert set(kernel.dump(Rule, OURS)) == rules
    gone = Rule(512, 254, dst=address("10.9.0.5").host)
    change(kernel, REMOVE, gone)
    assert set(kernel.dump(Rule, OURS)) == rules - {gone}


def test_built_in_and_foreign_rules_are_not_ours(kernel, world):
    foreign = Rule(600, 254, dst=Prefix.parse("10.0.0.0/8"), proto=99)
    world.foreign(ADD, foreign)
    change(kernel, REMOVE, foreign._replace(proto=PROTO))
    assert kernel.dump(Rule, OURS) == []
    assert {r.priority for r in kernel.dump(Rule)} == {0, 600, 32766, 32767}


def test_rule_sends_a_packet_to_its_table(kernel, world, pod_netns):
    plug(kernel, pod_netns(), POD[4])
    change(kernel, ADD, cover(Prefix.parse(POD_CIDR[4]))._replace(table=1000, metric=0))
    assert world.reaches(HOST, address(POD[4]))
    rule = Rule(512, 1000, dst=Prefix.parse(POD_CIDR[4]))
    change(kernel, ADD, rule)
    assert not world.reaches(HOST, address(POD[4]))
    change(kernel, REMOVE, rule)
    assert world.reaches(HOST, address(POD[4]))


def test_link_setting_changes_only_what_it_names(kernel):
    before = link_of(kernel, "spare0")
    change(kernel, REPLACE, LinkSetting(SPARE, mtu=1300))
    assert link_of(kernel, "spare0") == before._replace(mtu=1300)
    change(kernel, REPLACE, LinkSetting(SPARE, up=False))
    assert (link_of(kernel, "spare0").up, link_of(kernel, "spare0").mtu) == (False, 1300)


def test_a_link_gets_another_mac(kernel):
    before = link_of(kernel, "spare0")
    change(kernel, REPLACE, LinkSetting(SPARE, mac=b"\x02\0\0\0\x77\x01"))
    assert link_of(kernel, "spare0") == before._replace(mac=b"\x02\0\0\0\x77\x01")


def test_a_link_of_a_small_mtu_has_no_ipv6_to_set(kernel):
    change(kernel, REPLACE, LinkSetting(SPARE, mtu=1279))
    assert refusal(kernel, REPLACE, LinkSetting(SPARE, addr_gen_none=True)) == errno.EAFNOSUPPORT
    change(kernel, REPLACE, LinkSetting(SPARE, mtu=1280))
    change(kernel, REPLACE, LinkSetting(SPARE, addr_gen_none=True))


def test_link_setting_of_a_missing_link_or_an_impossible_mtu_is_refused(kernel):
    assert refusal(kernel, REPLACE, LinkSetting(NOBODY, up=True)) == errno.ENODEV
    assert refusal(kernel, REPLACE, LinkSetting(SPARE, mtu=9)) == errno.EINVAL


def test_sysctl_is_written_unless_its_condition_fails(kernel, world):
    change(kernel, REPLACE, Sysctl("ipv6/conf/up0/accept_ra", "2", when="0"))
    assert world.sysctl("ipv6/conf/up0/accept_ra") == "1"
    change(kernel, REPLACE, Sysctl("ipv6/conf/up0/accept_ra", "2", when="1"))
    assert world.sysctl("ipv6/conf/up0/accept_ra") == "2"


def test_sysctl_of_a_missing_link_or_name_is_enoent(kernel):
    assert refusal(kernel, REPLACE, Sysctl("ipv4/conf/nobody/rp_filter", "0")) == errno.ENOENT
    assert refusal(kernel, REPLACE, Sysctl("ipv4/conf/up0/nonsense", "0")) == errno.ENOENT


def test_forwarding_for_all_reaches_every_link(kernel, world):
    change(kernel, REPLACE, Sysctl("ipv4/ip_forward", "1"), Sysctl("ipv6/conf/all/forwarding", "1"))
    paths = ["ipv4/conf/up0/forwarding", "ipv4/conf/all/forwarding", "ipv6/conf/up0/forwarding"]
    assert [world.sysctl(path) for path in paths] == ["1", "1", "1"]


def test_deviations_are_what_a_write_would_change(kernel, world):
    change(kernel, REPLACE, Sysctl("ipv4/ip_forward", "1"), Sysctl("ipv4/conf/up0/rp_filter", "2"))
    right = [Sysctl("ipv4/ip_forward", "1"), Sysctl("ipv4/conf/up0/rp_filter", "0", when="1")]
    wrong = [Sysctl("ipv4/conf/up0/rp_filter", "0"), Sysctl("ipv4/conf/up0/rp_filter", "1", when="2")]
    assert kernel.deviations([*right, *wrong, Sysctl("ipv4/conf/nobody/rp_filter", "0")]) == wrong
    assert world.sysctl("ipv4/conf/up0/rp_filter") == "2"


OFF4, OFF6 = (Setting(0, family, "forwarding", 0) for family in (4, 6))


@pytest.mark.parametrize(
    ("path", "good", "bad", "told"),
    [
        ("ipv4/ip_forward", "1", "0", [OFF4, OFF4._replace(link=UPLINK), OFF4._replace(link=SPARE)]),
        ("ipv6/conf/all/forwarding", "1", "0", [OFF6, OFF6._replace(link=UPLINK), OFF6._replace(link=SPARE)]),
        ("ipv4/conf/up0/forwarding", "1", "0", [OFF4._replace(link=UPLINK)]),
        ("ipv6/conf/up0/forwarding", "1", "0", [OFF6._replace(link=UPLINK)]),
        ("ipv4/conf/up0/rp_filter", "0", "2", [Setting(UPLINK, 4, "rp_filter", 2)]),
        ("ipv4/conf/all/rp_filter", "0", "1", [Setting(0, 4, "rp_filter", 1)]),
        ("ipv4/conf/default/rp_filter", "0", "1", []),
        ("ipv6/conf/up0/accept_ra", "0", "1", []),
    ],
)
def test_a_setting_that_breaks_forwarding_is_told_once_and_its_repair_is_not(
    kernel, world, watcher, eventually, path, good, bad, told
):
    for value in (good, good, bad, bad, good):
        world.foreign(REPLACE, Sysctl(path, value))
    marker = Rule(999, 254)
    world.foreign(ADD, marker)
    world.foreign(REMOVE, marker)
    eventually(lambda: watcher.saw(Happening.RULE_REMOVED, marker))
    seen = [event.item for event in watcher.seen if event.what is Happening.SETTING_CHANGED]
    assert sorted(item for item in seen if item.link in (0, UPLINK, SPARE)) == sorted(told)


def test_shaping_is_replaced_and_needs_a_link(kernel):
    made = Shaping(SPARE, rate=1_000_000, burst=20_000, limit=50_000)
    change(kernel, REPLACE, made, made._replace(rate=2_000_000))
    assert refusal(kernel, REPLACE, made._replace(link=NOBODY)) == errno.ENODEV


# --- links that go down ---------------------------------------------------------------------------------------------


def test_link_down_takes_routes_neighbours_and_ipv6_addresses_and_up_brings_back_the_connected_prefix(kernel, world):
    entries = [Neighbour(UPLINK, address(NEAR[family]), MAC) for family in (4, 6)]
    change(kernel, ADD, route(4), route(6), route(4, None, metric=8), route(4, FAR, onlink=True, metric=9), *entries)
    world.set_link("up0", up=False)
    assert own_routes(kernel) == set()
    assert kernel.dump(Neighbour) == []
    addresses = [a.address for a in kernel.dump(LinkAddress, Where(link=UPLINK))]
    assert addresses == [address("192.0.2.1")]
    world.set_link("up0", up=True)
    assert own_routes(kernel) == set()
    change(kernel, ADD, route(4))
    assert refusal(kernel, ADD, route(6)) == errno.EHOSTUNREACH


def test_link_without_carrier_keeps_its_routes(kernel, pod_netns):
    netns = pod_netns()
    held = plug(kernel, netns, POD[4], POD[6])
    change(kernel, REPLACE, LinkSetting(POD_LINK, up=False), netns=netns)
    near = link_of(kernel, link_name(held.key))
    assert (near.up, near.carrier) == (True, False)
    assert len(kernel.dump(FibRoute, Where(proto=PROTO, link=HOST_LINK))) == 2
    assert len(kernel.dump(Neighbour, Where(link=HOST_LINK))) == 2


# --- events ---------------------------------------------------------------------------------------------------------


@both_families
def test_foreign_removal_of_a_route_is_told(kernel, world, watcher, eventually, family):
    change(kernel, ADD, route(family))
    world.foreign(REMOVE, route(family))
    eventually(lambda: watcher.saw(Happening.ROUTE_REMOVED, route(family)))


@both_families
def test_foreign_route_is_told(world, watcher, eventually, family):
    world.foreign(ADD, route(family, proto=99))
    eventually(lambda: watcher.saw(Happening.ROUTE_ADDED, route(family, proto=99)))


@both_families
def test_foreign_removal_of_rule_and_neighbour_is_told(kernel, world, watcher, eventually, family):
    rule = Rule(512, 254, dst=Prefix.parse(POD_CIDR[family]), family=family)
    entry = Neighbour(UPLINK, address(NEAR[family]), MAC)
    change(kernel, ADD, rule, entry)
    world.foreign(REMOVE, rule)
    world.foreign(REMOVE, entry)
    eventually(lambda: watcher.saw(Happening.RULE_REMOVED, rule))
    eventually(lambda: watcher.saw(Happening.NEIGHBOUR_REMOVED, entry._replace(mac=b"")))


@both_families
def test_foreign_addresses_are_told(world, watcher, eventually, family):
    made = LinkAddress(UPLINK, address({4: "203.0.113.9", 6: "2001:db8:7::9"}[family]), {4: 32, 6: 128}[family])
    world.foreign(ADD, made)
    eventually(lambda: watcher.saw(Happening.ADDRESS_CHANGED, made))


def test_own_changes_of_routes_and_rules_are_not_told(kernel, world, watcher, eventually):
    items = [route(4), route(6), Rule(512, 254)]
    change(kernel, ADD, *items)
    change(kernel, REMOVE, *items)
    marker = route(4, proto=99)
    world.foreign(ADD, marker)
    eventually(lambda: watcher.saw(Happening.ROUTE_ADDED, marker))
    about_items = {Happening.ROUTE_ADDED, Happening.ROUTE_REMOVED, Happening.RULE_REMOVED}
    assert [event.item for event in watcher.seen if event.what in about_items] == [marker]


def test_link_down_is_told_with_ipv6_routes_but_ipv4_routes_go_in_silence(kernel, world, watcher, eventually):
    change(kernel, ADD, route(4), route(6))
    world.set_link("up0", up=False)
    eventually(lambda: watcher.saw(Happening.ROUTE_REMOVED, route(6)))
    eventually(lambda: any(e.what is Happening.LINK_CHANGED and e.item.name == "up0" for e in list(watcher.seen)))
    assert not watcher.saw(Happening.ROUTE_REMOVED, route(4))


def test_what_follows_from_an_own_change_is_told_like_a_strangers(kernel, watcher, eventually):
    entry = Neighbour(UPLINK, address(NEAR[6]), MAC)
    change(kernel, ADD, route(6), entry)
    change(kernel, REPLACE, LinkSetting(UPLINK, up=False))
    eventually(lambda: watcher.saw(Happening.ROUTE_REMOVED, route(6)))
    eventually(lambda: watcher.saw(Happening.NEIGHBOUR_REMOVED, entry._replace(mac=b"")))


def test_link_that_disappears_is_told(kernel, world, watcher, eventually):
    world.delete_link("spare0")
    eventually(lambda: any(e.what is Happening.LINK_CHANGED and e.item.name == "spare0" for e in list(watcher.seen)))
    assert link_of(kernel, "spare0") is None


def test_closed_subscription_is_told_nothing_more(kernel, world, watcher, eventually):
    other = Watcher(kernel)
    other.subscription.close()
    world.foreign(ADD, route(4, proto=99))
    eventually(lambda: watcher.saw(Happening.ROUTE_ADDED))
    assert other.seen == []
