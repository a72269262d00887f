"""From a snapshot to what concerns one node: the others, BGPPeers in force, passwords of its own sessions only."""

from terway_edge.agent.view import Members, node_view
from terway_edge.core.addresses import Prefix
from terway_edge.core.bgp_peer import SecretRef
from terway_edge.core.models import Member, Node, Selection
from terway_edge.core.ports import Snapshot
from terway_edge.core.secret import Secret
from tests.core.bgp_peers import make_peer

NODES = tuple(Node(f"node-{number}", {}, (), ()) for number in (1, 2, 3))


def ref(key):
    return SecretRef(name="s", key=key)


def peer(name, speakers, **changes):
    auth = {"secretKeyRef": {"name": "s", "key": name}}
    return make_peer(name, localSpeakers=speakers, **{"authPassword": auth, **changes})


def view_of(name, *peers, known="abc"):
    secrets = {ref(key): Secret(key.encode()) for key in known}
    return node_view(name, Snapshot(NODES, peers=peers, secrets=secrets), None)


def test_a_node_sees_all_peers_and_the_passwords_of_its_own_sessions():
    peers = (peer("a", ["node-1", "node-2"]), peer("b", ["node-2"], peerIP="172.16.0.2"))
    assert [view_of(node.name, *peers).peers for node in NODES] == [peers] * 3
    assert [set(view_of(node.name, *peers).secrets) for node in NODES] == [{ref("a")}, {ref("a"), ref("b")}, set()]
    assert view_of("node-1", *peers).secrets[ref("a")] == Secret(b"a")


def test_of_two_rivals_the_speaker_sees_the_first_alone():
    view = view_of("node-2", peer("b", ["node-2", "node-3"]), peer("a", ["node-1", "node-2"]))
    assert [(each.name, each.spec.local_speakers) for each in view.peers] == [
        ("a", ("node-1", "node-2")),
        ("b", ("node-3",)),
    ]
    assert set(view.secrets) == {ref("a")}


def test_a_password_that_is_missing_is_absent_and_never_empty():
    assert view_of("node-1", peer("a", ["node-1"]), known="").secrets == {}
    assert view_of("node-1", peer("a", ["node-1"], authPassword=None)).secrets == {}


def test_a_password_that_changes_makes_another_view_and_is_not_shown():
    first, same = (view_of("node-1", peer("a", ["node-1"])) for _ in range(2))
    assert first == same
    snapshot = Snapshot(NODES, peers=first.peers, secrets={ref("a"): Secret(b"hunter2")})
    second = node_view("node-1", snapshot, None)
    assert second != first
    assert "hunter2" not in repr(second)


def test_a_view_of_a_cached_cluster_is_another_one_than_that_of_a_live_one():
    cached, live = (node_view("node-1", Snapshot(NODES, is_live=is_live), None) for is_live in (False, True))
    assert (cached.is_live, live.is_live) == (False, True)
    assert cached != live


class Asked:
    """A plugin's hook; `lan` is what it says of every node."""

    def __init__(self):
        self.lan, self.names = "a", []

    def __call__(self, node):
        self.names.append(node.name)
        return Selection("flannel_route", ("bgp",), self.lan)


def pod_node(number):
    return Node(f"node-{number}", {}, (), (Prefix.parse(f"10.64.{number}.0/24"),))


def test_of_thousands_of_nodes_only_those_that_changed_are_looked_at_again():
    hook = Asked()
    members = Members("node-1", hook=hook)
    one, two, three = map(pod_node, (1, 2, 3))
    first = members.of((one, two, three), ())
    assert first == (Member(two, "a"), Member(three, "a"))
    assert hook.names == ["node-2", "node-3"]
    four, hook.names = pod_node(4), []
    another = two._replace(labels={"k8s.aliyun.com/ignore-by-terway": "true"})
    assert members.of((one, another, three, four), ()) == (Member(three, "a"), Member(four, "a"))
    assert hook.names == ["node-4"]
    assert members.of((one, two), ()) == (Member(two, "a"),)
    assert members.of((one, two, three), ()) == first


def test_what_is_known_of_nodes_holds_for_the_same_links_until_it_is_to_be_forgotten():
    hook, nodes, link = Asked(), tuple(map(pod_node, (1, 2))), (Prefix.parse("192.0.2.0/24"),)
    members = Members("node-1", hook=hook)
    members.of(nodes, link)
    hook.lan = "b"
    assert members.of(nodes, link) == (Member(nodes[1], "a"),)
    assert members.of(nodes, ()) == (Member(nodes[1], "b"),)
    hook.lan = "c"
    members.forget()
    assert members.of(nodes, ()) == (Member(nodes[1], "c"),)
