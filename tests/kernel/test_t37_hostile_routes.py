"""T37: routes, rules and links of others are read without harm, and none is taken for another one or for ours."""

from __future__ import annotations

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import MAIN, PROTO, FibRoute, Link, LinkAddress, Neighbour, Rule, Verb, Where
from terway_edge.core.ports import Happening
from terway_edge.core.uplink import Choice, Found, choose_uplink
from terway_edge.kernel import link_conf
from tests.kernel.conftest import SPARE, UPLINK
from tests.kernel.contract import change, route

pytestmark = pytest.mark.root


def test_t37_a_route_for_some_packets_only_is_not_the_default_route(real_world):
    """For those of one type of service, or from some addresses, as nodes with several providers have them."""
    for gateway in ("192.0.2.9", "2001:db8::9"):
        real_world.run("ip", "route", "add", "default", "via", gateway, "dev", "up0", "metric", "50")
    real_world.run("ip", "route", "add", "default", "tos", "0x10", "dev", "spare0")
    real_world.run("ip", "-6", "route", "add", "default", "from", "fd98::/64", "dev", "spare0", "metric", "5")
    kernel = real_world.kernel
    found = Found(kernel.dump(Link), kernel.dump(LinkAddress), kernel.dump(FibRoute, Where(table=MAIN)))
    assert choose_uplink(found, Choice(), ()).ifindex == UPLINK


@pytest.mark.parametrize("selector", [["tos", "0x10"], ["from", "fd98::/64"]])
def test_t37_a_route_for_some_packets_with_our_mark_is_not_ours(real_world, selector):
    family = 6 if "from" in selector else 4
    wanted = route(family)
    words = [str(wanted.prefix), *selector, "via", str(wanted.via), "dev", "up0", "proto", str(PROTO)]
    real_world.run("ip", f"-{family}", "route", "add", *words)
    assert real_world.kernel.dump(FibRoute, Where(proto=PROTO)) == []
    change(real_world.kernel, Verb.ADD, wanted)
    assert real_world.kernel.dump(FibRoute, Where(proto=PROTO)) == [wanted]


def test_t37_a_next_hop_that_others_add_to_our_route_is_seen_and_a_replacement_removes_it(real_world):
    """IPv6 makes one route of two to the same prefix, with the mark of the first (`ip -6 route append`)."""
    wanted, other = route(6), "2001:db8::66"
    change(real_world.kernel, Verb.ADD, wanted)
    real_world.run("ip", "-6", "route", "append", str(wanted.prefix), "via", other, "dev", "up0", "proto", "static")
    (found,) = real_world.kernel.dump(FibRoute, Where(proto=PROTO))
    assert (found.prefix, found.metric) == (wanted.prefix, wanted.metric)
    assert found != wanted
    change(real_world.kernel, Verb.REPLACE, wanted)
    assert real_world.kernel.dump(FibRoute, Where(proto=PROTO)) == [wanted]
    assert other not in real_world.run("ip", "-6", "route", "show")


def test_t37_rules_with_other_selectors_than_ours_are_none_of_ours(real_world):
    mine = Rule(512, 254, dst=Prefix.parse("10.1.2.3/32"))
    change(real_world.kernel, Verb.ADD, mine)
    others = """uidrange 0-100 table 1000
        ipproto tcp sport 80-90 dport 100 table 1000
        l3mdev pref 700
        goto 32766 pref 701
        goto 40000 pref 702
        nop pref 703
        to 10.1.2.3 tos 0x10 table 254 pref 512
        to 10.1.2.3 fwmark 0x10/0xff table 254 pref 512
        to 10.1.2.3 iif eth9 table 254 pref 512
        to 10.1.2.3 oif up0 table 254 pref 512
        to 10.1.2.3 tun_id 5 table 254 pref 512
        to 10.1.2.3 realms 3/4 table 254 pref 512
        to 10.1.2.3 suppress_prefixlength 0 table 254 pref 512
        to 10.1.2.3 suppress_ifgroup 3 table 254 pref 512
        to 10.1.2.3 blackhole pref 512
        to 10.1.2.3/24 table 254 pref 512
        not to 10.1.2.3 table 254 pref 513"""
    for other in others.splitlines():
        real_world.run("ip", "rule", "add", *other.split(), "protocol", str(PROTO))
    real_world.run("ip", "-6", "rule", "add", "from", "fd00::5/64", "table", "9", "protocol", str(PROTO))
    assert real_world.kernel.dump(Rule, Where(proto=PROTO)) == [mine]


@pytest.mark.parametrize("name", ["twan0", "tw-site-uplink1", "tw0123456789ABC"])
def test_t37_a_veth_of_others_is_none_of_ours_for_the_beginning_of_its_name(real_world, eventually, name):
    """It may be the uplink of a node that is a container itself."""
    real_world.run("ip", "link", "add", name, "type", "veth", "peer", "name", "peer0")
    real_world.run("ip", "link", "set", name, "up")
    events = []
    subscription = real_world.kernel.subscribe(events.append)
    try:
        real_world.run("ip", "link", "set", name, "down")
        eventually(lambda: any(each.item.name == name for each in events if isinstance(each.item, Link)))
    finally:
        subscription.close()


THINGS = """nexthop add id 1 via 192.0.2.9 dev up0
    nexthop add id 2 via 192.0.2.10 dev up0
    nexthop add id 3 via 2001:db8::9 dev up0
    nexthop add id 4 blackhole
    nexthop add id 10 group 1/2
    nexthop add id 11 group 1/3
    nexthop add id 12 group 3
    nexthop add id 13 group 1/2 type resilient buckets 8
    route add 10.1.0.0/16 nhid 1
    route add 10.2.0.0/16 nhid 10
    route add 10.3.0.0/16 nhid 11
    route add 10.4.0.0/16 nhid 4
    route add 10.5.0.0/16 nhid 13
    route add 10.6.0.0/16 via inet6 2001:db8::7 dev up0
    route add 10.7.0.0/16 nexthop via 192.0.2.8 nexthop via inet6 2001:db8::8 dev up0 weight 5
    -6 route add fd10::/64 nhid 3
    -6 route add fd11::/64 nhid 12
    -6 route add fd12::/64 nexthop via 2001:db8::7 nexthop via 2001:db8::8
    -6 route add throw fd15::/64
    -6 route add fd16::/64 via 2001:db8::9 expires 100
    route add throw 10.8.0.0/16
    route add prohibit 10.9.0.0/16 table 4000000000
    route add 10.10.0.0/16 via 192.0.2.9 table 4000000000 realms 4/5 mtu lock 1400 features ecn quickack 1
    mrule add iif up0 table 100
    neigh add proxy 192.0.2.50 dev up0
    -6 neigh add proxy 2001:db8::50 dev up0
    neigh add 192.0.2.51 lladdr 02:00:00:00:00:01 dev up0 nud permanent router extern_learn
    neigh add 192.0.2.52 lladdr 02:00:00:00:00:01 dev up0 nud noarp
    neigh add 192.0.2.53 lladdr 02:00:00:00:00:01 dev up0 nud stale extern_learn
    neigh add 192.0.2.54 dev up0 nud failed
    neigh add 192.0.2.55 dev up0 nud none managed
    neigh add 192.0.2.56 lladdr 02:00:00:00:00:01 dev lo nud permanent
    addr add 10.99.0.1 peer 10.99.0.2/24 dev up0 label up0:foo
    addr add 10.98.0.1/0 dev up0
    addr add 10.97.0.1 peer 0.0.0.0 dev up0
    addr add 239.1.1.1/32 dev up0 autojoin
    addr add 2001:db8:9::1 peer 2001:db8:9::2/64 dev up0
    link set up0 mtu 65535
    link property add dev up0 altname a-name-of-more-than-fifteen-bytes-that-begins-with-no-tw
    link add name tw"é<>|;'~ type veth peer name tw0123456789abc
    link set tw0123456789abc up alias a-container_eth0
    tuntap add tun7 mode tun"""
EXTRA = (  # which not every kernel can do
    "link add vx0 type vxlan id 5 dstport 4789",
    "link add mv0 link up0 type macvlan mode bridge",
    "-6 route add fd13::/64 encap seg6 mode encap segs fc00::1,fc00::2 dev up0",
    "-6 route add fd14::/64 encap seg6local action End dev up0",
)


def test_t37_whatever_a_node_holds_is_dumped_and_its_end_is_no_end_of_the_watch(real_world, eventually):
    kernel, events = real_world.kernel, []
    subscription = kernel.subscribe(events.append)
    try:
        for thing in THINGS.splitlines():
            real_world.run("ip", *thing.split())
        batch = "".join(f"{thing}\n" for thing in EXTRA)
        real_world.run("sh", "-c", "ip -force -batch - 2>/dev/null || true", text=batch)
        real_world.run("sh", "-c", "ip link set spare0 alias \"$(printf 'a\\377 eth0')\"")
        routes = {str(each.prefix): each for each in kernel.dump(FibRoute)}
        assert {name: str(routes[name].via) for name in ("10.1.0.0/16", "10.3.0.0/16", "10.6.0.0/16", "fd11::/64")} == {
            "10.1.0.0/16": "192.0.2.9",
            "10.3.0.0/16": "192.0.2.9",
            "10.6.0.0/16": "2001:db8::7",
            "fd11::/64": "2001:db8::9",
        }
        assert not routes.keys() & {"10.4.0.0/16", "10.8.0.0/16", "10.9.0.0/16", "fd15::/64"}
        assert routes["10.10.0.0/16"].table == 4_000_000_000
        assert {str(each.address) for each in kernel.dump(Neighbour, Where(link=UPLINK))} == {"192.0.2.51"}
        addresses = {(str(each.address), each.length) for each in kernel.dump(LinkAddress, Where(link=UPLINK))}
        assert addresses >= {("10.99.0.1", 24), ("10.98.0.1", 0), ("10.97.0.1", 32), ("2001:db8:9::1", 64)}
        links = {link.name: link for link in kernel.dump(Link)}
        assert (links["up0"].mtu, links["tun7"].mac, links["spare0"].ifindex) == (65535, b"", SPARE)
        with kernel._sockets.lend() as endpoint:
            assert link_conf.told(endpoint).keys() == links.keys()
        real_world.run("sysctl", "-q", "-w", "net.ipv4.nexthop_compat_mode=0")
        assert len(kernel.dump(FibRoute)) >= len(routes)
        real_world.run("ip", "nexthop", "flush")
        real_world.run("ip", "link", "delete", "tun7")
        marker = Rule(999, 254, proto=99)
        real_world.run("ip", "rule", "add", "pref", "999", "table", "254", "protocol", "99")
        real_world.run("ip", "rule", "delete", "pref", "999")
        eventually(lambda: any((each.what, each.item) == (Happening.RULE_REMOVED, marker) for each in events))
    finally:
        subscription.close()
    assert Address.parse("2001:db8::8") not in {each.item.via for each in events if isinstance(each.item, FibRoute)}
