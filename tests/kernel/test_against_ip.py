"""ip(8) as the judge: what we apply is what it shows, what it makes is what we dump."""

from __future__ import annotations

import json
import subprocess

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.plans import (
    COVER_METRIC,
    HOST,
    Change,
    FibRoute,
    Link,
    LinkAddress,
    Neighbour,
    Plan,
    RouteKind,
    Rule,
    Shaping,
    Step,
    Verb,
    Where,
)
from tests.kernel.conftest import UPLINK
from tests.kernel.pods import pod

pytestmark = pytest.mark.root


@pytest.fixture(params=["packed", "pyroute2"])
def made(request):
    from tests.kernel.conftest import RealWorld

    world = RealWorld(request.param)
    yield world
    world.close()


def shown(world, *words, netns=None, program="ip"):
    enter = ["nsenter", f"--net={netns or f'/run/netns/{world._host}'}"]
    return json.loads(subprocess.run([*enter, program, "-d", "-j", *words], capture_output=True, check=True).stdout)


def add(world, *items, verb=Verb.ADD):
    world.kernel.apply(Plan((Step(HOST, tuple(Change(verb, item) for item in items)),), atomic=verb is Verb.ADD))


def test_veth_is_as_planned(made):
    netns = made.create_netns()
    _, plan = pod(1, netns)
    made.kernel.apply(plan)
    veth = plan.steps[0].changes[0].item
    (near,) = shown(made, "link", "show", "dev", veth.name)
    (far,) = shown(made, "link", "show", "dev", "eth0", netns=netns)
    assert (near["ifindex"], near["address"], near["mtu"]) == (veth.link, veth.mac.hex(":"), 1400)
    assert (far["ifindex"], far["address"], far["mtu"]) == (veth.peer_link, veth.peer_mac.hex(":"), 1400)
    assert (near["ifalias"], near["linkinfo"]["info_kind"]) == (veth.alias, "veth")
    assert far["inet6_addr_gen_mode"] == "none"
    assert "UP" in near["flags"]
    assert "LOWER_UP" in far["flags"]


ROUTES = [
    (FibRoute(Prefix.parse("10.1.0.0/16"), Address.parse("192.0.2.9"), UPLINK), {"gateway": "192.0.2.9"}),
    (FibRoute(Prefix.parse("10.2.0.0/16"), link=UPLINK, metric=77), {"scope": "253", "metric": 77}),
    (FibRoute(Prefix.parse("10.3.0.0/16"), link=UPLINK, src=Address.parse("192.0.2.1")), {"prefsrc": "192.0.2.1"}),
    (FibRoute(Prefix.parse("10.4.0.0/16"), link=UPLINK, table=100_000), {"table": "100000"}),
    (FibRoute(Prefix.parse("10.5.0.0/16"), Address.parse("203.0.113.1"), UPLINK, onlink=True), {"flags": ["onlink"]}),
    (
        FibRoute(Prefix.parse("10.6.0.0/16"), kind=RouteKind.UNREACHABLE, metric=COVER_METRIC),
        {"type": "7", "metric": COVER_METRIC},
    ),
    (FibRoute(Prefix.parse("0.0.0.0/0"), Address.parse("192.0.2.9"), UPLINK), {"dst": "default"}),
    (FibRoute(Prefix.parse("2001:db8:1::/48"), Address.parse("2001:db8::9"), UPLINK), {"gateway": "2001:db8::9"}),
    (FibRoute(Prefix.parse("2001:db8:2::/48"), link=UPLINK), {"metric": 1024}),
    (FibRoute(Prefix.parse("2001:db8:5::/48"), Address.parse("fe80::1"), UPLINK, onlink=True), {"flags": ["onlink"]}),
    (
        FibRoute(Prefix.parse("2001:db8:6::/48"), kind=RouteKind.UNREACHABLE, metric=COVER_METRIC),
        {"type": "7", "metric": COVER_METRIC},
    ),
    (FibRoute(Prefix.parse("2001:db8:7::/48"), link=UPLINK, table=1007), {"table": "1007"}),
]


@pytest.mark.parametrize(("route", "fields"), ROUTES, ids=lambda value: str(getattr(value, "prefix", "")))
def test_route_is_shown_dumped_and_removed(made, route, fields):
    add(made, route)
    command = [f"-{route.prefix.family}", "-N", "route", "show", "table", "all", "proto", "158"]
    (entry,) = shown(made, *command)
    assert {name: entry[name] for name in fields} == fields
    assert made.kernel.dump(FibRoute, Where(proto=158)) == [route]
    assert made.kernel.dump(FibRoute, Where(proto=158, table=route.table, family=route.prefix.family)) == [route]
    add(made, route, verb=Verb.REMOVE)
    add(made, route, verb=Verb.REMOVE)
    assert shown(made, *command) == []


def test_neighbour_rule_and_address(made):
    neighbour = Neighbour(UPLINK, Address.parse("192.0.2.50"), b"\2\0\0\0\0\5")
    rules = [
        Rule(512, 254, dst=Prefix.parse("10.1.2.3/32")),
        Rule(2048, 70_000, src=Prefix.parse("fd00::5/128"), family=6),
    ]
    address = LinkAddress(UPLINK, Address.parse("2001:db8::77"), 64)
    add(made, neighbour, address, *rules)
    (entry,) = shown(made, "neigh", "show", "192.0.2.50", "dev", "up0")
    assert (entry["lladdr"], entry["state"]) == ("02:00:00:00:00:05", ["PERMANENT"])
    ours = [
        rule for family in "46" for rule in shown(made, f"-{family}", "-N", "rule", "show") if rule["protocol"] == "158"
    ]
    assert [(rule["priority"], rule.get("dst"), rule.get("src"), rule["table"]) for rule in ours] == [
        (512, "10.1.2.3", "all", "254"),
        (2048, None, "fd00::5", "70000"),
    ]
    infos = shown(made, "addr", "show", "dev", "up0")[0]["addr_info"]
    (info,) = [info for info in infos if info["local"] == "2001:db8::77"]
    assert (info["prefixlen"], info.get("nodad"), info.get("tentative")) == (64, True, None)
    assert made.kernel.dump(Rule, Where(proto=158)) == rules
    assert neighbour in made.kernel.dump(Neighbour, Where(link=UPLINK))
    assert address in made.kernel.dump(LinkAddress, Where(link=UPLINK, family=6))


def test_shaping(made):
    rate, burst = 5_000_000_000, 100_000  # 40 Gbit/s do not fit in 32 bits of bytes
    for wanted in (rate // 1000, rate):
        add(made, Shaping(UPLINK, wanted, burst, 2 * burst), verb=Verb.REPLACE)
        (qdisc,) = shown(made, "qdisc", "show", "dev", "up0", program="tc")
        assert (qdisc["kind"], qdisc["root"], qdisc["options"]["rate"]) == ("tbf", True, wanted)
        shown_burst = int(qdisc["options"]["burst"].partition("b")[0])
        assert shown_burst == pytest.approx(burst, abs=wanted // 1_000_000 + 1)  # tc(8) counts in microseconds


def test_foreign_multipath_route_is_dumped_with_its_first_hop(made):
    made._ip("route add 10.8.0.0/16 nexthop via 192.0.2.8 nexthop via 192.0.2.9\n", HOST)
    (route,) = made.kernel.dump(FibRoute, Where(proto=3))
    assert (route.via, route.link) == (Address.parse("192.0.2.8"), UPLINK)


def test_dump_of_nothing_is_empty(made):
    for family in (4, 6):
        assert made.kernel.dump(FibRoute, Where(table=4711, family=family)) == []
    assert made.kernel.dump(FibRoute, Where(link=4711)) == []
    assert made.kernel.dump(Link, Where(link=4711)) == []
    assert made.kernel.dump(LinkAddress, Where(link=4711)) == []
    assert made.kernel.dump(Neighbour, Where(link=4711)) == []
