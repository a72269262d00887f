"""The advertiser over restarts, mistakes and its end: what a switch must not lose, and what it must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from terway_edge.backends.bgp import memory
from terway_edge.backends.bgp.errors import Cease, Code
from terway_edge.backends.bgp.messages import Notification
from terway_edge.backends.bgp.parting import DECONFIGURED
from terway_edge.core.errors import Retry
from terway_edge.core.models import StopReason
from terway_edge.core.secret import Secret
from terway_edge.testing.bgp_switch import FakeSwitch
from tests.agent.rig import InThread
from tests.bgp.clusters import AUTH, SWITCH, bare, node, peer, view
from tests.bgp.nodes import (
    OURS,
    PASSWORD,
    PREFIXES,
    SECRET_GONE,
    THREE,
    VIEW,
    WITH_SECRET,
    BgpNode,
    known,
)
from tests.bgp.scenes import Scene, announcement

# --- restarts ---------------------------------------------------------------------------------------------------------


def test_an_upgrade_says_nothing_and_costs_nothing(node_: BgpNode, switch: FakeSwitch, world: Scene) -> None:
    """R8."""
    node_.advertise(VIEW)
    node_.stop()
    assert (switch.notifications, len(switch.stale)) == ([], 6)
    world.advance(120)
    node_.die()
    node_.advertise(VIEW, in_sync=False)
    node_.advertise(VIEW)
    restart = switch.opens[-1].capabilities.graceful_restart
    assert (restart.restarting, len(restart.forwarding)) == (True, 2)
    assert (switch.lost, switch.stale) == ([], set())


def test_two_crashes_before_the_cluster_is_read_cost_nothing(node_: BgpNode, switch: FakeSwitch, world: Scene) -> None:
    """R1: without what is remembered there would be no session; with it, the whole set is told before End-of-RIB."""
    node_.advertise(VIEW)
    for _ in range(3):
        node_.die()
        node_.advertise(view([node(1)]), in_sync=False)
        world.advance(20)
        assert node_.reasons == ["RoutesHeld"]
    assert switch.lost == []
    assert known(switch) == PREFIXES
    assert {path.med for path in switch.paths.values()} == {100}


def test_a_peer_whose_object_cannot_be_read_stays_and_is_left_once_it_is_known_to_be_gone(
    node_: BgpNode, switch: FakeSwitch, world: Scene
) -> None:
    node_.advertise(VIEW)
    node_.die()
    node_.advertise(replace(view(THREE), peers_in_sync=False))
    world.advance(20)
    assert known(switch) == PREFIXES
    assert switch.lost == []
    node_.advertise(view(THREE))
    assert known(switch) == set()


def test_without_memory_and_without_a_listing_there_is_no_session(
    node_: BgpNode, switch: FakeSwitch, world: Scene
) -> None:
    node_.advertise(VIEW, in_sync=False)
    world.advance(100)
    assert (switch.opens, node_.reasons) == ([], ["RoutesHeld"])
    assert "not connecting" in node_.query("explain", "10.1.2.0/24")["rows"][0]["why"]
    node_.advertise(VIEW)
    assert known(switch) == PREFIXES


def test_a_cluster_that_is_still_coming_up_takes_nothing_away_for_five_minutes(
    node_: BgpNode, switch: FakeSwitch, world: Scene
) -> None:
    many = [node(number) for number in range(1, 9)]
    node_.advertise(view(many, peer()))
    node_.die()
    node_.advertise(view(many[:2], peer()))
    assert len(switch.paths) == 16
    assert node_.reasons == ["RoutesHeld"]
    found = node_.query("explain", "10.1.8.0/24")
    assert "10.1.8.0/24 of node n8 stays announced to 192.0.2.1" in found["why_not"]
    world.advance(299)
    assert len(switch.paths) == 16
    world.advance(1)  # nobody says anything new
    assert len(switch.paths) == 4
    assert node_.reasons == []


def test_after_a_reboot_the_switch_is_told_so_once(node_: BgpNode, switch: FakeSwitch) -> None:
    """R5; and the next crash of the agent is no reboot."""
    node_.advertise(VIEW)
    _as_of_another_boot(node_)
    node_.die()
    node_.advertise(VIEW)
    assert switch.opens[-1].capabilities.graceful_restart.forwarding == ()
    switch.lost.clear()
    node_.die()
    node_.advertise(VIEW)
    assert len(switch.opens[-1].capabilities.graceful_restart.forwarding) == 2
    assert switch.lost == []


def _as_of_another_boot(node_: BgpNode) -> None:
    saved = memory.load(node_.state_dir)
    memory.save(node_.state_dir, saved._replace(boot_id="another"))


def test_what_is_announced_is_on_disk_first(node_: BgpNode, world: Scene, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    assert len(node_.on_disk["body"][1][0]["routes"]) == 6
    node_.advertise(view([*THREE, node(4)], peer()))
    assert len(node_.on_disk["body"][1][0]["routes"]) == 6  # flash wears out
    world.advance(5)
    node_.advertise(view([*THREE, node(4)], peer()))
    assert len(node_.on_disk["body"][1][0]["routes"]) == 8


def test_an_upgrade_writes_what_waited(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    node_.advertise(view([*THREE, node(4)], peer()))
    node_.stop()
    assert len(node_.on_disk["body"][1][0]["routes"]) == 8


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_secret_that_is_missing_after_a_restart_takes_nothing_away(world: Scene, node_: BgpNode) -> None:
    switch = world.switch(OURS, password=PASSWORD)
    node_.advertise(WITH_SECRET)
    assert known(switch) == PREFIXES
    node_.die()
    node_.advertise(SECRET_GONE)
    assert (switch.lost, switch.stale, node_.reasons) == ([], set(), ["SecretMissing"])
    node_.advertise(view([*THREE, node(4)], peer(authPassword=AUTH)))
    assert "10.1.4.0/24" in known(switch)


def test_without_its_secret_a_new_peer_has_no_session(node_: BgpNode, switch: FakeSwitch, world: Scene) -> None:
    node_.advertise(SECRET_GONE)
    world.advance(10)
    assert (switch.opens, node_.reasons) == ([], ["SecretMissing"])
    assert "Secret kube-system/bgp" in node_.query("explain", "10.1.2.0/24")["rows"][0]["why"]


def test_a_node_that_loses_its_address_keeps_its_session(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    node_.advertise(view([bare(node(1)), *THREE[1:]], peer()))
    assert (switch.lost, "NoInternalIP" in node_.reasons) == ([], True)


def test_an_entry_of_an_earlier_life_goes_if_there_is_no_session_now(node_: BgpNode, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    node_.die()
    (node_.state_dir / "bgp.json").unlink()
    node_.advertise(SECRET_GONE)
    assert node_.status == {}


class _Unreadable(dict[object, Secret]):
    def get(self, *_: object) -> Secret:
        raise RuntimeError("a mistake in planning")


def test_a_mistake_in_planning_is_told_and_stops_no_session(
    node_: BgpNode, switch: FakeSwitch, world: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    node_.advertise(VIEW)
    broken = replace(view(THREE[:1], peer(authPassword=AUTH)), secrets=_Unreadable())
    node_.advertise(broken)
    assert node_.reasons == ["BGPFailed"]
    assert "a mistake in planning; the sessions go on as they are" in node_.report.conditions[0].message
    assert "Traceback" in caplog.text
    world.advance(300)
    assert (switch.lost, len(switch.opens)) == ([], 1)
    node_.advertise(VIEW)
    assert node_.reasons == []


def test_a_full_disk_is_told_and_stops_nothing(
    node_: BgpNode, switch: FakeSwitch, caplog: pytest.LogCaptureFixture
) -> None:
    (node_.state_dir / "bgp.json.tmp").mkdir()  # what cannot be overwritten stands for what cannot be written
    node_.advertise(VIEW)
    node_.advertise(view([*THREE, node(4)], peer()))
    assert len(switch.paths) == 8
    assert node_.reasons == ["BGPMemoryFailed"]
    assert caplog.text.count("cannot be written") == 1
    (node_.state_dir / "bgp.json.tmp").rmdir()
    node_.advertise(VIEW)
    assert (node_.reasons, node_.on_disk is not None) == ([], True)


def test_too_many_prefixes_are_a_condition(world: Scene, tmp_path: Path, switch: FakeSwitch) -> None:
    made = BgpNode(world, tmp_path, max_received_prefixes=2)
    made.advertise(VIEW)
    switch.send(announcement(3))
    world.settle()
    assert (made.reasons, switch.is_established) == (["TooManyPrefixes"], True)


def test_too_many_prefixes_end_the_session_where_that_is_set(world: Scene, tmp_path: Path, switch: FakeSwitch) -> None:
    made = BgpNode(world, tmp_path, max_received_prefixes=2, on_max_received="cease")
    made.advertise(VIEW)
    switch.send(announcement(3))
    world.settle()
    assert switch.notifications == [Notification(Code.CEASE, Cease.MAX_PREFIXES)]
    assert made.events.reasons() == ["Established", "SessionLost"]


# --- uninstallation ---------------------------------------------------------------------------------------------------


def uninstall(made: BgpNode) -> Exception | None:
    """In a thread, as it waits for what the scene brings about."""
    call = InThread(lambda: made.plugin.terway_edge_stop(StopReason.UNINSTALL))
    while call.running:
        made.world.settle()
    return call.join()


@pytest.mark.parametrize("in_the_agent", [True, False], ids=["in the agent", "in a process of its own"])
def test_an_uninstallation_takes_leave_of_every_peer(
    node_: BgpNode, switch: FakeSwitch, world: Scene, in_the_agent: bool
) -> None:
    node_.advertise(VIEW)
    if not in_the_agent:
        node_.die()
    assert uninstall(node_) is None
    assert (switch.paths, switch.stale, node_.on_disk, node_.status) == ({}, set(), None, {})
    assert switch.notifications == [DECONFIGURED]
    assert list(node_.state_dir.iterdir()) == []


def test_a_peer_that_cannot_be_told_is_named(node_: BgpNode, world: Scene, switch: FakeSwitch) -> None:
    node_.advertise(VIEW)
    node_.die()
    world.network.silent.add(SWITCH)
    error = uninstall(node_)
    assert isinstance(error, Retry)
    assert str(error).startswith("192.0.2.1 could not be told")
    assert node_.on_disk is None
