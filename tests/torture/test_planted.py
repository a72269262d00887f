"""The oracle names what is planted in a real kernel, a real store and real books: no invariant can be broken unseen.

The agent is stopped while a plant is there and is seen, so that it cannot mend it first.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from terway_edge.agent.records import Released, encode
from terway_edge.core.names import link_alias, link_macs, link_name
from terway_edge.lab.layout import Layout
from terway_edge.lab.processes import Processes, new_token
from terway_edge.lab.teardown import tear_down
from terway_edge.testing.oracle import check
from terway_edge.testing.oracle.node import NodeReader
from terway_edge.torture import others
from terway_edge.torture.books import Books
from terway_edge.torture.catalogue import catalogue
from terway_edge.torture.cloudy import CloudyNode
from terway_edge.torture.edge import FICKLE, EdgeNode
from terway_edge.torture.judging import Judge
from terway_edge.torture.kubelet import Kubelet
from terway_edge.torture.script import Act

pytestmark = [pytest.mark.root, pytest.mark.slow]

STRANGE, PORT, TABLE = "10.64.4.14", 30001, "inet terway_edge"
GONE = ("c" * 64, "eth0")


class Tortured:
    """A node with two pods, of which the first has a port of the node."""

    def __init__(self, make, kind):
        self.layout = Layout(f"twt-{os.getpid()}-{kind}", Path(f"/run/terway-edge-test-{os.getpid()}-{kind}"))
        self.layout.root.mkdir(mode=0o700)
        self.kubelet = None
        token = new_token(self.layout)
        self.node = make(self.layout, Processes(token), token)

    def start(self):
        self.node.build()
        self.node.agent.start()
        self.node.agent.wait_ready()
        self.judge = Judge(self.node)
        assert self.judge.settle(20.0)[1] == []
        self.kubelet = Kubelet(self.node)
        self.pods = [self.kubelet.start_pod(slot, port) for slot, port in ((0, PORT), (1, 0))]
        assert self.judge.settle(20.0)[1] == []

    def close(self):
        if self.kubelet:
            self.kubelet.voices.close()
        for name in ("agent", "_switch", "cloud"):
            if process := getattr(self.node, name, None):
                (process.kill if name == "agent" else process.stop)()
        tear_down(self.layout)
        self.layout.root.rmdir()

    def told(self):
        return list(map(str, check(self.node.look())))

    def told_while(self, plant, undo):
        """What the oracle says of a kernel in which a stranger has done that."""
        node = self.node
        node.agent.freeze()
        try:
            assert node.run(*plant) == ""
            shown = node.reader.show()
            assert node.run(*undo) == ""
        finally:
            node.agent.signal(signal.SIGCONT)
        return list(map(str, check(node.judge(shown))))

    def words(self):
        """What plants are made of: links, MACs and IPv4 addresses of both pods."""
        found = {"GONE": link_name(GONE), "ALIAS": link_alias(GONE), "STRANGE": STRANGE, "TABLE": TABLE}
        for name, pod in zip("AB", self.pods, strict=True):
            found[f"LINK{name}"], found[f"MAC{name}"] = link_name(pod.key), link_macs(pod.key)[1].hex(":")
            [found[f"IP{name}"]] = [address for address in pod.addresses if ":" not in address]
        return found


def made(make, kind):
    tortured = Tortured(make, kind)
    try:
        tortured.start()
        yield tortured
        assert tortured.judge.settle(20.0)[1] == []
    finally:
        tortured.close()


@pytest.fixture(scope="module")
def edge():
    yield from made(EdgeNode, "edge")


@pytest.fixture(scope="module")
def cloud():
    yield from made(lambda *parts: CloudyNode("cloud", *parts), "cloud")


PLANTS = {
    "a route is missing": (
        "route to {IPA}",
        "ip route del {IPA} dev {LINKA}",
        "ip route add {IPA} dev {LINKA} proto 158",
    ),
    "a neighbour has another MAC": (
        "neighbour entry of {IPA}",
        "ip neighbour replace {IPA} lladdr {MACB} dev {LINKA} nud permanent",
        "ip neighbour replace {IPA} lladdr {MACA} dev {LINKA} nud permanent",
    ),
    "a link has no alias": (
        "I2 {KEYA}: link {LINKA} is missing",
        "ip link set {LINKA} alias ''",
        "ip link set {LINKA} alias '{ALIASA}'",
    ),
    "a pod may not send": (
        "permission to send from {IPA}",
        "nft delete element {TABLE} sources4 {{ {LINKA} . {MACA} . {IPA} }}",
        "nft add element {TABLE} sources4 {{ {LINKA} . {MACA} . {IPA} }}",
    ),
    "the node does not forward": (
        "setting ip_forward = 0 is wrong",
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
    ),
    "a pod's link believes redirects": (
        "setting {LINKA}/accept_redirects = 1 is wrong",
        "echo 1 > /proc/sys/net/ipv4/conf/{LINKA}/accept_redirects",
        "echo 0 > /proc/sys/net/ipv4/conf/{LINKA}/accept_redirects",
    ),
    "a link of no lease": (
        "I4 link {GONE}",
        "ip link add {GONE} type veth peer name planted; ip link set {GONE} alias '{ALIAS}'",
        "ip link del {GONE}",
    ),
    "a link that was not finished": (
        "I4 link {GONE}",
        "ip link add {GONE} type veth peer name planted",
        "ip link del {GONE}",
    ),
    "a route of no lease": (
        "I4 route to {STRANGE}",
        "ip route add {STRANGE} dev {LINKA} proto 158",
        "ip route del {STRANGE}",
    ),
    "a neighbour of no lease": (
        "I4 neighbour entry of {STRANGE}",
        "ip neighbour add {STRANGE} lladdr {MACA} dev {LINKA} nud permanent",
        "ip neighbour del {STRANGE} dev {LINKA}",
    ),
    "a rule of no lease": (
        "I4 rule 2048",
        "ip rule add from {STRANGE} table 77 priority 2048 protocol 158",
        "ip rule del from {STRANGE} table 77 priority 2048 protocol 158",
    ),
    "a permission of no lease": (
        "I4 permission to send of {STRANGE}",
        "nft add element {TABLE} sources4 {{ {LINKA} . {MACA} . {STRANGE} }}",
        "nft delete element {TABLE} sources4 {{ {LINKA} . {MACA} . {STRANGE} }}",
    ),
    "another MAC may use a pod's address": (
        "I4 permission to send of {IPA}",
        "nft add element {TABLE} sources4 {{ {LINKA} . {MACB} . {IPA} }}",
        "nft delete element {TABLE} sources4 {{ {LINKA} . {MACB} . {IPA} }}",
    ),
    "a port leads to a pod that wanted none": (
        "I4 port of the node that nobody wanted: about {IPB}",
        "nft add element {TABLE} ports4 {{ tcp . 31999 : {IPB} . 80 }}",
        "nft delete element {TABLE} ports4 {{ tcp . 31999 }}",
    ),
    "a port leads nowhere": (
        "I4 port of the node: about {STRANGE}",
        "nft add element {TABLE} ports4 {{ tcp . 31999 : {STRANGE} . 80 }}",
        "nft delete element {TABLE} ports4 {{ tcp . 31999 }}",
    ),
    "the port of a pod is closed": (
        "port of the node for {IPA}",
        "nft delete element {TABLE} ports4 {{ tcp . 30001 }}",
        "nft add element {TABLE} ports4 {{ tcp . 30001 : {IPA} . 80 }}",
    ),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_planted_in_the_kernel_is_named(edge, plant):
    words = edge.words()
    words |= {"KEYA": "/".join(edge.pods[0].key), "ALIASA": link_alias(edge.pods[0].key)}
    named, *lines = (text.format(**words) for text in PLANTS[plant])
    told = edge.told_while(*([line] for line in lines))
    assert any(named in each for each in told), told


def test_rules_that_let_everybody_pass_are_named(edge):
    told = edge.told_while(["nft add rule inet terway_edge pod accept"], ["true"])
    assert any("I2 " in each and "anti-spoofing" in each for each in told), told
    assert edge.judge.settle(10.0)[1] == []


def test_ways_to_a_pod_are_all_that_a_del_has_to_take_away(cloud):
    pod = cloud.pods[0]
    [address] = pod.addresses
    kinds = {what for what, about in cloud.node.reader.ways() if about == address}
    assert kinds == {"route", "rule", "permission to send", "port of the node"}


ACTS = (
    ("DEL stopped halfway", ""),
    ("ADD of a name that is taken", ""),
    ("SIGKILL to the agent with a lease written", ""),
    ("path of a namespace gone for a while", ""),
    ("somebody deletes a pod's link", "for a while"),
    ("somebody removes", "settings of a pod's link"),
)


@pytest.mark.parametrize(("name", "detail"), ACTS)
def test_a_sound_agent_passes_and_no_act_is_in_vain(cloud, monkeypatch, name, detail):
    monkeypatch.setattr(others, "ROUNDS", 0.0)
    case, kubelet = catalogue("cloud")[name], cloud.kubelet
    kubelet.complaints.clear()
    case.run(kubelet, Act(1, name, detail, 5, (0.9, 0.9, 0.9, 0.9)))
    assert (kubelet.complaints, kubelet.in_vain) == ([], "")
    assert cloud.judge.settle(case.limit, by_itself=case.is_alone)[1] == []


def test_two_links_that_lead_to_one_address_are_named(edge):
    words, kubelet = edge.words(), edge.kubelet
    told = edge.told_while(["ip route append {IPA} dev {LINKB} proto 158 metric 7".format(**words)], ["true"])
    assert f"I1 {words['IPA']}: the kernel's routes" in told[0]
    kubelet.stop_pod(edge.pods[1])  # with its link
    edge.pods[1] = kubelet.start_pod(1)
    assert edge.judge.settle(10.0)[1] == []


def test_an_address_that_two_pods_were_told_is_named(edge):
    edge.node.books.slots[2] = ghost = edge.node.books.new_pod()
    ghost.addresses = edge.pods[0].addresses
    told = edge.told()
    del edge.node.books.slots[2]
    assert any(each.startswith("I1 ") and "the runtime gave it" in each for each in told), told


def test_an_address_that_a_pod_lost_inside_is_named(edge):
    pod = edge.pods[1]
    for address in sorted(pod.addresses):
        length = 128 if ":" in address else 32
        line = ["ip", "-n", pod.netns, "address", "{}", f"{address}/{length}", "dev", "eth0"]
        edge.node.processes.must([part.format("del") for part in line])
        told = edge.told()
        edge.node.processes.must([part.format("add") for part in line])
        assert any(each.startswith("I2 ") and "inside" in each for each in told), told
        assert edge.judge.settle(5.0)[1] == []


def test_a_connection_of_a_dead_pod_is_named(edge):
    edge.node.books.told.add(STRANGE)
    one = f"-p udp --src {STRANGE} --dst 192.0.2.1 --sport 5 --dport 6"
    told = edge.told_while([f"conntrack -I {one} --timeout 60"], [f"conntrack -D {one}"])
    assert any(each.startswith("I4 tracked connection") for each in told), told


def test_a_lease_that_no_runtime_knows_is_named(edge):
    pod = edge.node.books.slots.pop(1)
    told = edge.told()
    edge.node.books.slots[1] = pod
    assert any(each.startswith("I3 ") for each in told), told


def test_a_live_pod_without_a_lease_is_named(edge):
    edge.node.books.slots[2] = ghost = edge.node.books.new_pod()
    told = edge.told()
    del edge.node.books.slots[2]
    assert f"I2 {'/'.join(ghost.key)}: a live attachment without a lease" in told[0]


@pytest.mark.parametrize("changes", [{"free": 1}, {"used": 1, "free": -1}, {"size": -1}])
def test_a_pool_that_does_not_add_up_is_named(edge, changes):
    def ask(query):
        answer = edge.node.agent.ask(query)
        for pool in answer.get("pools", [])[:1]:
            for field, by in changes.items():
                pool[field] += by
        return answer

    node = edge.node
    reader = NodeReader(node.host.netns, node.agent.state_dir, ask, node.processes)
    leases = reader.leases()
    told = list(map(str, check(reader.picture(leases, (), reader.show()))))
    assert any(each.startswith("I5 ") for each in told), told


def test_a_cidr_that_its_node_lost_is_named_until_it_is_withdrawn(edge):
    node = edge.node
    node.turn_neighbour()
    assert edge.judge.settle(10.0)[1] == []
    node._there ^= {FICKLE}  # as if nothing had gone
    told = edge.told()
    node._there ^= {FICKLE}
    assert any(each.startswith("I6 ") and "owned and not advertised" in each for each in told), told
    node.turn_neighbour()
    assert edge.judge.settle(10.0)[1] == []


@pytest.mark.parametrize(
    ("planted", "named"),
    [(lambda pod: encode(Released(pod.key, 1.0)), "the store says nothing"), (lambda _: b"torn", "cut off")],
)
def test_a_store_that_says_something_else_is_named(edge, planted, named):
    journal = edge.node.journal
    size = journal.stat().st_size
    with journal.open("ab") as file:
        file.write(planted(edge.pods[0]))
    told = edge.told()
    os.truncate(journal, size)
    assert any(each.startswith("I8 ") and named in each for each in told), told


def test_an_address_that_was_leased_until_just_now_does_not_rest_yet():
    books = Books("x")
    pod = books.new_pod()
    books.granted(pod, '{"ips": [{"address": "10.0.0.2/32"}]}')
    books.given_back(pod, time.monotonic() - 100)  # the namespace went, nobody told the agent
    books.seen({pod.key: frozenset({"10.0.0.2"})}, time.monotonic())
    books.granted(books.new_pod(), '{"ips": [{"address": "10.0.0.2/32"}]}')
    assert books.reuses[0].distance < 1


@pytest.mark.parametrize(
    ("named", "plant", "undo"),
    [
        (
            "I4 rule 2048 with table 77",
            "ip rule add from {IPA} table 77 priority 2048 protocol 158",
            "ip rule del from {IPA} table 77 priority 2048 protocol 158",
        ),
        (
            "rule 512 of {IPA}",
            "ip rule del to {IPA} priority 512",
            "ip rule add to {IPA} table main priority 512 protocol 158",
        ),
    ],
)
def test_a_rule_that_leads_to_another_eni_is_named(cloud, named, plant, undo):
    words = cloud.words()
    told = cloud.told_while([plant.format(**words)], [undo.format(**words)])
    assert any(named.format(**words) in each for each in told), told
