"""The oracle's two ways to look at a kernel see the same: the kernel port, and iproute2 with nft."""

import json
import subprocess

import pytest

from terway_edge.core.addresses import Prefix
from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.core.plans import FibRoute, Rule
from terway_edge.testing.oracle import HostRoute, Neighbour, PodLink, PodRule, Sight, Source
from terway_edge.testing.oracle.nft import forward_targets, sources
from terway_edge.testing.oracle.sights import IP, of_port, parse
from tests.kernel.contract import ADD, NEAR, POD, UPLINK, address, change, plug

KEY = ("c1", "eth0")
NAME = link_name(KEY)
RULES = {PodRule(512, False, POD[4], 254), PodRule(2048, True, POD[4], 1010), PodRule(512, False, POD[6], 254)}


def iproute(host):
    """The outputs that `parse` takes, of a namespace."""
    commands = (["ip", "-n", host, *line.split()[1:]] for line in IP)
    return [subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands]


def plugged(world):
    """A pod with a rule of each kind, beside a route of ours that leads to no pod, and one of somebody else."""
    plug(world.kernel, world.create_netns(), POD[4], POD[6])
    four, six = address(POD[4]).host, address(POD[6]).host
    change(world.kernel, ADD, Rule(512, 254, dst=four), Rule(2048, 1010, src=four), Rule(512, 254, dst=six, family=6))
    change(world.kernel, ADD, FibRoute(Prefix.parse("10.77.0.0/24"), address(NEAR[4]), link=UPLINK))
    change(world.kernel, ADD, FibRoute(Prefix.parse("10.78.0.1/32"), link=UPLINK, proto=4))


def expected():
    mac = link_macs(KEY)[1].hex(":")
    return Sight(
        frozenset({PodLink(NAME, link_alias(KEY), True)}),
        frozenset({HostRoute(POD[4], NAME), HostRoute(POD[6], NAME)}),
        frozenset({Neighbour(POD[4], NAME, mac), Neighbour(POD[6], NAME, mac)}),
        frozenset(RULES),
    )


def test_the_port_tells_what_is_ours(world):
    plugged(world)
    assert of_port(world.kernel) == expected()


@pytest.mark.root
def test_iproute2_tells_the_same(real_world):
    plugged(real_world)
    assert parse(iproute(real_world._host)) == expected()


@pytest.mark.root
def test_both_see_a_link_that_is_down(real_world):
    plug(real_world.kernel, real_world.create_netns(), POD[4])
    subprocess.run(["ip", "-n", real_world._host, "link", "set", NAME, "down"], check=True)
    seen = parse(iproute(real_world._host))
    assert seen == of_port(real_world.kernel)
    assert seen.links == {PodLink(NAME, link_alias(KEY), False)}


def test_nothing_is_seen_where_nothing_is():
    nothing = Sight(frozenset(), frozenset(), frozenset())
    assert parse([""] * len(IP)) == nothing
    assert list(forward_targets("")) == []


def nft(*items):
    return json.dumps({"nftables": [{"metainfo": {}}, *items]})


def test_ports_of_the_node_lead_to_the_targets_of_its_maps():
    maps = [
        {"map": {"name": "ports4", "elem": [[{"concat": ["tcp", 80]}, {"concat": ["10.9.0.5", 8080]}]]}},
        {"map": {"name": "address_ports6", "elem": [[{"concat": ["fd00::1", "tcp", 80]}, {"concat": ["fd00::5", 1]}]]}},
        {"set": {"name": "hairpin4", "elem": [{"concat": ["10.9.0.6", "10.9.0.6"]}]}},
        {"map": {"name": "ports6"}},
    ]
    assert list(forward_targets(nft(*maps))) == ["10.9.0.5", "fd00::5"]


KNOWN = {"set": {"name": "sources4", "elem": [{"concat": [NAME, "02:00:00:00:00:01", "10.9.0.5"]}]}}
ASKS, ACCEPTS, DROPS = (
    {"rule": {"chain": chain, "expr": [{"counter": None}, {verdict: None}]}}
    for chain, verdict in (("pod_in", "goto"), ("pod", "accept"), ("pod", "drop"))
)


def test_sources_count_while_a_rule_asks_for_them_and_all_else_is_dropped():
    assert list(sources(nft(KNOWN, ACCEPTS, DROPS, ASKS))) == [Source("10.9.0.5", NAME, "02:00:00:00:00:01")]


@pytest.mark.parametrize("rules", [(), (ACCEPTS, DROPS), (ASKS,), (ACCEPTS, ASKS), (DROPS, ACCEPTS, ASKS)])
def test_sources_do_not_count_where_others_pass_as_well(rules):
    assert list(sources(nft(KNOWN, *rules))) == []


def test_settings_are_told_by_their_names():
    root = "/proc/sys/net/ipv4"
    text = f"{root}/ip_forward:1\n{root}/conf/{NAME}/rp_filter:0\n"
    assert parse([""] * len(IP), settings=text).settings == {"ip_forward": "1", f"{NAME}/rp_filter": "0"}
