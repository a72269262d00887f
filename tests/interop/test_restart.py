"""Graceful restart: what the switch keeps while the speaker is away, and when it stops keeping it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from terway_edge.backends.bgp.peer_spec import Rebirth
from terway_edge.backends.bgp.wish import Wish
from terway_edge.lab.frr import Frr
from tests.interop import places
from tests.interop.rib import neighbour
from tests.interop.stage import (
    REBORN,
    Stage,
    all_stale,
    knows,
    many_routes,
    merged,
    pod_routes,
    spec_of,
    wait_for_routes,
    wait_for_stale,
)
from tests.interop.switches import Extra, Kind
from tests.interop.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.slow]

SPEAKER = places.node(1)[0]
PINGS = 500


@pytest.mark.parametrize("end", ["kill", "close"])
def test_s29_a_restart_loses_nothing(stage: Stage, kind: Kind, end: str) -> None:
    """SIGKILL, and the silence of an upgrade."""
    spec, routes = spec_of(), merged(pod_routes(), many_routes(200))
    switch = stage.switch(kind, spec)
    speaker = stage.announce(Wish(spec, routes))
    wait_for_routes(switch, routes)
    stage.wait_for_kernel(routes)
    monitor, pings = stage.monitor(), [stage.pings(address) for address in places.pod(3)]
    getattr(speaker, end)()
    wait_for_stale(switch, routes)
    for ping in pings:
        ping.wait_for(PINGS // 2)
    again = stage.announce(Wish(spec, routes, rebirth=REBORN))
    until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    for ping in pings:
        ping.wait_for(PINGS)
        sent, lost = ping.end()
        assert (sent >= PINGS, lost) == (True, 0)
    assert knows(switch, routes)
    assert monitor.deleted() == []
    assert len(again.edges()) == 1


def test_t45_two_restarts_lose_nothing(stage: Stage, kind: Kind) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch(kind, spec)
    speaker = stage.announce(Wish(spec, routes))
    stage.wait_for_kernel(routes)
    monitor, pings = stage.monitor(), stage.pings(places.pod(3)[0])
    for _ in range(2):
        speaker.kill()
        wait_for_stale(switch, routes)
        speaker = stage.announce(Wish(spec, routes, rebirth=REBORN))
        until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    pings.wait_for(PINGS)
    assert pings.end().lost == 0
    assert monitor.deleted() == []


def test_s29_two_crashes_before_the_first_wish_lose_nothing(stage: Stage, kind: Kind) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch(kind, spec)
    stage.announce(Wish(spec, routes)).kill()
    wait_for_stale(switch, routes)
    crashing = stage.speaker()  # it knows no routes yet, so it must not say anything
    assert crashing.states() == []
    crashing.kill()
    assert all_stale(switch, routes)
    stage.announce(Wish(spec, routes, rebirth=REBORN))
    until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    assert knows(switch, routes)


def test_s29_a_speaker_that_does_not_wait_for_its_routes_loses_all(stage: Stage, kind: Kind) -> None:
    """Why the speaker must be told all at once: its End-of-RIB ends what was kept."""
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch(kind, spec)
    stage.announce(Wish(spec, routes)).kill()
    wait_for_stale(switch, routes)
    stage.announce(Wish(spec, rebirth=REBORN))
    until(lambda: not switch.paths(4) and not switch.paths(6), "the switch forgets everything")


def test_s29_what_is_not_announced_again_is_withdrawn(stage: Stage, kind: Kind) -> None:
    spec, fewer, gone = spec_of(), merged(pod_routes(), many_routes(40)), many_routes(10, skip=40)
    both = merged(fewer, gone)
    switch = stage.switch(kind, spec)
    speaker = stage.announce(Wish(spec, both))
    stage.wait_for_kernel(both)
    monitor = stage.monitor()
    speaker.kill()
    wait_for_stale(switch, both)
    stage.announce(Wish(spec, fewer, rebirth=REBORN))
    wait_for_routes(switch, fewer)
    stage.wait_for_kernel(fewer)
    assert sorted(monitor.deleted()) == sorted(str(prefix) for table in gone.values() for prefix in table)


def test_s29_a_restart_that_takes_too_long_loses_all_until_it_is_over(stage: Stage, kind: Kind) -> None:
    spec, routes = spec_of(restart_time=2), pod_routes()
    switch = stage.switch(kind, spec)
    stage.announce(Wish(spec, routes)).kill()
    wait_for_stale(switch, routes)
    until(lambda: not switch.paths(4) and not switch.paths(6), "the switch forgets everything", timeout=6)
    stage.announce(Wish(spec, routes, rebirth=REBORN))
    wait_for_routes(switch, routes)


def test_s29_the_stale_path_time_of_frr_wins_over_a_longer_restart_time(stage: Stage) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch("frr", spec, extra=Extra(frr=("bgp graceful-restart stalepath-time 3",)))
    stage.announce(Wish(spec, routes)).kill()
    wait_for_stale(switch, routes)
    until(lambda: not switch.paths(4) and not switch.paths(6), "the switch forgets everything", timeout=8)


def test_s30_the_bits_of_a_restart(stage: Stage) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch("frr", spec)
    stage.announce(Wish(spec, routes)).kill()
    again = stage.announce(Wish(spec, routes, rebirth=REBORN))
    assert isinstance(switch, Frr)
    restart = neighbour(switch, SPEAKER)["gracefulRestartInfo"]
    assert (restart["rBit"], restart["nBit"], restart["timers"]["receivedRestartTimer"]) == (True, True, 600)
    assert [restart[name]["fBit"] for name in ("ipv4Unicast", "ipv6Unicast")] == [True, True]
    # The next session of the same process is no restart any more.
    switch.vty(f"clear bgp {SPEAKER}")
    until(lambda: len(again.edges()) == 3, "the session is back")
    assert not neighbour(switch, SPEAKER)["gracefulRestartInfo"]["rBit"]


def test_s30_after_a_reboot_the_switch_is_told_that_nothing_was_kept(stage: Stage) -> None:
    spec, routes = spec_of(), pod_routes()
    switch = stage.switch("frr", spec)
    stage.announce(Wish(spec, routes)).kill()
    stage.announce(Wish(spec, routes, rebirth=Rebirth(restarting=True, forwarding=False)))
    assert isinstance(switch, Frr)
    restart = neighbour(switch, SPEAKER)["gracefulRestartInfo"]
    assert restart["rBit"]
    assert [restart[name]["fBit"] for name in ("ipv4Unicast", "ipv6Unicast")] == [False, False]
    wait_for_routes(switch, routes)


@pytest.mark.parametrize("seconds", [1, 4095])
def test_s30_the_shortest_and_the_longest_restart_time(stage: Stage, seconds: int) -> None:
    spec = spec_of(restart_time=seconds)
    switch = stage.switch("frr", spec)
    stage.announce(Wish(spec, pod_routes()))
    assert isinstance(switch, Frr)
    assert neighbour(switch, SPEAKER)["gracefulRestartInfo"]["timers"]["receivedRestartTimer"] == seconds


@pytest.mark.parametrize("who", ["switch", "speaker"])
def test_t45_without_graceful_restart_all_is_lost_at_once(stage: Stage, kind: Kind, who: str) -> None:
    spec, routes = spec_of(), pod_routes()
    unable = replace(spec, restart_time=0)
    switch = stage.switch(kind, unable if who == "switch" else spec)
    ours = unable if who == "speaker" else spec
    speaker = stage.announce(Wish(ours, routes))
    assert not speaker.state(places.SWITCH[0]).has_restart
    wait_for_routes(switch, routes)
    speaker.kill()
    until(lambda: not switch.paths(4) and not switch.paths(6), "the switch forgets everything", timeout=3)
    stage.announce(Wish(ours, routes, rebirth=REBORN))
    wait_for_routes(switch, routes)


def test_s41_speakers_upgraded_one_after_the_other_lose_nothing(stage: Stage, kind: Kind) -> None:
    specs, routes = (spec_of(1), spec_of(2)), pod_routes()
    switch = stage.switch(kind, *specs)
    speakers = [stage.announce(Wish(spec, routes), index=index) for index, spec in enumerate(specs, 1)]
    until(lambda: len(switch.paths(4)) == len(switch.paths(6)) == 6, "both announced the same set")
    stage.wait_for_kernel(routes)
    monitor, pings = stage.monitor(), [stage.pings(address) for address in places.pod(3)]
    for index, (speaker, spec) in enumerate(zip(speakers, specs, strict=True), 1):
        speaker.close()
        until(lambda: switch.stale(4) and switch.stale(6), "the switch notices")
        stage.announce(Wish(spec, routes, rebirth=REBORN), index=index)
        until(lambda: not switch.stale(4) and not switch.stale(6), "nothing is stale any more")
    for ping in pings:
        ping.wait_for(PINGS)
        assert ping.end().lost == 0
    assert [prefix for prefix in monitor.deleted() if kind == "bird" or ":" not in prefix] == []
    assert len(switch.paths(4)) == len(switch.paths(6)) == 6
