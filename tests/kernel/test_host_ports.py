"""hostPort on the real kernel: real connections from outside, from the node, from pods, and what others may break."""

import errno

import pytest

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.errors import Conflict, KernelError
from terway_edge.core.host_ports import HostPorts
from terway_edge.core.models import PortMapping
from terway_edge.core.plans import Rule, Verb
from terway_edge.core.ports import Forward, Masquerade
from tests.kernel.port_world import NODE, OUTSIDE, PortWorld

pytestmark = pytest.mark.root

BOTH = (PortMapping(8080, 80), PortMapping(8080, 80, "udp"))
ALL = Masquerade((Prefix.parse("10.0.0.0/24"), Prefix.parse("fd00::/64")))


@pytest.fixture
def world(real_world):
    made = PortWorld(real_world)
    yield made
    made.close()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_port_of_the_node_leads_to_the_pod_from_everywhere(world, protocol, family):
    lease, pod = world.pod(5, *BOTH)
    other, other_pod = world.pod(6)
    listener = world.listen(pod, 80, protocol, family)
    node, outside = NODE[family == 6], OUTSIDE[family == 6]
    assert world.seen(world.outside, node, 8080, listener) == outside
    assert world.seen(world.node, node, 8080, listener) == node
    assert world.seen(other_pod, node, 8080, listener) == str(other.addresses[family == 6])
    assert world.seen(pod, node, 8080, listener) in (node, "192.0.2.2"), "its own packet comes back from the node"
    world.end(lease)
    assert world.hears_nothing(world.outside, node, 8080, listener)


def test_masquerading_pods_behind_the_node_and_their_ports_go_together(world):
    world.firewall.set_masquerade(ALL)
    lease, pod = world.pod(5, *BOTH)
    listener = world.listen(pod, 80)
    for masquerade in (ALL, Masquerade(ALL.sources[:1]), None, ALL):
        world.firewall.set_masquerade(masquerade)
        assert world.seen(world.outside, NODE[0], 8080, listener) == OUTSIDE[0]
        assert world.seen(pod, NODE[0], 8080, listener) in (NODE[0], "192.0.2.2")
        assert world.ports.check(lease) == []
    outside = world.listen(world.outside, 9000)
    assert world.seen(pod, OUTSIDE[0], 9000, outside) in (NODE[0], "192.0.2.2")


def test_a_host_ip_is_one_address_and_goes_before_others_ports(world):
    one, pod_one = world.pod(5, PortMapping(8080, 80, "tcp", Address.parse("192.0.2.2")))
    _, pod_two = world.pod(6, PortMapping(8080, 81, "tcp", Address.parse("192.0.2.1")))
    first, second = world.listen(pod_one, 80), world.listen(pod_two, 81)
    assert world.seen(world.outside, "192.0.2.2", 8080, first) == OUTSIDE[0]
    assert world.seen(world.outside, "192.0.2.1", 8080, second) == OUTSIDE[0]
    with pytest.raises(Conflict, match="c5"):
        world.pod(7, PortMapping(8080, 82))
    world.end(one)
    assert world.hears_nothing(world.outside, "192.0.2.2", 8080, first)


def test_an_unspecified_host_ip_is_every_address_of_its_family(world):
    _, pod = world.pod(5, PortMapping(8080, 80, "tcp", Address.parse("0.0.0.0")))
    four, six = world.listen(pod, 80), world.listen(pod, 81, family=6)
    assert world.seen(world.outside, "192.0.2.2", 8080, four) == OUTSIDE[0]
    assert world.hears_nothing(world.outside, NODE[1], 8080, six)


def test_only_what_is_sent_to_the_node_is_translated(world):
    _, pod = world.pod(5, *BOTH)
    _, other = world.pod(6)
    world.listen(pod, 80)
    elsewhere = world.listen(world.outside, 8080)
    assert world.seen(other, OUTSIDE[0], 8080, elsewhere) is not None, "another host's port is that host's"
    own = world.listen(world.node, 8080)
    assert world.seen(world.node, "127.0.0.1", 8080, own) == "127.0.0.1", "what the node tells itself stays there"
    own6 = world.listen(world.node, 8080, family=6)
    assert world.seen(world.node, "::1", 8080, own6) == "::1"
    direct = world.listen(other, 8080)
    assert world.seen(world.node, "10.0.0.6", 8080, direct) is not None, "as is another pod's"


def test_a_pod_that_leaves_by_another_link_sees_the_node_and_local_senders_as_they_are(world, real_world):
    real_world.foreign(Verb.ADD, Rule(2048, 254, src=Prefix.parse("10.0.0.5/32")))
    lease, pod = world.pod(5, *BOTH)
    _, other = world.pod(6)
    listener = world.listen(pod, 80)
    assert world.seen(world.outside, NODE[0], 8080, listener) in (NODE[0], "192.0.2.2")
    assert world.seen(other, NODE[0], 8080, listener) == "10.0.0.6"
    assert world.ports.check(lease) == []


def test_a_udp_flow_that_began_before_the_pod_reaches_it(world):
    world.pod(6, PortMapping(81, 81))  # from the first port on the node tracks connections
    client = world.socket(world.outside, "udp")
    client.connect((NODE[0], 8080))
    sink = world.listen(world.node, 8080, "udp")
    client.send(b"early")
    assert sink.recvfrom(9)[0] == b"early"
    _, pod = world.pod(5, *BOTH)
    listener = world.listen(pod, 80, "udp")
    client.send(b"late")
    assert listener.recvfrom(9)[0] == b"late"


# --- the table --------------------------------------------------------------------------------------------------------


def forwards(count, first=1000):
    """Of many kinds, each with another port and pod."""
    four, six = Address.parse("192.0.2.1"), Address.parse("2001:db8::1")
    for number in range(first, first + count):
        family = 4 if number % 2 else 6
        pod = Address(family, (10 << 24 if family == 4 else 0xFD << 120) + number)
        address = None if number % 3 else (four if family == 4 else six)
        yield Forward(("tcp", "udp", "sctp")[number % 3], number, address, pod, 65535 - number, number % 5 == 0)


def test_elements_say_to_nft_what_they_say_to_us(world):
    world.firewall.set_forwards(
        [
            Forward("tcp", 8080, None, Address.parse("10.0.0.5"), 80),
            Forward("udp", 53, Address.parse("192.0.2.1"), Address.parse("10.0.0.6"), 5353, True),
            Forward("sctp", 65535, None, Address.parse("fd00::5"), 1),
            Forward("tcp", 443, Address.parse("2001:db8::1"), Address.parse("fd00::6"), 8443, True),
        ]
    )
    listing = world.nft("list", "table", "inet", "terway_edge")
    for words in (
        "elements = { tcp . 8080 : 10.0.0.5 . 80 }",
        "elements = { 192.0.2.1 . udp . 53 : 10.0.0.6 . 5353 }",
        "elements = { 10.0.0.5 . 10.0.0.5,\n\t\t\t     10.0.0.6 . 10.0.0.6 }",
        "elements = { 10.0.0.6 . udp . 5353 }",
        "elements = { sctp . 65535 : fd00::5 . 1 }",
        "elements = { 2001:db8::1 . tcp . 443 : fd00::6 . 8443 }",
        "elements = { fd00::5 . fd00::5,\n\t\t\t     fd00::6 . fd00::6 }",
        "elements = { fd00::6 . tcp . 8443 }",
    ):
        assert words in listing
    script = "\n".join(line for line in listing.splitlines() if not line.startswith("#"))
    world.nft("-f", "-", text=f"delete table inet terway_edge\n{script}")
    assert world.nft("list", "table", "inet", "terway_edge") == listing, "the kernel has what nft would write"


def test_what_nft_adds_is_read_as_ours(world):
    world.firewall.set_forwards(forwards(1))
    world.nft("add element inet terway_edge ports4 { tcp . 9 : 10.0.0.9 . 90 }")
    assert world.firewall.forwards() == set(), "half a forward leads packets astray: what has one is damaged"
    world.nft("add element inet terway_edge hairpin4 { 10.0.0.9 . 10.0.0.9 }")
    stranger = Forward("tcp", 9, None, Address.parse("10.0.0.9"), 90)
    assert world.firewall.forwards() == {stranger, *forwards(1)}
    world.firewall.set_forwards(forwards(1))
    assert world.firewall.forwards() == set(forwards(1))
    assert "10.0.0.9" not in world.nft("list", "table", "inet", "terway_edge")


def test_a_thousand_ports_at_once_and_the_way_from_any_set_to_any_other(world):
    for wanted in (forwards(1000), forwards(1000, 1500), forwards(3, 1499), (), forwards(2)):
        wanted = frozenset(wanted)
        world.firewall.set_forwards(wanted)
        assert world.firewall.forwards() == wanted
    assert world.nft("list", "table", "inet", "terway_edge").count("elements") == 4 + 1


def test_no_ports_need_no_table(world):
    world.firewall.set_forwards(())
    assert world.firewall.forwards() == frozenset()
    assert not world.firewall.is_present()


def test_a_port_that_changes_its_pod_is_replaced_in_one_step(world):
    for target in ("10.0.0.5", "10.0.0.6"):
        world.firewall.set_forwards([Forward("tcp", 80, None, Address.parse(target), 80)])
    (forward,) = world.firewall.forwards()
    assert str(forward.to) == "10.0.0.6"


@pytest.mark.parametrize(
    "damage",
    [
        "flush ruleset",
        "flush table inet terway_edge",
        "flush chain inet terway_edge port",
        "flush set inet terway_edge hairpin4",
        "delete element inet terway_edge ports4 { tcp . 8080 }",
        "add rule inet terway_edge port_in accept",
        "add element inet terway_edge ports4 { * : 10.0.0.9 . 8 }",
        "add element inet terway_edge masked4 { * }",
    ],
)
def test_what_somebody_breaks_is_seen_and_mended(world, damage):
    lease, pod = world.pod(5, *BOTH)
    listener = world.listen(pod, 80)
    before = world.nft("list", "table", "inet", "terway_edge")
    world.nft(damage)
    assert world.ports.check(lease)
    assert world.ports.mend()
    assert world.ports.check(lease) == []
    assert world.ports.mend() == []
    assert world.nft("list", "table", "inet", "terway_edge") == before
    assert world.seen(world.outside, NODE[0], 8080, listener) == OUTSIDE[0]


@pytest.mark.parametrize("damage", ["flush ruleset", "add element inet terway_edge ports4 { tcp . 81 : 10.0.0.9 . 8 }"])
def test_what_somebody_broke_unseen_keeps_no_pod_from_starting_or_ending(world, damage):
    world.pod(5, *BOTH)
    world.nft(damage)
    lease, _ = world.pod(6, PortMapping(81, 81))
    assert world.ports.mend() == []
    world.nft("flush ruleset")
    world.end(lease)
    world.ports.mend()
    assert {forward.port for forward in world.firewall.forwards()} == {8080}


def test_a_new_process_finds_the_ports_open_and_the_rules_made_new(world):
    lease, pod = world.pod(5, *BOTH)
    stale, _ = world.pod(6, PortMapping(81, 81))
    world.restart()
    assert len(world.firewall.forwards()) == 6
    world.nft("flush chain inet terway_edge port_in")
    world.ports.restore([lease])
    assert {forward.to for forward in world.firewall.forwards()} == set(lease.addresses)
    assert world.seen(world.outside, NODE[0], 8080, world.listen(pod, 80)) == OUTSIDE[0]
    world.ports.close(stale)
    assert world.ports.mend() == []


def test_without_nft_only_pods_with_ports_are_refused(world, monkeypatch):
    lease, _ = world.pod(5, *BOTH)
    world.end(lease)
    world.firewall.remove()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("PATH", "/nowhere")
        with pytest.raises(KernelError, match="nft program is missing: install nftables; this pod has a host") as error:
            world.ports.open(lease)
        assert error.value.errno == errno.ENOENT
        with pytest.raises(KernelError, match=r"install nftables, or set masquerade\.enabled to false"):
            world.firewall.set_masquerade(ALL)
        world.firewall.set_masquerade(None)
        world.firewall.remove()
    assert world.nft("list", "ruleset") == ""


def test_of_our_table_nothing_stays_where_nothing_is_wanted(world):
    world.firewall.set_masquerade(ALL)
    world.firewall.set_masquerade(None)
    assert not world.firewall.is_present()
    world.pod(5, *BOTH)
    world.firewall.set_masquerade(ALL)
    world.firewall.set_masquerade(None)
    listing = world.nft("list", "table", "inet", "terway_edge")
    assert "chain port_in" in listing
    assert "postrouting {" not in listing
    assert "pods4" not in listing
    world.firewall.remove()
    assert world.nft("list", "ruleset") == ""


def test_ports_of_others_are_left_alone(world):
    world.nft("add table inet other\nadd map inet other ports4 { type inet_proto . inet_service : ipv4_addr; }")
    before = world.nft("list", "table", "inet", "other")
    lease, _ = world.pod(5, *BOTH)
    world.end(lease)
    world.firewall.remove()
    assert world.nft("list", "table", "inet", "other") == before


def test_a_second_firewall_of_the_same_table_is_no_harm(world):
    """As `terway-edge uninstall` is beside what the agent left."""
    lease, _ = world.pod(5, *BOTH)
    first = world.firewall
    world.restart()
    world.firewall.remove()
    assert first.forwards() == frozenset()
    assert HostPorts(world.kernel, first).check(lease)
