"""A speaker that is not wanted any more leaves nothing behind, however it was told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.peer_spec import Rebirth
from terway_edge.backends.bgp.wish import Wish
from terway_edge.lab.routers import Router
from tests.interop import places
from tests.interop.stage import Stage, pod_routes, spec_of, wait_for_routes, wait_for_stale
from tests.interop.switches import Kind, daemon_log
from tests.interop.waiting import until

pytestmark = pytest.mark.root

PEER, SPEAKER = places.SWITCH[0], places.node(1)[0]
FAREWELL = Rebirth(restarting=True, is_farewell=True)


def wait_until_empty(stage: Stage, switch: Router) -> None:
    until(
        lambda: not switch.paths(4) and not switch.paths(6), lambda: f"no route is left: {switch.paths(4)}", timeout=5
    )
    until(
        lambda: not stage.kernel_routes(4) and not stage.kernel_routes(6), "no route is left in the kernel", timeout=5
    )


@pytest.mark.parametrize("has_notification", [True, False], ids=["N", "without-N"])
def test_s24_a_speaker_that_leaves_takes_all_its_routes_with_it(
    stage: Stage, kind: Kind, has_notification: bool
) -> None:
    spec = spec_of(notification=has_notification)
    switch, speaker = stage.switch(kind, spec), stage.announce(Wish(spec, pod_routes()))
    stage.wait_for_kernel(pod_routes())
    agreed = speaker.state(PEER).has_notification
    assert agreed == (has_notification and kind == "frr")
    speaker.leave()
    wait_until_empty(stage, switch)
    assert [(edge.reason, edge.is_gone) for edge in speaker.edges()] == [("", False), ("", True)]
    # FRR, too, tells what is inside a Hard Reset; a plain Cease would have left the routes.
    assert "de-configured" in (switch.last_error(SPEAKER) + daemon_log(switch)).lower()
    speaker.want(Wish(spec, pod_routes()))  # and again
    wait_for_routes(switch, pod_routes())


def test_s24_one_of_two_speakers_leaves_and_nothing_is_lost(stage: Stage, kind: Kind) -> None:
    specs = spec_of(1), spec_of(2)
    switch = stage.switch(kind, *specs)
    first = stage.announce(Wish(specs[0], pod_routes()), index=1)
    stage.announce(Wish(specs[1], pod_routes()), index=2)
    until(lambda: len(switch.paths(4)) == len(switch.paths(6)) == 6, "both announced the same set")
    stage.wait_for_kernel(pod_routes())
    pings = [stage.pings(address) for address in places.pod(3)]
    first.leave()
    until(lambda: {path.peer for path in switch.paths(4)} == {places.node(2)[0]}, "one speaker is left")
    for ping in pings:
        ping.wait_for(ping.answered + 100)
        assert ping.end().lost == 0


def test_s25_what_an_earlier_process_left_is_taken_back(stage: Stage, kind: Kind) -> None:
    """The BGPPeer was deleted while no agent ran."""
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch(kind, spec)
    stage.announce(Wish(spec, routes)).kill()
    wait_for_stale(switch, routes)
    speaker = stage.speaker()
    speaker.want(Wish(spec, rebirth=FAREWELL))
    wait_until_empty(stage, switch)
    until(lambda: any(edge.is_gone for edge in speaker.edges()), "the farewell is over")
    assert speaker.states() == []
    assert "Established" not in switch.sessions().values()


def test_s25_a_farewell_waits_for_a_switch_that_is_not_there(stage: Stage, kind: Kind) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch(kind, spec)
    stage.announce(Wish(spec, routes)).kill()
    wait_for_stale(switch, routes)
    switch.stop()
    speaker = stage.speaker()
    speaker.want(Wish(spec, rebirth=FAREWELL))
    speaker.wait_failure("ConnectRefused")
    assert not any(edge.is_gone for edge in speaker.edges())
    switch.start()
    switch.wait_ready()
    until(lambda: any(edge.is_gone for edge in speaker.edges()), "the farewell is over")
    wait_until_empty(stage, switch)


def test_s24_a_peer_that_was_never_reached_is_left_at_once(stage: Stage) -> None:
    speaker = stage.speaker()
    speaker.want(Wish(spec_of(), pod_routes()))
    speaker.wait_failure("ConnectRefused")
    speaker.leave()
    assert speaker.edges()[-1].is_gone


def test_s24_an_uninstallation_leaves_all_switches(stage: Stage) -> None:
    specs = spec_of(), replace(spec_of(peer=places.SECOND_SWITCH[0]), peer_asn=65002)
    switches = [
        stage.switch("frr", specs[0]),
        stage.switch("bird", specs[1], netns=stage.site.second_switch, router_id=places.SECOND_SWITCH[0]),
    ]
    speaker = stage.announce(*(Wish(spec, pod_routes()) for spec in specs))
    for switch in switches:
        wait_for_routes(switch, pod_routes())
    speaker.leave()
    for switch in switches:
        until(lambda: not switch.paths(4) and not switch.paths(6), "no route is left", timeout=5)  # noqa: B023
