"""The advertiser's hooks: from what the cluster says to what a switch knows, and to what people see of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from terway_edge.backends.bgp.backend import Bgp
from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.messages import Notification
from terway_edge.backends.bgp.parting import DECONFIGURED, HARD_RESET
from terway_edge.core.addresses import Address
from terway_edge.core.config import Settings
from terway_edge.core.models import RouteSet, StopReason
from terway_edge.core.secret import Secret
from terway_edge.testing import FakeKernel, RecordedEvents, RecordedStatuses
from terway_edge.testing.bgp_switch import FakeSwitch
from terway_edge.testing.harness import make_context
from tests.bgp.clusters import AUTH, SWITCH, bare, node, peer, view
from tests.bgp.nodes import (
    DESELECTED,
    NO_PEER,
    OURS,
    PASSWORD,
    PREFIXES,
    THREE,
    VIEW,
    BgpNode,
    known,
)
from tests.bgp.scenes import Scene

RESET = Notification(Code.CEASE, Cease.RESET)


# --- the ordinary life ------------------------------------------------------------------------------------------------


def test_what_the_cluster_says_is_what_the_switch_knows(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    assert known(switch) == PREFIXES
    assert {path.med for path in switch.paths.values()} == {0}
    node_.advertise(view(THREE[:2], peer()))
    assert known(switch) == {str(prefix) for each in THREE[:2] for prefix in each.pod_cidrs}
    assert len(switch.opens) == 1


def test_the_same_again_changes_nothing(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    heard, writes = len(switch.heard), len(node_.statuses.writes)
    for _ in range(3):
        node_.advertise(VIEW)
    assert (len(switch.heard), len(node_.statuses.writes)) == (heard, writes)


def test_a_session_is_seen_everywhere(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    assert node_.events.reasons("BGPPeer/lan-a") == ["Established"]
    entry = node_.status["lan-a"]
    assert (entry["state"], entry["prefixesAnnounced"], entry["speaker"]) == ("Established", 6, "n1")
    assert node_.report.in_sync
    assert node_.report.details == {"sessions": 1, "established": 1, "prefixes": 6}
    assert node_.query("peers")["peers"][0]["state"] == "Established"
    registry = CollectorRegistry()
    node_.plugin.terway_edge_metrics(registry)
    labels = {"peer": "lan-a", "speaker": "n1", "address": "192.0.2.1"}
    assert registry.get_sample_value("terway_edge_bgp_session_up", labels) == 1
    assert switch.is_established


def test_a_loss_is_seen_everywhere_and_so_is_its_end(node_: BgpNode, world: Scene, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    switch.stop(RESET)
    world.settle()
    entry = node_.status["lan-a"]
    assert (entry["state"], entry["flaps"]) == ("Idle", 1)
    assert entry["lastError"].startswith("CeaseAdminReset: ")
    assert node_.reasons == ["CeaseAdminReset"]
    assert not node_.report.in_sync
    world.advance(2)
    assert node_.events.reasons() == ["Established", "SessionLost", "Established"]
    entry = node_.status["lan-a"]
    assert (entry["state"], entry["lastError"], node_.reasons) == ("Established", "", [])


def test_a_session_that_flaps_is_told_in_the_end_without_any_news(
    node_: BgpNode, world: Scene, switch: FakeSwitch
) -> None:
    node_.advertise(VIEW)
    for _ in range(8):
        switch.stop(RESET)
        world.advance(2)
    assert len(node_.events.seen) == 10
    world.advance(60)
    assert node_.events.seen[-1].reason == "Established"
    assert "were not told" in node_.events.seen[-1].message


def test_silence_on_the_link_is_suspected_to_be_a_password(node_: BgpNode, world: Scene) -> None:
    world.network.silent.add(SWITCH)
    node_.advertise(VIEW)
    world.advance(5)
    assert node_.reasons == ["AuthSuspected"]
    (event,) = node_.events.seen
    assert (event.reason, "AuthSuspected" in event.message) == ("FailedEstablish", True)


def test_what_stands_in_the_way_is_told(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(view([node(1), bare(node(2))], peer()))
    assert node_.reasons == ["NotAnnounced", "NotAnnounced"]
    assert known(switch) == {"10.1.1.0/24", "fd00:1:0:1::/64"}


# --- selected or not --------------------------------------------------------------------------------------------------


def test_where_bgp_is_not_selected_nothing_is_started(node_: BgpNode) -> None:
    node_.advertise(DESELECTED)
    assert (node_.speakers, node_.on_disk) == ([], None)
    assert node_.report.in_sync
    assert node_.query("peers") == {"peers": []}
    node_.plugin.terway_edge_stop(StopReason.UPGRADE)
    node_.plugin.terway_edge_stop(StopReason.UNINSTALL)


@pytest.mark.parametrize("after", [DESELECTED, NO_PEER], ids=["deselected", "BGPPeer deleted"])
def test_a_node_that_speaks_no_more_takes_leave(
    node_: BgpNode, switch: FakeSwitch, after: object, world: Scene
) -> None:
    node_.advertise(VIEW)
    node_.advertise(after)  # type: ignore[arg-type]
    assert (switch.paths, switch.notifications) == ({}, [HARD_RESET])
    assert (node_.on_disk, node_.status) == (None, {})
    world.advance(100)
    assert node_.status == {}
    assert node_.query("routes") == {"routes": []}


@pytest.mark.parametrize("after", [DESELECTED, NO_PEER], ids=["deselected", "BGPPeer deleted"])
def test_a_node_that_lost_its_peer_while_the_agent_was_away_takes_leave(
    node_: BgpNode, switch: FakeSwitch, after: object
) -> None:
    node_.advertise(VIEW)
    node_.die()
    node_.advertise(after, in_sync=False)  # type: ignore[arg-type]
    assert known(switch) == PREFIXES
    node_.die()
    node_.advertise(after)  # type: ignore[arg-type]
    assert (switch.paths, switch.notifications) == ({}, [DECONFIGURED])
    assert (node_.on_disk, node_.status) == (None, {})


def test_a_peer_of_another_address_is_a_new_one(node_: BgpNode, world: Scene, switch: FakeSwitch) -> None:
    other = world.switch(replace(OURS, address=Address.parse("192.0.2.2")))
    node_.advertise(VIEW)
    node_.advertise(view(THREE, peer(peerIP="192.0.2.2")))
    assert (switch.paths, known(other)) == ({}, PREFIXES)
    assert node_.status["lan-a"]["state"] == "Established"
    assert [row["address"] for row in node_.query("peers")["peers"]] == ["192.0.2.2"]


class _Meanwhile(dict[object, Secret]):
    """Secrets that change what the cluster says while they are read."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = happens

    def get(self, *_: object) -> Secret:
        self._happens()
        return PASSWORD


def test_an_object_of_another_name_takes_over_session_and_status(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    node_.advertise(view(THREE, peer("renamed")))
    assert (node_.status.keys(), len(switch.opens)) == ({"renamed"}, 1)
    assert node_.on_disk["body"][1][0]["name"] == "renamed"


def test_a_peer_deleted_and_created_again_at_once_is_remembered(node_: BgpNode, world: Scene) -> None:
    """The plan that wants it again is made before the speaker hears of the plan that does not."""
    node_.advertise(VIEW)
    secrets = _Meanwhile(lambda: node_.plugin.terway_edge_advertise(RouteSet(), VIEW))
    other = peer("other", peerIP="192.0.2.2", authPassword=AUTH)
    node_.advertise(replace(view(THREE, other), secrets=secrets))
    assert {remembered["address"] for remembered in node_.on_disk["body"][1]} == {"192.0.2.1"}
    switch = world.switch(OURS)
    world.advance(5)
    assert known(switch) == PREFIXES
    assert node_.status["lan-a"]["state"] == "Established"


def test_a_peer_that_is_being_left_has_no_status_any_more(node_: BgpNode, world: Scene, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    world.network.silent.add(SWITCH)
    switch.drop()
    node_.advertise(NO_PEER)
    before = len(node_.statuses.writes)
    world.advance(100)
    assert len(node_.statuses.writes) == before
    world.network.silent.clear()
    world.advance(30)
    assert (node_.status, switch.paths) == ({}, {})


# --- as the agent builds it -------------------------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Bgp]:
    settings = Settings(node_name="n1", state_dir=tmp_path)
    made = Bgp(make_context(FakeKernel(), settings=settings, events=RecordedEvents(), statuses=RecordedStatuses()))
    yield made
    made.terway_edge_stop(StopReason.UPGRADE)


def test_the_plugin_has_a_thread_of_its_own_while_it_is_needed(real: Bgp) -> None:
    before = threading.active_count()
    real.terway_edge_advertise(RouteSet(), DESELECTED)
    assert threading.active_count() == before
    real.terway_edge_advertise(RouteSet(), NO_PEER)
    assert threading.active_count() == before + 1
    real.terway_edge_stop(StopReason.UPGRADE)
    assert threading.active_count() == before
