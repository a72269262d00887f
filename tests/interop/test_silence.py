"""A speaker or a switch that falls silent without closing its connection."""

from __future__ import annotations

import signal

import pytest

from terway_edge.backends.bgp.wish import Wish
from tests.interop import places
from tests.interop.stage import REBORN, Stage, knows, pod_routes, spec_of, wait_for_routes, wait_for_stale
from tests.interop.switches import DIALLING, Kind
from tests.interop.waiting import throughout, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

PEER, SPEAKER = places.SWITCH[0], places.node(1)[0]


def test_s29_a_frozen_speaker_keeps_its_routes_with_the_n_bit(stage: Stage) -> None:
    """RFC 8538, which BIRD does not have."""
    spec, routes = spec_of(hold_time=3), pod_routes()
    switch, speaker = stage.switch("frr", spec), stage.announce(Wish(spec, routes))
    stage.wait_for_kernel(routes)
    monitor, pings = stage.monitor(), stage.pings(places.pod(3)[0])
    speaker.freeze()
    wait_for_stale(switch, routes)
    throughout(1, lambda: knows(switch, routes), "the routes are kept")
    speaker.thaw()
    until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    speaker.wait_settled()
    assert monitor.deleted() == []
    assert pings.end().lost == 0


def test_s29_a_frozen_speaker_loses_its_routes_without_the_n_bit(stage: Stage, kind: Kind) -> None:
    spec, routes = spec_of(hold_time=3, notification=False), pod_routes()
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, routes))
    assert not speaker.state(PEER).has_notification
    speaker.freeze()
    until(lambda: not switch.paths(4) and not switch.paths(6), "the switch forgets everything", timeout=6)
    speaker.thaw()
    wait_for_routes(switch, routes)
    assert speaker.edges()[1].was_established


def test_s27_a_frozen_switch_is_noticed_at_the_end_of_the_hold_time(stage: Stage, kind: Kind) -> None:
    spec, routes = spec_of(hold_time=3), pod_routes()
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, routes))
    stage.signal(switch, signal.SIGSTOP)
    edge = speaker.wait_failure("HoldTimerExpired", timeout=5)
    assert (edge.code, edge.subcode, edge.received, edge.was_established) == (4, 0, False, True)
    assert PEER in edge.message
    assert "3 s" in edge.message
    stage.signal(switch, signal.SIGCONT)
    speaker.wait_settled(timeout=10)
    wait_for_routes(switch, routes)


def test_s29_a_speaker_whose_death_nobody_heard_of_takes_its_session_over(stage: Stage, kind: Kind) -> None:
    """A node that lost its power and is back: the switch still believes in the old connection."""
    spec, routes = spec_of(), pod_routes()
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, routes))
    stage.wait_for_kernel(routes)
    monitor, pings = stage.monitor(), stage.pings(places.pod(3)[0])
    stage.mute(stage.site.nodes[1])
    speaker.kill()
    throughout(0.5, lambda: switch.sessions() == {SPEAKER: "Established"}, "the switch heard nothing")
    stage.announce(Wish(spec, routes, rebirth=REBORN), timeout=5)
    assert switch.sessions() == {SPEAKER: "Established"}
    until(lambda: knows(switch, routes) and not switch.stale(4), "everything is known anew")
    pings.wait_for(500)
    assert pings.end().lost == 0
    assert monitor.deleted() == []


def test_s29_a_switch_whose_death_nobody_heard_of_takes_its_session_over(stage: Stage, kind: Kind) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch(kind, spec, extra=DIALLING)
    speaker = stage.announce(Wish(spec, routes), listen_port=179)
    stage.mute(stage.site.switch)
    stage.signal(switch, signal.SIGKILL)
    switch.stop()
    assert [edge.reason for edge in speaker.edges()] == [""]
    switch.start()
    switch.wait_ready()
    until(lambda: speaker.state(PEER).flaps == 1, "the speaker believes the new connection")
    speaker.wait_settled()
    wait_for_routes(switch, routes)
