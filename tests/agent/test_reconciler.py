"""The loop from snapshots to advertisers: what starts a cycle, who is started, what is told, and what stays."""

import threading

import pluggy
import pytest

from terway_edge.agent.clock import BootClock
from terway_edge.agent.conditions import Conditions
from terway_edge.agent.reconciler import Reconciler
from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.config import Settings
from terway_edge.core.dispatcher import Dispatcher
from terway_edge.core.errors import Refused
from terway_edge.core.hookspecs import PROJECT, Hooks, hookimpl
from terway_edge.core.models import Node, Uplink
from terway_edge.core.ports import Problem, Snapshot
from terway_edge.testing import RecordedEvents
from tests.agent.rig import WAIT, eventually
from tests.core.bgp_peers import make_peer

UPLINK = Uplink(2, "up0", 1500, ((Address.parse("192.0.2.1"), 24),), why="a test")
EDGE = {"alibabacloud.com/is-edge-worker": "true", "alibabacloud.com/nodepool-id": "np"}


def node(number, labels=EDGE, address=None):
    address = address or f"192.0.2.{number}"
    return Node(f"n{number}", labels, (Address.parse(address),), (Prefix.parse(f"10.{number}.0.0/24"),))


def cluster(*numbers, **options):
    return Snapshot(tuple(node(number) for number in numbers), **options)


class Advertiser:
    """A backend that remembers; `errors` are raised by start, one per call."""

    def __init__(self):
        self.started, self.errors, self.sets, self.cycles, self.go = [], [], [], 0, threading.Event()
        self.go.set()

    @hookimpl
    def terway_edge_start(self, view):
        if self.errors:
            raise self.errors.pop()
        self.started.append(view.node.name)

    @hookimpl
    def terway_edge_advertise(self, routes, view):
        assert self.go.wait(WAIT)
        self.sets.append((sorted(str(route.prefix) for route in routes.routes), routes.in_sync))

    @hookimpl
    def terway_edge_cycle_done(self):
        self.cycles += 1


class World:
    def __init__(self, node_name="n1", clock=None, **settings):
        self.plugin = Advertiser()
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(Hooks)
        manager.register(self.plugin, name="flannel_route")
        self.events, self.uplink, self.looked, self.pools_dropped = RecordedEvents(), UPLINK, 0, 0
        self.conditions = Conditions(self.events)
        self.reconciler = Reconciler(
            Settings(node_name=node_name, **settings),
            Dispatcher(manager, lambda *failure: None),
            self._find,
            self._drop_pools,
            self.conditions,
            clock or BootClock(),
        )

    def _drop_pools(self):
        self.pools_dropped += 1

    def _find(self, snapshot):
        self.looked += 1
        if isinstance(self.uplink, Exception):
            raise self.uplink
        return self.uplink

    def run(self, snapshot):
        self.reconciler.run_once(snapshot)
        assert self.reconciler.settle(WAIT)

    @property
    def last(self):
        return self.plugin.sets[-1]


@pytest.fixture
def world():
    made = World()
    yield made
    made.plugin.go.set()
    made.reconciler.stop()


@pytest.fixture
def running(world):
    world.run(cluster(1, 2))
    world.reconciler.start()
    return world


def test_the_first_cycle_starts_the_backend_and_advertises_the_whole_set(world):
    world.run(cluster(1, 2, 3))
    assert world.plugin.started == ["n1"]
    assert world.last == (["10.2.0.0/24", "10.3.0.0/24"], True)
    assert world.reconciler.node().why_not == ""
    assert world.reconciler.active == ["flannel_route"]


def test_an_incomplete_listing_is_advertised_as_such(world):
    world.run(cluster(1, 2, in_sync=False))
    assert world.last == (["10.2.0.0/24"], False)


def test_a_change_is_advertised_and_an_equal_snapshot_is_not(running):
    cycles = running.plugin.cycles
    running.reconciler.set_snapshot(cluster(1, 2))
    running.reconciler.set_snapshot(cluster(1, 2, 3))
    eventually(lambda: running.last[0] == ["10.2.0.0/24", "10.3.0.0/24"])
    running.reconciler.set_snapshot(cluster(1, 2, 3))
    running.reconciler.set_snapshot(cluster(1, 3))
    eventually(lambda: running.last[0] == ["10.3.0.0/24"])
    assert running.plugin.cycles == cycles + 2
    assert len(running.plugin.sets) == 3


def test_a_burst_is_one_cycle_or_few(running):
    cycles = running.plugin.cycles
    for number in range(3, 60):
        running.reconciler.set_snapshot(cluster(1, *range(2, number + 1)))
    eventually(lambda: len(running.last[0]) == 58)
    assert running.plugin.cycles - cycles <= 3


def test_poking_compares_again_though_nothing_changed(running):
    sets = len(running.plugin.sets)
    running.reconciler.poke()
    eventually(lambda: len(running.plugin.sets) == sets + 1)
    assert running.looked == 2


def test_a_slow_advertiser_delays_no_cycle_and_sees_the_newest_only(running):
    running.plugin.go.clear()
    running.reconciler.poke()
    cycles = running.plugin.cycles
    for number in (3, 4, 5):
        running.reconciler.set_snapshot(cluster(1, number))
        cycles += 1
        eventually(lambda: len(running.reconciler.routes.routes) == 1)
        eventually(lambda number=number: str(running.reconciler.routes.routes[0].prefix) == f"10.{number}.0.0/24")
    running.plugin.go.set()
    assert running.reconciler.settle(WAIT)
    assert running.last[0] == ["10.5.0.0/24"]
    assert ["10.4.0.0/24"] not in [routes for routes, _ in running.plugin.sets]


def test_a_node_that_is_gone_keeps_its_routes_but_takes_no_pods(running):
    running.reconciler.set_snapshot(cluster(2))
    eventually(lambda: running.reconciler.view is None)
    assert "set node_name" in running.reconciler.node().why_not
    assert running.last[0] == ["10.2.0.0/24"]
    eventually(lambda: "NotReady" in running.events.reasons("n1"))
    running.reconciler.set_snapshot(cluster(1, 2))
    eventually(lambda: running.reconciler.node().why_not == "")
    eventually(lambda: "NotReadyResolved" in running.events.reasons("n1"))


def test_a_node_to_be_skipped_says_so(world):
    world.run(Snapshot((node(1, {**EDGE, "k8s.aliyun.com/ignore-by-terway": "true"}),)))
    assert "labelled to be skipped" in world.reconciler.node().why_not
    assert world.plugin.started == []


def test_a_backend_that_cannot_start_is_told_and_tried_again(world):
    world.plugin.errors = [Refused("no driver")]
    world.run(cluster(1))
    assert world.reconciler.node().why_not == "plugin flannel_route cannot start: no driver"
    assert world.reconciler.active == []
    assert world.plugin.sets == []
    world.run(cluster(1))
    assert world.reconciler.node().why_not == ""
    assert world.plugin.started == ["n1"]


def test_a_backend_that_is_not_loaded_is_named(world):
    world.run(Snapshot((node(1, {}),)))
    assert "needs backend 'terway', which is not loaded" in world.reconciler.node().why_not


def test_the_last_uplink_stays_in_force_while_there_is_none(running):
    running.uplink = Refused("no link to use")
    running.reconciler.poke()
    eventually(lambda: "NoUplink" in running.events.reasons())
    assert running.reconciler.view.uplink == UPLINK
    assert running.last[0] == ["10.2.0.0/24"]
    running.uplink = UPLINK
    running.reconciler.poke()
    eventually(lambda: "NoUplinkResolved" in running.events.reasons())


def test_a_node_that_gets_another_address_has_its_uplink_looked_for_again(running):
    other = Uplink(3, "up1", 1500, ((Address.parse("198.51.100.1"), 24),), why="a test")
    running.uplink = other
    running.reconciler.set_snapshot(Snapshot((node(1, address="198.51.100.1"), node(2))))
    eventually(lambda: running.reconciler.view.uplink == other)


def test_conditions_are_told_once_when_they_come_and_once_when_they_go(running):
    wrong = Snapshot((node(1), node(2, address="203.0.113.2")), (Problem("x.yaml", "is no YAML"),))
    running.reconciler.set_snapshot(wrong)
    eventually(lambda: "NoGateway" in running.events.reasons("n2"))
    running.reconciler.poke()
    eventually(lambda: running.looked >= 2)
    running.reconciler.set_snapshot(cluster(1, 2))
    eventually(lambda: "NoGatewayResolved" in running.events.reasons("n2"))
    reasons = running.events.reasons()
    assert reasons.count("NoGateway") == reasons.count("InvalidObject") == reasons.count("InvalidObjectResolved") == 1


def test_peers_are_judged_with_all_nodes_once_these_are_known(world):
    peers = (make_peer("a", localSpeakers=["n2", "n1"]), make_peer("b", localSpeakers=["n1", "n2", "n9"]))
    world.run(cluster(1, in_sync=False)._replace(peers=peers))
    assert world.events.reasons("BGPPeer/a") == [], "n2 may still come"
    world.run(cluster(1, 2)._replace(peers=peers))
    assert world.events.reasons("BGPPeer/a") == []
    assert world.events.reasons("BGPPeer/b") == ["SpeakerNotFound", "Conflict"]
    world.run(cluster(1, 2)._replace(peers=peers[:1]))
    assert world.events.reasons("BGPPeer/b")[2:] == ["SpeakerNotFoundResolved", "ConflictResolved"]


LOST = make_peer("lost", localSpeakers=["n8", "n9"])
HELD = make_peer("held", localSpeakers=["n3", "n2"], localAsNumber=65535)
WRONG = (Problem("x.yaml: BGPPeer/new: spec.peerIP", "is missing"), Problem("BGPPeer/held: spec", "is no mapping"))


@pytest.mark.parametrize("source", ["manifests", "api"])
def test_several_agents_make_one_event_of_what_is_wrong_with_a_bgppeer(source):
    """And all of them have it among their conditions."""
    worlds = [World(node_name=f"n{number}", cluster={"source": source}) for number in (1, 2, 3)]
    try:
        for world in worlds:
            world.run(cluster(1, 2, 3)._replace(peers=(LOST, HELD), problems=WRONG))
        told = [sorted((event.reason, event.subject) for event in world.events.seen) for world in worlds]
        mine = [("InvalidObject", "BGPPeer/held: spec"), ("PeerWarning", "BGPPeer/held")]
        substitutes = [("InvalidObject", "x.yaml: BGPPeer/new: spec.peerIP"), ("SpeakerNotFound", "BGPPeer/lost")]
        assert told == [substitutes if source == "manifests" else [], [], mine]
        assert len({world.conditions.all() for world in worlds}) == 1
        assert len(worlds[0].conditions.all()) == 4
        for world in worlds:
            world.run(cluster(1, 2, 3)._replace(peers=(HELD,), problems=WRONG[:1]))
        assert [world.events.reasons()[len(before) :] for world, before in zip(worlds, told, strict=True)] == [
            ["SpeakerNotFoundResolved"] if source == "manifests" else [], [], ["InvalidObjectResolved"],
        ]  # fmt: skip
    finally:
        for world in worlds:
            world.reconciler.stop()


def test_who_becomes_the_first_speaker_tells_of_what_stands(world):
    """Whoever told before is not there to do it any more."""
    world.run(cluster(1, 2)._replace(peers=(make_peer("a", localSpeakers=["n2", "n1", "n9"]),)))
    assert world.events.reasons("BGPPeer/a") == []
    world.run(cluster(1)._replace(peers=(make_peer("a", localSpeakers=["n2", "n1", "n9"]),)))
    assert world.events.reasons("BGPPeer/a") == ["SpeakerNotFound"]


def test_a_peer_that_changes_starts_a_cycle_and_its_gateway_leads_to_other_lans(running):
    far = Snapshot((node(1), node(2, {**EDGE, "alibabacloud.com/nodepool-id": "far"})))
    running.reconciler.set_snapshot(far)
    eventually(lambda: "NoGateway" in running.events.reasons("n2"))
    running.reconciler.set_snapshot(far._replace(peers=(make_peer(gateway="192.0.2.254", localSpeakers=["n1", "n2"]),)))
    eventually(lambda: [str(route.next_hop) for route in running.reconciler.routes.routes] == ["192.0.2.254"])


def test_cross_domain_cidrs_are_routed():
    world = World(routes={"gateway": ["192.0.2.254"], "cross_domain_cidrs": ["172.16.0.0/12"]})
    try:
        world.run(cluster(1))
        assert world.last == (["172.16.0.0/12"], True)
    finally:
        world.reconciler.stop()


def test_a_deselected_advertiser_withdraws_everything():
    world = World()
    try:
        world.run(cluster(1, 2))
        world.run(Snapshot((node(1, {"alibabacloud.com/ens-instance-id": "i-1"}), node(2))))
        assert world.last == ([], True)
        assert world.pools_dropped == 1, "the old backend's pools must not be in the new one's way"
    finally:
        world.reconciler.stop()


def test_a_node_without_advertisers_wants_no_routes_and_misses_no_gateway(world):
    """A cloud node: its network knows where the pods of the edge are."""
    cloud = node(1, labels={})._replace(pod_cidrs=())
    far = node(2, address="198.51.100.2")
    world.run(Snapshot((cloud, far)))
    assert (world.reconciler.routes.routes, world.reconciler.routes.in_sync) == ((), True)
    assert [condition.reason for condition in world.reconciler.routes.conditions] == []


def test_a_backend_that_serves_again_is_started_again():
    """Its pools were dropped when another one took over."""
    world = World(node_pools=({"selector": "pool=other", "backend": "other", "advertisers": ["flannel_route"]},))
    try:
        for labels in (EDGE, {**EDGE, "pool": "other"}, EDGE):
            world.run(Snapshot((node(1, labels), node(2))))
        assert world.plugin.started == ["n1", "n1"]
    finally:
        world.reconciler.stop()


def test_an_advertiser_of_an_earlier_life_withdraws_everything():
    world = World()
    try:
        world.run(Snapshot((node(1, {"alibabacloud.com/ens-instance-id": "i-1"}), node(2))))
        eventually(lambda: world.last == ([], True))
    finally:
        world.reconciler.stop()


def test_stop_ends_every_thread(running):
    running.reconciler.stop()
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"reconciler", "advertiser-flannel_route"})


def test_stop_leaves_an_advertiser_that_hangs_to_itself(running):
    running.plugin.go.clear()
    running.reconciler.poke()
    eventually(lambda: not running.reconciler.settle(0))
    assert not running.reconciler.stop(0.05)
    running.plugin.go.set()
    assert running.reconciler.stop()


def test_a_cycle_that_fails_is_not_the_last(running, caplog):
    running.uplink = RuntimeError("the kernel's surprise")
    running.reconciler.poke()
    eventually(lambda: "the kernel's surprise" in caplog.text)
    running.uplink = UPLINK
    running.reconciler.set_snapshot(cluster(1, 3))
    eventually(lambda: running.last[0] == ["10.3.0.0/24"])


def test_a_config_map_that_changes_lets_what_could_not_start_try_again():
    world = World()
    world.plugin.errors = [Refused("the configuration is wrong")]
    world.reconciler.run_once(cluster(1))
    assert "the configuration is wrong" in world.reconciler.node().why_not
    assert world.reconciler.config_map("eni-config") is None
    world.reconciler.start()
    world.reconciler.set_snapshot(cluster(1, config_maps={"eni-config": {"eni_conf": "{}"}}))
    assert eventually(lambda: world.plugin.started == ["n1"])
    assert world.reconciler.config_map("eni-config") == {"eni_conf": "{}"}
    world.reconciler.stop()


def test_what_a_failed_cycle_was_about_is_not_forgotten(caplog):
    """No other change need ever come."""
    world = World(routes={"resync_seconds": 1})
    try:
        world.run(cluster(1, 2))
        world.reconciler.start()
        world.uplink = RuntimeError("the kernel's surprise")
        world.reconciler.poke()
        world.reconciler.set_snapshot(cluster(1, 3))
        eventually(lambda: "the kernel's surprise" in caplog.text)
        world.uplink = Uplink(3, "up1", 1500, ((Address.parse("192.0.2.1"), 24),), why="a test")
        eventually(lambda: world.last[0] == ["10.3.0.0/24"])
        assert world.reconciler.view.uplink == world.uplink, "it was to look at links again"
    finally:
        world.reconciler.stop()


class Interrupting(BootClock):
    """Has something done when it is asked for the time, once."""

    def __init__(self):
        self.work = None

    def now(self):
        work, self.work = self.work, None
        if work is not None:
            work()
        return super().now()


def test_a_change_that_comes_as_a_comparison_is_about_to_begin_is_seen():
    clock = Interrupting()
    world = World(clock=clock, routes={"resync_seconds": 1})
    try:
        world.run(cluster(1, 2))
        # Asked next when the period is over, before the last wait.
        clock.work = lambda: world.reconciler.set_snapshot(cluster(1, 3))
        world.reconciler.start()
        eventually(lambda: clock.work is None)
        eventually(lambda: world.last[0] == ["10.3.0.0/24"])
    finally:
        world.reconciler.stop()


def test_an_advertiser_that_comes_while_others_are_waited_for_does_no_harm():
    pools = ({"selector": "alibabacloud.com/is-edge-worker=true", "backend": "flannel_route",
              "advertisers": ["flannel_route", "late"]},)  # fmt: skip
    world, late = World(node_pools=pools), Advertiser()
    late.errors = [Refused("its port is taken")]
    world.reconciler._dispatcher._manager.register(late, name="late")
    settled = []
    try:
        world.plugin.go.clear()
        world.reconciler.run_once(cluster(1, 2))
        waiting = threading.Thread(target=lambda: settled.append(world.reconciler.settle(WAIT)))
        waiting.start()
        assert eventually(lambda: world.reconciler._mailboxes["flannel_route"]._busy)
        world.reconciler.run_once(cluster(1, 3))
        assert late.started == ["n1"]
        world.plugin.go.set()
        waiting.join(WAIT)
        assert settled == [True]
    finally:
        world.plugin.go.set()
        world.reconciler.stop()


def test_a_node_that_is_gone_and_comes_back_with_another_backend_changes_it():
    """As one does that is deleted and registers anew with other labels."""
    world = World(node_pools=({"selector": "pool=other", "backend": "other", "advertisers": ["flannel_route"]},))
    try:
        for labels in (EDGE, {**EDGE, "pool": "other"}, EDGE):
            world.run(Snapshot((node(1, labels), node(2))))
            world.run(cluster(2))
            assert world.reconciler.view is None
        assert world.pools_dropped == 2
        assert world.plugin.started == ["n1", "n1"]
    finally:
        world.reconciler.stop()


def test_a_node_that_is_gone_and_comes_back_as_it_was_keeps_its_pools(world):
    for numbers in ((1, 2), (2,), (1, 2)):
        world.run(cluster(*numbers))
    assert world.pools_dropped == 0
    assert world.plugin.started == ["n1"]
